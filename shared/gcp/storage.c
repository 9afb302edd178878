#include "shared/gcp/storage.h"
#include "shared/base/encoding.h"
#include "shared/gcp/storage_internal.h"

#include <stdarg.h>

#define GOOGLE_BASE_URL "https://storage.googleapis.com"

enum { DEFAULT_CHUNK_BYTES = 2 * 1024 * 1024 };

const struct mr_retry mr_storage_retry = {.attempts = 7, .base_ms = 200, .cap_ms = 10000, .total_ms = 60000};

/* ---- birth and death ------------------------------------------------------------ */

static enum mr_status copy_options(struct mr_storage *storage, const struct mr_storage_options *options,
                                   struct mr_err *err)
{
    bool emulated = options->base_url && *options->base_url;
    storage->base_url = strdup(emulated ? options->base_url : GOOGLE_BASE_URL);
    if (!storage->base_url)
        return mr_fail_oom(err);
    for (size_t len = strlen(storage->base_url); len && storage->base_url[len - 1] == '/'; len--)
        storage->base_url[len - 1] = '\0';
    MR_AUTO(mr_buf) struct mr_buf bucket = MR_BUF_INIT(MR_OBJECT_NAME_MAX);
    enum mr_status status = mr_percent_encode(&bucket, options->bucket, false, err);
    if (status != MR_OK)
        return status;
    storage->bucket = mr_buf_take(&bucket);
    return MR_OK;
}

enum mr_status mr_storage_new(struct mr_http_client *http, const struct mr_storage_options *options,
                              struct mr_storage **ret, struct mr_err *err)
{
    size_t chunk = options->chunk_bytes ? options->chunk_bytes : DEFAULT_CHUNK_BYTES;
    if (chunk % MR_STORAGE_UNIT)
        return mr_fail(err, MR_INVALID, "chunk size %zu is not a multiple of 256 KiB", chunk);
    if (!options->bucket || !*options->bucket)
        return mr_fail(err, MR_INVALID, "no bucket given");
    MR_AUTO(mr_storage) struct mr_storage *storage = calloc(1, sizeof *storage);
    if (!storage)
        return mr_fail_oom(err);
    storage->api = (struct mr_api){.http = http, .tokens = options->tokens};
    storage->chunk_bytes = chunk;
    enum mr_status status = copy_options(storage, options, err);
    if (status == MR_OK)
        *ret = MR_TAKE(storage);
    return status;
}

void mr_storage_free(struct mr_storage *storage)
{
    if (!storage)
        return;
    free(storage->base_url);
    free(storage->bucket);
    free(storage);
}

const char *mr_storage_base_url(const struct mr_storage *storage)
{
    return storage->base_url;
}

/* ---- names and URLs --------------------------------------------------------------- */

enum mr_status mr_storage_check_name(const char *name, struct mr_err *err)
{
    size_t len = strlen(name);
    if (!len || len > MR_OBJECT_NAME_MAX)
        return mr_fail(err, MR_INVALID, "object name of %zu bytes", len);
    if (!mr_utf8_is_valid(name, len) || name[strcspn(name, "\r\n")])
        return mr_fail(err, MR_INVALID, "object name is not clean UTF-8");
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return mr_fail(err, MR_INVALID, "object name is a relative path");
    return MR_OK;
}

enum mr_status mr_storage_object_url(const struct mr_storage *storage, const char *name,
                                     struct mr_buf *ret_url, struct mr_err *err, const char *tail, ...)
{
    char suffix[256];
    va_list args;
    va_start(args, tail);
    vsnprintf(suffix, sizeof suffix, tail, args);
    va_end(args);
    enum mr_status status = mr_storage_check_name(name, err);
    if (status == MR_OK)
        status = mr_buf_appendf(ret_url, err, "%s/storage/v1/b/%s/o/", storage->base_url, storage->bucket);
    if (status == MR_OK)
        status = mr_percent_encode(ret_url, name, false, err);
    if (status == MR_OK)
        status = mr_buf_append_str(ret_url, suffix, err);
    return status;
}

/* ---- object resources ---------------------------------------------------------------- */

/* The API writes 64-bit numbers as strings. */
static bool int64_member(const json_t *json, const char *name, int64_t *ret)
{
    return mr_parse_int64(json_string_value(json_object_get(json, name)), 0, INT64_MAX, ret);
}

static bool parse_crc32c(const char *text, uint32_t *ret)
{
    MR_AUTO_STR char *owned = NULL;
    unsigned char *bytes = NULL;
    size_t len = 0;
    if (!text || mr_base64_decode(text, strlen(text), &bytes, &len, NULL) != MR_OK)
        return false;
    owned = (char *)bytes;
    if (len != 4)
        return false;
    *ret = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
    return true;
}

