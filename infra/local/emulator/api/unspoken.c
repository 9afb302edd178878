#include "infra/local/emulator/api/unspoken.h"

enum { BODY_MAX = 1024 * 1024, WORD_MAX = 40 };

/* The words of paths that the emulator speaks; an id follows on the name of a collection. */
static const struct word {
    const char *text;
    bool is_collection;
} words[] = {
    {"b", true},       {"o", true},          {"projects", true},      {"locations", true},
    {"topics", true},  {"jobs", true},       {"subscriptions", true}, {"serviceAccounts", true},
    {"upload", false}, {"resumable", false}, {"download", false},     {"storage", false},
    {"v1", false},     {"batch", false},
};

static const struct word *find_word(const char *segment, size_t len)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i].text) == len && memcmp(words[i].text, segment, len) == 0)
            return &words[i];
    return NULL;
}

static bool is_newer_api(const char *path)
{
    return strncmp(path, "/v1/", strlen("/v1/")) == 0;
}

/* The verb of an id: from its last colon, which may be escaped; "" without one. */
static const char *verb_of(const char *id)
{
    const char *verb = strrchr(id, ':');
    if (verb)
        return verb + 1;
    verb = strcasestr(id, "%3a");
    return verb ? verb + 3 : "";
}

bool em_has_other_verb(const char *pattern, const char *path)
{
    return is_newer_api(path) && !strchr(pattern, ':') && *verb_of(strrchr(path, '/'));
}

static void add(char out[EM_ROUTE_NAME_MAX], const char *separator, const char *text, size_t len)
{
    size_t used = strlen(out);
    snprintf(out + used, EM_ROUTE_NAME_MAX - used, "%s%.*s", separator,
             (int)(len < WORD_MAX ? len : WORD_MAX), text);
}

void em_route_name(const char *path, char out[EM_ROUTE_NAME_MAX])
{
    static const char storage[] = "/storage/v1/";
    const bool newer = is_newer_api(path);
    bool is_id = false;
    out[0] = '\0';
    if (strncmp(path, storage, sizeof storage - 1) == 0)
        path += sizeof storage - 2;
    for (path += *path == '/'; *path; path += *path == '/') {
        size_t len = strcspn(path, "/");
        const char *slash = out[0] ? "/" : "";
        const struct word *word = is_id ? NULL : find_word(path, len);
        add(out, slash, is_id ? "{}" : path, is_id ? 2 : len);
        if (is_id && newer && !path[len] && *verb_of(path))
            add(out, ":", verb_of(path), WORD_MAX);
        if (!is_id && !word)
            return;
        is_id = word && word->is_collection;
        path += len;
    }
}

enum mr_status em_unspoken_route(const struct mr_request *req, struct mr_err *err)
{
    char name[EM_ROUTE_NAME_MAX];
    em_route_name(mr_request_path(req), name);
    return mr_fail_code(err, MR_CODE_UNIMPLEMENTED, "The emulator does not speak %s %s.",
                        mr_request_method(req), name);
}

static enum mr_status refuse(void *app, struct mr_request *req, struct mr_err *err)
{
    (void)app;
    return em_unspoken_route(req, err);
}

static enum mr_status refuse_xml(void *app, struct mr_request *req, struct mr_err *err)
{
    (void)app;
    return mr_fail_code(err, MR_CODE_UNIMPLEMENTED,
                        "The emulator does not speak %s /{bucket} of the XML API.", mr_request_method(req));
}

#define ROW(method, path, handler)                                                                           \
    {                                                                                                        \
        "(unspoken)", method, path, handler, BODY_MAX, "*"                                                   \
    }
#define EVERY_METHOD(path, handler)                                                                          \
    ROW("GET", path, handler), ROW("POST", path, handler), ROW("PUT", path, handler),                        \
        ROW("PATCH", path, handler), ROW("DELETE", path, handler), ROW("OPTIONS", path, handler)

static const struct em_spoken rows[] = {
    EVERY_METHOD("/storage/v1", refuse),
    EVERY_METHOD("/storage/v1/{rest*}", refuse),
    /* As Google's Node client asks, which leaves "/storage/v1" out. */
    EVERY_METHOD("/b", refuse),
    EVERY_METHOD("/b/{rest*}", refuse),
    EVERY_METHOD("/projects/{project}/hmacKeys", refuse),
    EVERY_METHOD("/projects/{project}/hmacKeys/{rest*}", refuse),
    EVERY_METHOD("/projects/{project}/serviceAccount", refuse),
    EVERY_METHOD("/upload/{rest*}", refuse),
    EVERY_METHOD("/resumable/{rest*}", refuse),
    EVERY_METHOD("/download/{rest*}", refuse),
    EVERY_METHOD("/batch", refuse),
    EVERY_METHOD("/batch/{rest*}", refuse),
    EVERY_METHOD("/v1/{rest*}", refuse),
};
static const struct em_spoken xml_rows[] = {EVERY_METHOD("/{bucket}", refuse_xml)};

const struct em_spoken *em_unspoken_rows(size_t *ret_count)
{
    *ret_count = sizeof rows / sizeof *rows;
    return rows;
}

const struct em_spoken *em_unspoken_xml_rows(size_t *ret_count)
{
    *ret_count = sizeof xml_rows / sizeof *xml_rows;
    return xml_rows;
}
