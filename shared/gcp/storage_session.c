/*
 * Resumable sessions: begun for our own uploads (storage_upload.c) and for clients that upload to Cloud Storage
 * themselves. Source: https://cloud.google.com/storage/docs/performing-resumable-uploads
 */
#include "shared/gcp/answer.h"
#include "shared/gcp/storage_object.h"

#include <inttypes.h>

enum { CANCEL_TIMEOUT_MS = 5000, VALUE_MAX = 400, HEADER_MAX = 512 };

static enum mr_status check_value(const char *name, const char *value, struct mr_err *err)
{
    if (value[strcspn(value, "\r\n")])
        return mr_fail(err, MR_INVALID, "%s must not contain line breaks", name);
    if (strlen(value) > VALUE_MAX)
        return mr_fail(err, MR_INVALID, "%s is longer than %d bytes", name, VALUE_MAX);
    return MR_OK;
}

static enum mr_status check_session(const struct mr_upload_session *session, struct mr_err *err)
{
    MR_TRY(mr_storage_check_name(session->name, err));
    MR_TRY(check_value("content type", session->content_type, err));
    return session->origin ? check_value("origin", session->origin, err) : MR_OK;
}

/* The header lines; headers ends with NULL and points to the others. */
struct head {
    char type[HEADER_MAX], length[HEADER_MAX], origin[HEADER_MAX];
    const char *headers[5];
};

static void make_head(const struct mr_upload_session *session, struct head *head)
{
    size_t count = 0;
    head->headers[count++] = "Content-Type: application/json; charset=UTF-8";
    snprintf(head->type, sizeof head->type, "X-Upload-Content-Type: %s", session->content_type);
    head->headers[count++] = head->type;
    if (session->size >= 0) {
        snprintf(head->length, sizeof head->length, "X-Upload-Content-Length: %" PRId64, session->size);
        head->headers[count++] = head->length;
    }
    if (session->origin) {
        snprintf(head->origin, sizeof head->origin, "Origin: %s", session->origin);
        head->headers[count++] = head->origin;
    }
    head->headers[count] = NULL;
}

static enum mr_status post(struct mr_storage *storage, const struct mr_upload_session *session,
                           const char *body, struct mr_http_response *res, struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf url = MR_BUF_INIT(MR_STORAGE_URL_MAX);
    MR_TRY(mr_buf_appendf(&url, err, "%s/upload/storage/v1/b/%s/o?uploadType=resumable&ifGenerationMatch=0%s",
                          storage->base_url, storage->bucket, session->is_own ? "&" MR_OBJECT_FIELDS : ""));
    struct head head;
    make_head(session, &head);
    struct mr_http_request req = {.method = "POST",
                                  .url = mr_buf_str(&url),
                                  .headers = head.headers,
                                  .body = body,
                                  .body_len = strlen(body)};
    const struct mr_need need = mr_storage_need(storage, "storage.objects.create", session->name);
    struct mr_retry_state retry = {0};
    return mr_authorized_call(&storage->caller, &need, &req, &mr_storage_retry, &retry, res, err);
}

enum mr_status mr_storage_begin_session(struct mr_storage *storage, const struct mr_upload_session *session,
                                        char **ret_uri, struct mr_err *err)
{
    MR_TRY(check_session(session, err));
    MR_AUTO_JSON json_t *metadata =
        json_pack("{s:s,s:s}", "name", session->name, "contentType", session->content_type);
    MR_AUTO_STR char *text = metadata ? json_dumps(metadata, JSON_COMPACT) : NULL;
    if (!text)
        return mr_fail_oom(err);
    MR_AUTO(mr_http_response) struct mr_http_response res = {0};
    MR_TRY(mr_storage_conflict(post(storage, session, text, &res, err), err));
    char location[MR_STORAGE_URL_MAX];
    if (!mr_http_response_header(&res, "Location", location, sizeof location))
        return mr_fail(err, MR_UNAVAILABLE, "the answer has no session URI");
    char *uri = strdup(location);
    if (!uri)
        return mr_fail_oom(err);
    *ret_uri = uri;
    return MR_OK;
}

static enum mr_status cancel(struct mr_storage *storage, const char *uri, struct mr_err *err)
{
    static const int canceled[] = {499, 404, 410}; /* 499: canceled now; the others: it was gone already */
    MR_AUTO(mr_http_response) struct mr_http_response res = {0};
    /* The session URI is itself the secret: no Authorization. */
    struct mr_http_request req = {
        .method = "DELETE", .url = uri, .body = "", .timeout_ms = CANCEL_TIMEOUT_MS};
    MR_TRY(mr_http_perform(storage->caller.http, &req, &res, err));
    for (size_t i = 0; i < sizeof canceled / sizeof *canceled; i++)
        if (res.status == canceled[i])
            return MR_OK;
    return mr_answer_check(&res, err);
}

enum mr_status mr_storage_cancel_session(struct mr_storage *storage, const char *uri, struct mr_err *err)
{
    return mr_wrap(err, cancel(storage, uri, err), "cancel upload session");
}
