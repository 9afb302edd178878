#include "infra/local/emulator/storage/cors.h"

#include "infra/local/emulator/google_error.h"

#include <strings.h>

/* What a script that uploads has to read. */
#define SESSION_EXPOSES "Content-Length, Content-Type, Date, Location, Range, Server, X-GUploader-UploadID"

enum { LIST_MAX = 4096 };

/* What one answer allows; NULL or 0: the header is left out. */
struct permission {
    const char *origin;
    const char *exposed;
    const char *methods, *headers; /* of preflights */
    json_int_t max_age_s;
};

static enum mr_status add_headers(struct mr_request *req, const struct permission *permission,
                                  struct mr_err *err)
{
    char max_age[32];
    snprintf(max_age, sizeof max_age, "%lld", (long long)permission->max_age_s);
    const struct {
        const char *name, *value;
    } headers[] = {
        {"Access-Control-Allow-Origin", permission->origin},
        {"Access-Control-Expose-Headers", permission->exposed},
        {"Access-Control-Allow-Methods", permission->methods},
        {"Access-Control-Allow-Headers", permission->headers},
        {"Access-Control-Max-Age", permission->max_age_s > 0 ? max_age : NULL},
        {"Vary", "Origin"},
    };
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        if (headers[i].value && *headers[i].value)
            MR_TRY(mr_respond_header(req, headers[i].name, headers[i].value, err));
    return MR_OK;
}

/* A failure is answered here: one that the server answers loses its headers. */
static enum mr_status answer_with(const struct permission *permission, struct em_app *emulator,
                                  struct mr_request *req, mr_handler *handler, struct mr_err *err)
{
    struct mr_err cause = {0};
    MR_TRY(add_headers(req, permission, err));
    enum mr_status status = handler(emulator, req, &cause);
    if (status == MR_OK)
        return MR_OK;
    if (!mr_respond_started(req))
        return em_google_answer_error(req, mr_http_status_of(&cause), &cause, err);
    *err = cause;
    return status;
}

/* ---- sessions -------------------------------------------------------------------------- */

static const char *session_origin(const struct em_app *emulator, const struct mr_request *req)
{
    const char *id = mr_request_query(req, "upload_id");
    return id ? em_upload_session_origin(emulator->storage->sessions, id) : NULL;
}

enum mr_status em_cors_session_headers(struct mr_request *req, const char *origin, struct mr_err *err)
{
    struct permission permission = {.origin = origin, .exposed = SESSION_EXPOSES};
    return origin ? add_headers(req, &permission, err) : MR_OK;
}

enum mr_status em_cors_session(struct em_app *emulator, struct mr_request *req, mr_handler *handler,
                               struct mr_err *err)
{
    struct permission permission = {.origin = session_origin(emulator, req), .exposed = SESSION_EXPOSES};
    return permission.origin ? answer_with(&permission, emulator, req, handler, err)
                             : handler(emulator, req, err);
}

enum mr_status em_upload_preflight(void *app, struct mr_request *req, struct mr_err *err)
{
    struct permission permission = {.exposed = SESSION_EXPOSES,
                                    .methods = "DELETE, GET, POST, PUT",
                                    .headers = mr_request_header(req, "Access-Control-Request-Headers"),
                                    .max_age_s = 3600};
    /* The JSON API lets every page begin a session. */
    permission.origin =
        mr_request_query(req, "upload_id") ? session_origin(app, req) : mr_request_header(req, "Origin");
    if (permission.origin)
        MR_TRY(add_headers(req, &permission, err));
    return mr_respond_bytes(req, 200, "text/plain", "", 0, err);
}

/* ---- buckets ----------------------------------------------------------------------------- */

static bool list_holds(const json_t *list, const char *text)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *item = json_string_value(json_array_get(list, i));
        if (item && (strcmp(item, "*") == 0 || strcasecmp(item, text) == 0))
            return true;
    }
    return false;
}