static enum mr_status object_from_json(const json_t *json, struct mr_object *ret, struct mr_err *err)
{
    struct mr_object object = {0};
    if (!int64_member(json, "size", &object.size) || !int64_member(json, "generation", &object.generation))
        return mr_fail(err, MR_UNAVAILABLE, "the answer is no object resource");
    object.has_crc32c = parse_crc32c(json_string_value(json_object_get(json, "crc32c")), &object.crc32c);
    const char *type = json_string_value(json_object_get(json, "contentType"));
    snprintf(object.content_type, sizeof object.content_type, "%s", type ? type : "");
    *ret = object;
    return MR_OK;
}

enum mr_status mr_storage_parse_object(const struct mr_http_response *res, struct mr_object *ret,
                                       struct mr_err *err)
{
    MR_AUTO_JSON json_t *json = NULL;
    enum mr_status status = mr_api_json(res, &json, err);
    return status == MR_OK ? object_from_json(json, ret, err) : status;
}

/* ---- single requests ------------------------------------------------------------------- */

static enum mr_status call(struct mr_storage *storage, const char *method, const char *url,
                           const json_t *body, struct mr_retry_state *retry, struct mr_http_response *res,
                           struct mr_err *err)
{
    static const char *const headers[] = {"Content-Type: application/json; charset=UTF-8", NULL};
    MR_AUTO_STR char *text = NULL;
    if (body && !(text = json_dumps(body, JSON_COMPACT)))
        return mr_fail_oom(err);
    struct mr_http_request req = {.method = method,
                                  .url = url,
                                  .headers = body ? headers : NULL,
                                  .body = text,
                                  .body_len = text ? strlen(text) : 0};
    return mr_api_call(&storage->api, &req, &mr_storage_retry, retry, res, err);
}

static enum mr_status stat_json(struct mr_storage *storage, const char *name, json_t **ret,
                                struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf url = MR_BUF_INIT(MR_STORAGE_URL_MAX);
    MR_AUTO(mr_http_response) struct mr_http_response res = {0};
    struct mr_retry_state retry = {0};
    enum mr_status status = mr_storage_object_url(storage, name, &url, err, "%s", "");
    if (status == MR_OK)
        status = call(storage, "GET", mr_buf_str(&url), NULL, &retry, &res, err);
    return status == MR_OK ? mr_api_json(&res, ret, err) : status;
}

enum mr_status mr_storage_stat(struct mr_storage *storage, const char *name, struct mr_object *ret,
                               struct mr_err *err)
{
    MR_AUTO_JSON json_t *json = NULL;
    enum mr_status status = stat_json(storage, name, &json, err);
    if (status == MR_OK)
        status = object_from_json(json, ret, err);
    return status == MR_OK ? MR_OK : mr_wrap(err, status, "look up object");
}

enum mr_status mr_storage_adopt(struct mr_storage *storage, const char *name, int64_t size, uint32_t crc32c,
                                struct mr_object *ret, enum mr_status otherwise)
{
    struct mr_object found;
    if (mr_storage_stat(storage, name, &found, NULL) != MR_OK || found.size != size || !found.has_crc32c ||
        found.crc32c != crc32c)
        return otherwise;
    *ret = found;
    return MR_OK;
}

enum mr_status mr_storage_verify(struct mr_storage *storage, const char *name, int64_t size, uint32_t crc32c,
                                 const struct mr_object *stored, struct mr_err *err)
{
    if (stored->size == size && stored->has_crc32c && stored->crc32c == crc32c)
        return MR_OK;
    /* Should this fail, a wrong object stays; that it is wrong is reported all the same. */
    (void)!mr_storage_delete(storage, name, NULL);
    return mr_fail_code(err, MR_CODE_CORRUPTED,
                        "stored object differs from what was sent (%lld bytes of %lld, or its checksum)",
                        (long long)stored->size, (long long)size);
}

/* Repeated without a precondition: a name is written once, so nothing newer can be hit. */
enum mr_status mr_storage_delete(struct mr_storage *storage, const char *name, struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf url = MR_BUF_INIT(MR_STORAGE_URL_MAX);
    MR_AUTO(mr_http_response) struct mr_http_response res = {0};
    struct mr_retry_state retry = {0};
    enum mr_status status = mr_storage_object_url(storage, name, &url, err, "%s", "");
    if (status != MR_OK)
        return status;
    struct mr_err failure = {0};
    status = call(storage, "DELETE", mr_buf_str(&url), NULL, &retry, &res, &failure);
    if (status == MR_OK || res.status == 404)
        return MR_OK;
    return mr_fail_as(err, status, failure.code, "delete object: %s", failure.message);
}

