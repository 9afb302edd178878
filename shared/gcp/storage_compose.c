/* Several objects concatenated into one. Source:
 * https://cloud.google.com/storage/docs/json_api/v1/objects/compose */
#include "shared/base/encoding.h"
#include "shared/gcp/storage_object.h"

enum { SOURCES_MAX = 32 };

/* What becomes one object. */
struct composition {
    const char *const *names;
    size_t count;
    int64_t generation; /* of a single source; 0: the newest */
};

static json_t *compose_request(const struct composition *of, const char *content_type)
{
    MR_AUTO_JSON json_t *list = json_array();
    for (size_t i = 0; i < of->count; i++)
        if (json_array_append_new(list, json_pack("{s:s}", "name", of->names[i])) != 0)
            return NULL;
    if (of->generation) { /* a 64-bit number is a string */
        char text[MR_INT64_TEXT_MAX];
        mr_int64_text(of->generation, text);
        if (json_object_set_new(json_array_get(list, 0), "generation", json_string(text)) != 0)
            return NULL;
    }
    return json_pack("{s:O,s:{s:s}}", "sourceObjects", list, "destination", "contentType", content_type);
}

/* After a repeated compose met a conflict: MR_OK if the object exists and is as long as its sources. */
static enum mr_status adopt_composed(struct mr_storage *storage, const struct composition *of,
                                     const char *name, struct mr_object *ret)
{
    int64_t sum = 0;
    struct mr_object object;
    for (size_t i = 0; i < of->count; i++) {
        if (mr_storage_stat(storage, of->names[i], &object, NULL) != MR_OK)
            return MR_CONFLICT;
        sum += object.size;
    }
    if (mr_storage_stat(storage, name, &object, NULL) != MR_OK || object.size != sum)
        return MR_CONFLICT;
    *ret = object;
    return MR_OK;
}

static enum mr_status compose(struct mr_storage *storage, const struct composition *of,
                              const struct mr_need *need, const char *content_type, struct mr_object *ret,
                              struct mr_err *err)
{
    static const char *const headers[] = {"Content-Type: application/json; charset=UTF-8", NULL};
    MR_AUTO_JSON json_t *body = compose_request(of, content_type);
    MR_AUTO_STR char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    if (!text)
        return mr_fail_oom(err);
    MR_AUTO(mr_buf) struct mr_buf url = MR_BUF_INIT(MR_STORAGE_URL_MAX);
    MR_TRY(mr_storage_object_url(storage, need->object, &url, err, "/compose?ifGenerationMatch=0"));
    struct mr_http_request req = {.method = "POST",
                                  .url = mr_buf_str(&url),
                                  .headers = headers,
                                  .body = text,
                                  .body_len = strlen(text)};
    MR_AUTO(mr_http_response) struct mr_http_response res = {0};
    struct mr_retry_state retry = {0};
    enum mr_status status =
        mr_authorized_call(&storage->caller, need, &req, &mr_storage_retry, &retry, &res, err);
    if (status == MR_CONFLICT && retry.failures)
        return adopt_composed(storage, of, need->object, ret);
    if (status != MR_OK)
        return status;
    return mr_storage_parse_object(&res, ret, err);
}

enum mr_status mr_storage_compose(struct mr_storage *storage, const char *const *sources, size_t count,
                                  const char *name, const char *content_type, struct mr_object *ret,
                                  struct mr_err *err)
{
    const struct composition of = {.names = sources, .count = count};
    const struct mr_need need = mr_storage_need(storage, "storage.objects.create", name);
    if (!count || count > SOURCES_MAX)
        return mr_fail(err, MR_INVALID, "compose of %zu objects, must be 1 to %d", count, SOURCES_MAX);
    enum mr_status status = compose(storage, &of, &need, content_type, ret, err);
    return mr_storage_conflict(mr_wrap(err, status, "compose object"), err);
}

enum mr_status mr_storage_copy(struct mr_storage *storage, const char *source, int64_t generation,
                               const char *name, const char *content_type, struct mr_object *ret,
                               struct mr_err *err)
{
    const struct composition of = {.names = &source, .count = 1, .generation = generation};
    struct mr_need need = mr_storage_need(storage, "storage.objects.create", name);
    need.may_be_absent = true; /* the source: the caller knows whose fault that is */
    enum mr_status status = compose(storage, &of, &need, content_type, ret, err);
    return mr_storage_conflict(mr_wrap(err, status, "copy object"), err);
}
