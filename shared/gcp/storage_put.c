/* A whole object in one multipart request: metadata with the checksum first, so that the server refuses a
 * body that arrived damaged. Source: https://cloud.google.com/storage/docs/uploading-objects (multipart) */
#include "shared/gcp/storage_put.h"

#include "shared/base/crc32c.h"
#include "shared/base/random.h"
#include "shared/gcp/storage_object.h"

enum { BOUNDARY_MAX = 48 };

/* Random, because the data may contain any text. */
static enum mr_status make_boundary(char out[BOUNDARY_MAX], struct mr_err *err)
{
    char uuid[MR_UUID_TEXT_MAX];
    MR_TRY(mr_uuid_generate(uuid, err));
    snprintf(out, BOUNDARY_MAX, "mediarun-%s", uuid);
    return MR_OK;
}

static enum mr_status write_head(struct mr_buf *head, const char *boundary, const char *name,
                                 const char *content_type, uint32_t crc32c, struct mr_err *err)
{
    if (content_type[strcspn(content_type, "\r\n")])
        return mr_fail(err, MR_INVALID, "content type must not contain line breaks");
    char crc_text[9];
    mr_crc32c_text(crc32c, crc_text);
    MR_AUTO_JSON json_t *metadata =
        json_pack("{s:s,s:s,s:s}", "name", name, "contentType", content_type, "crc32c", crc_text);
    MR_AUTO_STR char *text = metadata ? json_dumps(metadata, JSON_COMPACT) : NULL;
    if (!text)
        return mr_fail_oom(err);
    return mr_buf_appendf(head, err,
                          "--%s\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n%s\r\n"
                          "--%s\r\nContent-Type: %s\r\n\r\n",
                          boundary, text, boundary, content_type);
}

/* Puts the heads of the parts and the closing boundary around the data, in place: a second copy would double
 * the memory of an upload. */
static enum mr_status wrap_in_multipart(struct mr_buf *data, const struct mr_buf *head, const char *boundary,
                                        struct mr_err *err)
{
    MR_TRY(mr_buf_reserve(data, head->len + BOUNDARY_MAX + 8, err));
    memmove(data->data + head->len, data->data, data->len);
    memcpy(data->data, head->data, head->len);
    data->len += head->len;
    return mr_buf_appendf(data, err, "\r\n--%s--\r\n", boundary);
}

static enum mr_status post(struct mr_storage *storage, const char *name, const char *boundary,
                           const struct mr_buf *body, struct mr_retry_state *retry,
                           struct mr_http_response *res, struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf url = MR_BUF_INIT(MR_STORAGE_URL_MAX);
    MR_TRY(mr_buf_appendf(
        &url, err, "%s/upload/storage/v1/b/%s/o?uploadType=multipart&ifGenerationMatch=0&" MR_OBJECT_FIELDS,
        storage->base_url, storage->bucket));
    char type[128];
    snprintf(type, sizeof type, "Content-Type: multipart/related; boundary=\"%s\"", boundary);
    const char *headers[] = {type, NULL};
    struct mr_http_request req = {.method = "POST",
                                  .url = mr_buf_str(&url),
                                  .headers = headers,
                                  .body = body->data,
                                  .body_len = body->len};
    const struct mr_need need = mr_storage_need(storage, "storage.objects.create", name);
    return mr_authorized_call(&storage->caller, &need, &req, &mr_storage_retry, retry, res, err);
}

enum mr_status mr_storage_insert(struct mr_storage *storage, const char *name, const char *content_type,
                                 struct mr_buf *data, uint32_t crc32c, struct mr_object *ret,
                                 struct mr_err *err)
{
    int64_t size = (int64_t)data->len;
    char boundary[BOUNDARY_MAX];
    MR_AUTO(mr_buf) struct mr_buf head = MR_BUF_INIT(MR_MULTIPART_ROOM - 128);
    MR_AUTO(mr_http_response) struct mr_http_response res = {0};
    struct mr_retry_state retry = {0};
    MR_TRY(mr_storage_check_name(name, err));
    MR_TRY(make_boundary(boundary, err));
    MR_TRY(write_head(&head, boundary, name, content_type, crc32c, err));
    MR_TRY(wrap_in_multipart(data, &head, boundary, err));
    enum mr_status status = post(storage, name, boundary, data, &retry, &res, err);
    if (status == MR_CONFLICT && retry.failures) /* the answer to the first attempt may have been lost */
        return mr_storage_adopt(storage, name, size, crc32c, ret, status);
    if (status != MR_OK)
        return status;
    struct mr_object stored;
    MR_TRY(mr_storage_parse_object(&res, &stored, err));
    MR_TRY(mr_storage_verify(storage, name, size, crc32c, &stored, err));
    *ret = stored;
    return MR_OK;
}

enum mr_status mr_storage_put(struct mr_storage *storage, const char *name, const char *content_type,
                              const void *data, size_t len, struct mr_object *ret, struct mr_err *err)
{
    if (len > SIZE_MAX - MR_MULTIPART_ROOM)
        return mr_fail(err, MR_TOO_LARGE, "object of %zu bytes", len);
    MR_AUTO(mr_buf) struct mr_buf body = MR_BUF_INIT(len + MR_MULTIPART_ROOM);
    MR_TRY(mr_buf_append(&body, data, len, err));
    enum mr_status status =
        mr_storage_insert(storage, name, content_type, &body, mr_crc32c(0, data, len), ret, err);
    return mr_storage_conflict(mr_wrap(err, status, "store object"), err);
}
