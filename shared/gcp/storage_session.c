/*
 * Resumable sessions: begun for our own uploads (storage_upload.c) and for clients that send their bytes to
 * Cloud Storage themselves. Source: https://cloud.google.com/storage/docs/performing-resumable-uploads
 */
#include "shared/gcp/storage_internal.h"

#include <inttypes.h>

enum { CANCEL_TIMEOUT_MS = 5000, VALUE_MAX = 400, HEADER_MAX = 512 };

static enum mr_status check_order(const struct mr_session_order *order, struct mr_err *err)
{
    enum mr_status status = mr_storage_check_name(order->name, err);
    if (status != MR_OK)
        return status;
    if (order->content_type[strcspn(order->content_type, "\r\n")])
        return mr_fail(err, MR_INVALID, "content type holds a line break");
    if (order->origin && order->origin[strcspn(order->origin, "\r\n")])
        return mr_fail(err, MR_INVALID, "origin holds a line break");
    return MR_OK;
}

/* The lines of a session's head; headers ends with NULL and points into the others. */
struct head {
    char type[HEADER_MAX], length[HEADER_MAX], origin[HEADER_MAX];
    const char *headers[5];
};

static enum mr_status make_head(const struct mr_session_order *order, struct head *head, struct mr_err *err)
{
    if (strlen(order->content_type) > VALUE_MAX || (order->origin && strlen(order->origin) > VALUE_MAX))
        return mr_fail(err, MR_INVALID, "content type or origin is longer than %d bytes", VALUE_MAX);
    size_t count = 0;
    head->headers[count++] = "Content-Type: application/json; charset=UTF-8";
    snprintf(head->type, sizeof head->type, "X-Upload-Content-Type: %s", order->content_type);
    head->headers[count++] = head->type;
    if (order->size >= 0) {
        snprintf(head->length, sizeof head->length, "X-Upload-Content-Length: %" PRId64, order->size);
        head->headers[count++] = head->length;
    }
    if (order->origin) {
        snprintf(head->origin, sizeof head->origin, "Origin: %s", order->origin);
        head->headers[count++] = head->origin;
    }
    head->headers[count] = NULL;
    return MR_OK;
}

static enum mr_status post(struct mr_storage *storage, const struct mr_session_order *order, const char *body,
                           struct mr_http_response *res, struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf url = MR_BUF_INIT(MR_STORAGE_URL_MAX);
    struct head head;
    enum mr_status status =
        mr_buf_appendf(&url, err, "%s/upload/storage/v1/b/%s/o?uploadType=resumable&ifGenerationMatch=0",
                       storage->base_url, storage->bucket);
    if (status == MR_OK)
        status = make_head(order, &head, err);
    if (status != MR_OK)
        return status;
    struct mr_http_request req = {.method = "POST",
                                  .url = mr_buf_str(&url),
                                  .headers = head.headers,
                                  .body = body,
                                  .body_len = strlen(body)};
    struct mr_retry_state retry = {0};
    return mr_api_call(&storage->api, &req, &mr_storage_retry, &retry, res, err);
}

enum mr_status mr_storage_begin_session(struct mr_storage *storage, const struct mr_session_order *order,
                                        char **ret_uri, struct mr_err *err)
{
    MR_AUTO_JSON json_t *metadata = NULL;
    MR_AUTO_STR char *text = NULL;
    MR_AUTO(mr_http_response) struct mr_http_response res = {0};
    char location[MR_STORAGE_URL_MAX];
    enum mr_status status = check_order(order, err);
    if (status != MR_OK)
        return status;
    metadata = json_pack("{s:s,s:s}", "name", order->name, "contentType", order->content_type);
    text = metadata ? json_dumps(metadata, JSON_COMPACT) : NULL;
    if (!text)
        return mr_fail_oom(err);
    status = post(storage, order, text, &res, err);
    if (status == MR_OK && !mr_http_response_header(&res, "Location", location, sizeof location))
        status = mr_fail(err, MR_UNAVAILABLE, "no session URI in the answer");
    if (status != MR_OK)
        return status;
    char *uri = strdup(location);
    if (!uri)
        return mr_fail_oom(err);
    *ret_uri = uri;
    return MR_OK;
}

enum mr_status mr_storage_cancel_session(struct mr_storage *storage, const char *uri, struct mr_err *err)
{
    static const int canceled[] = {499, 404, 410}; /* 499 is Cloud Storage's yes; the others: gone before */
    MR_AUTO(mr_http_response) struct mr_http_response res = {0};
    /* The session URI is proof enough: no Authorization. */
    struct mr_http_request req = {
        .method = "DELETE", .url = uri, .body = "", .timeout_ms = CANCEL_TIMEOUT_MS};
    enum mr_status status = mr_http_perform(storage->api.http, &req, &res, err);
    if (status != MR_OK)
        return mr_wrap(err, status, "cancel upload session");
    if (res.status >= 200 && res.status < 300)
        return MR_OK;
    for (size_t i = 0; i < sizeof canceled / sizeof *canceled; i++)
        if (res.status == canceled[i])
            return MR_OK;
    status = mr_api_fail(&res, err);
    return mr_wrap(err, status, "cancel upload session");
}
