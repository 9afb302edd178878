/* Single objects: looked up, deleted, and compared with what was written. */
#include "shared/gcp/storage_object.h"

#include "shared/base/encoding.h"
#include "shared/base/utf8.h"
#include "shared/gcp/answer.h"

#include <stdarg.h>

enum { URL_TAIL_MAX = 256 };

enum mr_status mr_storage_check_name(const char *name, struct mr_err *err)
{
    size_t len = strlen(name);
    if (!len || len > MR_OBJECT_NAME_MAX)
        return mr_fail(err, MR_INVALID, "object name of %zu bytes, must be 1 to %d", len, MR_OBJECT_NAME_MAX);
    if (!mr_utf8_is_valid(name, len) || name[strcspn(name, "\r\n")])
        return mr_fail(err, MR_INVALID, "object name must be UTF-8 without line breaks");
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return mr_fail(err, MR_INVALID, "object name must not be \".\" or \"..\"");
    return MR_OK;
}

enum mr_status mr_storage_object_url(const struct mr_storage *storage, const char *name,
                                     struct mr_buf *ret_url, struct mr_err *err, const char *tail, ...)
{
    char suffix[URL_TAIL_MAX];
    va_list args;
    va_start(args, tail);
    vsnprintf(suffix, sizeof suffix, tail, args);
    va_end(args);
    MR_TRY(mr_storage_check_name(name, err));
    MR_TRY(mr_buf_appendf(ret_url, err, "%s/storage/v1/b/%s/o/", storage->base_url, storage->bucket));
    MR_TRY(mr_percent_encode(ret_url, name, false, err));
    return mr_buf_append_str(ret_url, suffix, err);
}

/* The API writes 64-bit numbers as strings. */
static bool int64_member(const json_t *json, const char *name, int64_t *ret)
{
    return mr_parse_int64(json_string_value(json_object_get(json, name)), 0, INT64_MAX, ret);
}

static bool parse_crc32c(const char *text, uint32_t *ret)
{
    unsigned char *bytes = NULL;
    size_t len = 0;
    if (!text || mr_base64_decode(text, strlen(text), &bytes, &len, NULL) != MR_OK)
        return false;
    bool is_crc = len == 4;
    if (is_crc)
        *ret = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
    free(bytes);
    return is_crc;
}

bool mr_storage_parse_hash(const char *value, uint32_t *ret_crc32c)
{
    static const char name[] = "crc32c=";
    enum { TEXT_LEN = 8 };
    const char *found = strstr(value, name);
    char text[TEXT_LEN + 1];
    if (!found || strnlen(found + sizeof name - 1, TEXT_LEN) < TEXT_LEN)
        return false;
    memcpy(text, found + sizeof name - 1, TEXT_LEN);
    text[TEXT_LEN] = '\0';
    return parse_crc32c(text, ret_crc32c);
}

enum mr_status mr_storage_parse_object(const struct mr_http_response *res, struct mr_object *ret,
                                       struct mr_err *err)
{
    MR_AUTO_JSON json_t *json = NULL;
    MR_TRY(mr_answer_json(res, &json, err));
    struct mr_object object = {0};
    if (!int64_member(json, "size", &object.size) || !int64_member(json, "generation", &object.generation))
        return mr_fail(err, MR_UNAVAILABLE, "the answer is not an object resource");
    object.has_crc32c = parse_crc32c(json_string_value(json_object_get(json, "crc32c")), &object.crc32c);
    const char *type = json_string_value(json_object_get(json, "contentType"));
    snprintf(object.content_type, sizeof object.content_type, "%s", type ? type : "");
    *ret = object;
    return MR_OK;
}

static enum mr_status call(struct mr_storage *storage, const char *method, const char *permission,
                           const char *name, struct mr_http_response *res, struct mr_err *err)
{
    struct mr_need need = mr_storage_need(storage, permission, name);
    need.may_be_absent = true;
    MR_AUTO(mr_buf) struct mr_buf url = MR_BUF_INIT(MR_STORAGE_URL_MAX);
    MR_TRY(mr_storage_object_url(storage, name, &url, err, "%s", ""));
    struct mr_http_request req = {.method = method, .url = mr_buf_str(&url)};
    struct mr_retry_state retry = {0};
    return mr_authorized_call(&storage->caller, &need, &req, &mr_storage_retry, &retry, res, err);
}

static enum mr_status stat_object(struct mr_storage *storage, const char *name, struct mr_object *ret,
                                  struct mr_err *err)
{
    MR_AUTO(mr_http_response) struct mr_http_response res = {0};
    MR_TRY(call(storage, "GET", "storage.objects.get", name, &res, err));
    return mr_storage_parse_object(&res, ret, err);
}

enum mr_status mr_storage_stat(struct mr_storage *storage, const char *name, struct mr_object *ret,
                               struct mr_err *err)
{
    return mr_wrap(err, stat_object(storage, name, ret, err), "look up object");
}

/* Needs no precondition to be repeated: a name is written once, so nothing newer can be deleted. */
enum mr_status mr_storage_delete(struct mr_storage *storage, const char *name, struct mr_err *err)
{
    MR_AUTO(mr_http_response) struct mr_http_response res = {0};
    struct mr_err failure = {0};
    enum mr_status status = call(storage, "DELETE", "storage.objects.delete", name, &res, &failure);
    if (status == MR_OK || res.status == 404)
        return MR_OK;
    return mr_wrap(err, mr_fail_from(err, &failure), "delete object");
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

enum mr_status mr_storage_conflict(enum mr_status status, struct mr_err *err)
{
    return status == MR_CONFLICT ? mr_answer_own_fault(status, err) : status;
}

enum mr_status mr_storage_verify(struct mr_storage *storage, const char *name, int64_t size, uint32_t crc32c,
                                 const struct mr_object *stored, struct mr_err *err)
{
    if (stored->size == size && stored->has_crc32c && stored->crc32c == crc32c)
        return MR_OK;
    /* If the deletion fails, the wrong object stays, but the failure is reported all the same. */
    (void)!mr_storage_delete(storage, name, NULL);
    return mr_fail_code(err, MR_CODE_CORRUPTED,
                        "stored object differs from what was sent (%lld bytes of %lld, or its checksum)",
                        (long long)stored->size, (long long)size);
}