/* ---- custom metadata --------------------------------------------------------------------- */

/* A PATCH merges: what shall go has to be named with null. */
static json_t *replacing_patch(const json_t *old, const json_t *new)
{
    MR_AUTO_JSON json_t *members = json_copy((json_t *)(uintptr_t) new);
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)(uintptr_t)old, key, value) {
        (void)value;
        if (!json_object_get(new, key) && json_object_set_new(members, key, json_null()) != 0)
            return NULL;
    }
    return json_pack("{s:O}", "metadata", members);
}

static enum mr_status patch_metadata(struct mr_storage *storage, const char *name, const json_t *metadata,
                                     struct mr_err *err)
{
    MR_AUTO_JSON json_t *object = NULL;
    enum mr_status status = stat_json(storage, name, &object, err);
    if (status != MR_OK)
        return status;
    int64_t metageneration = 0;
    if (!int64_member(object, "metageneration", &metageneration))
        return mr_fail(err, MR_UNAVAILABLE, "the answer is no object resource");
    MR_AUTO_JSON json_t *patch = replacing_patch(json_object_get(object, "metadata"), metadata);
    if (!patch)
        return mr_fail_oom(err);
    MR_AUTO(mr_buf) struct mr_buf url = MR_BUF_INIT(MR_STORAGE_URL_MAX);
    MR_AUTO(mr_http_response) struct mr_http_response res = {0};
    struct mr_retry_state retry = {0};
    status = mr_storage_object_url(storage, name, &url, err, "?ifMetagenerationMatch=%lld",
                                   (long long)metageneration);
    return status == MR_OK ? call(storage, "PATCH", mr_buf_str(&url), patch, &retry, &res, err) : status;
}

enum mr_status mr_storage_set_metadata(struct mr_storage *storage, const char *name, const json_t *metadata,
                                       struct mr_err *err)
{
    /* A conflict is our own success whose answer was lost, or another writer: look again and repeat. */
    enum { ROUNDS = 3 };
    enum mr_status status = MR_CONFLICT;
    for (int i = 0; i < ROUNDS && status == MR_CONFLICT; i++)
        status = patch_metadata(storage, name, metadata, err);
    return status == MR_OK ? MR_OK : mr_wrap(err, status, "set metadata of object");
}

/* ---- compose --------------------------------------------------------------------------------- */

static json_t *compose_request(const char *const *sources, size_t count, const char *content_type)
{
    MR_AUTO_JSON json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        if (json_array_append_new(list, json_pack("{s:s}", "name", sources[i])) != 0)
            return NULL;
    return json_pack("{s:O,s:{s:s}}", "sourceObjects", list, "destination", "contentType", content_type);
}

/* After a repeated compose met a conflict: MR_OK if the object is there and as long as its sources. */
static enum mr_status adopt_composed(struct mr_storage *storage, const char *const *sources, size_t count,
                                     const char *name, struct mr_object *ret)
{
    int64_t sum = 0;
    struct mr_object object;
    for (size_t i = 0; i < count; i++) {
        if (mr_storage_stat(storage, sources[i], &object, NULL) != MR_OK)
            return MR_CONFLICT;
        sum += object.size;
    }
    if (mr_storage_stat(storage, name, &object, NULL) != MR_OK || object.size != sum)
        return MR_CONFLICT;
    *ret = object;
    return MR_OK;
}

enum mr_status mr_storage_compose(struct mr_storage *storage, const char *const *sources, size_t count,
                                  const char *name, const char *content_type, struct mr_object *ret,
                                  struct mr_err *err)
{
    enum { MAX_SOURCES = 32 };
    if (!count || count > MAX_SOURCES)
        return mr_fail(err, MR_INVALID, "compose of %zu objects", count);
    MR_AUTO_JSON json_t *body = compose_request(sources, count, content_type);
    if (!body)
        return mr_fail_oom(err);
    MR_AUTO(mr_buf) struct mr_buf url = MR_BUF_INIT(MR_STORAGE_URL_MAX);
    MR_AUTO(mr_http_response) struct mr_http_response res = {0};
    struct mr_retry_state retry = {0};
    enum mr_status status = mr_storage_object_url(storage, name, &url, err, "/compose?ifGenerationMatch=0");
    if (status == MR_OK)
        status = call(storage, "POST", mr_buf_str(&url), body, &retry, &res, err);
    if (status == MR_CONFLICT && retry.tries)
        return adopt_composed(storage, sources, count, name, ret);
    if (status == MR_OK)
        status = mr_storage_parse_object(&res, ret, err);
    return status == MR_OK ? MR_OK : mr_wrap(err, status, "compose object");
}