/* True if each of the names in a header's comma-separated value is in the list. */
static bool list_holds_each(const json_t *list, const char *names)
{
    for (const char *at = names; *at;) {
        char name[128];
        at += strspn(at, ", \t");
        size_t len = strcspn(at, ", \t");
        snprintf(name, sizeof name, "%.*s", (int)len, at);
        if (len && !list_holds(list, name))
            return false;
        at += len;
    }
    return true;
}

/* The first rule for origin and method; NULL if there is none. */
static const json_t *find_rule(const json_t *bucket, const char *origin, const char *method)
{
    const json_t *rules = json_object_get(bucket, "cors");
    for (size_t i = 0; i < json_array_size(rules); i++) {
        const json_t *rule = json_array_get(rules, i);
        if (list_holds(json_object_get(rule, "origin"), origin) &&
            list_holds(json_object_get(rule, "method"), method))
            return rule;
    }
    return NULL;
}

static enum mr_status join(const json_t *list, struct mr_buf *out, struct mr_err *err)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *item = json_string_value(json_array_get(list, i));
        MR_TRY(mr_buf_appendf(out, err, "%s%s", i ? ", " : "", item ? item : ""));
    }
    return MR_OK;
}

/* A rule for everybody says so instead of naming the one who asks. */
static const char *allowed_origin(const json_t *rule, const char *origin)
{
    return list_holds(json_object_get(rule, "origin"), "*") ? "*" : origin;
}

enum mr_status em_cors_bucket(struct em_app *emulator, struct mr_request *req, mr_handler *handler,
                              struct mr_err *err)
{
    const char *origin = mr_request_header(req, "Origin");
    MR_AUTO_JSON json_t *bucket = NULL;
    MR_AUTO(mr_buf) struct mr_buf exposed = MR_BUF_INIT(LIST_MAX);
    /* A bucket that does not exist is the handler's to report. */
    if (!origin || em_store_bucket_get(emulator->storage->store, mr_request_param(req, "bucket"), &bucket,
                                       NULL) != MR_OK)
        return handler(emulator, req, err);
    const json_t *rule = find_rule(bucket, origin, mr_request_method(req));
    if (!rule)
        return handler(emulator, req, err);
    MR_TRY(join(json_object_get(rule, "responseHeader"), &exposed, err));
    struct permission permission = {.origin = allowed_origin(rule, origin), .exposed = mr_buf_str(&exposed)};
    return answer_with(&permission, emulator, req, handler, err);
}

static enum mr_status allow(struct mr_request *req, const json_t *rule, const char *origin,
                            struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf methods = MR_BUF_INIT(LIST_MAX);
    MR_AUTO(mr_buf) struct mr_buf headers = MR_BUF_INIT(LIST_MAX);
    MR_TRY(join(json_object_get(rule, "method"), &methods, err));
    MR_TRY(join(json_object_get(rule, "responseHeader"), &headers, err));
    struct permission permission = {.origin = allowed_origin(rule, origin),
                                    .methods = mr_buf_str(&methods),
                                    .headers = mr_buf_str(&headers),
                                    .max_age_s = json_integer_value(json_object_get(rule, "maxAgeSeconds"))};
    return add_headers(req, &permission, err);
}

/* Always 200: what is not allowed shows by the headers that are not there. */
enum mr_status em_xml_preflight(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_app *emulator = app;
    const char *origin = mr_request_header(req, "Origin");
    const char *method = mr_request_header(req, "Access-Control-Request-Method");
    const char *headers = mr_request_header(req, "Access-Control-Request-Headers");
    MR_AUTO_JSON json_t *bucket = NULL;
    if (!origin || !method)
        return mr_fail(err, MR_INVALID, "OPTIONS needs Origin and Access-Control-Request-Method.");
    MR_TRY(em_store_bucket_get(emulator->storage->store, mr_request_param(req, "bucket"), &bucket, err));
    const json_t *rule = find_rule(bucket, origin, method);
    if (rule && list_holds_each(json_object_get(rule, "responseHeader"), headers ? headers : ""))
        MR_TRY(allow(req, rule, origin, err));
    return mr_respond_bytes(req, 200, "text/plain", "", 0, err);
}
