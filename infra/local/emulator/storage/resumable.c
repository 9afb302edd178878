#include "infra/local/emulator/storage/resumable.h"

#include "infra/local/emulator/storage/cors.h"
#include "infra/local/emulator/storage/handlers.h"
#include "infra/local/emulator/storage/range.h"
#include "infra/local/emulator/storage/request.h"
#include "infra/local/emulator/storage/settings.h"
#include "shared/base/encoding.h"

#include <inttypes.h>
#include <strings.h>

enum { CHUNK_MULTIPLE = 256 * 1024, CHUNK_BYTES = 256 * 1024 };

enum mr_status em_resumable_answer(struct em_app *emulator, struct mr_request *req,
                                   const struct em_upload_plan *plan, int http_status, struct mr_err *err)
{
    MR_AUTO_JSON json_t *bucket = NULL;
    char id[EM_SESSION_ID_MAX];
    int64_t total = -1;
    const char *announced = mr_request_header(req, "X-Upload-Content-Length");
    if (announced && !mr_parse_int64(announced, 0, EM_OBJECT_BYTES_MAX, &total))
        return mr_fail(err, MR_INVALID, "Invalid X-Upload-Content-Length: %s", announced);
    /* The preconditions are checked when the upload ends; only the bucket must exist now. */
    MR_TRY(em_store_bucket_get(emulator->storage->store, plan->write.bucket, &bucket, err));
    MR_TRY(em_object_name_check(plan->name, err));
    MR_TRY(em_upload_session_create(emulator->storage->sessions, &plan->write, total,
                                    mr_request_header(req, "Origin"), id, err));
    MR_AUTO(mr_buf) struct mr_buf location = MR_BUF_INIT(8192);
    MR_TRY(mr_buf_appendf(&location, err, "%s/upload/storage/v1/b/%s/o?uploadType=resumable&upload_id=%s",
                          mr_request_base_url(req), plan->write.bucket, id));
    MR_TRY(mr_respond_header(req, "Location", mr_buf_str(&location), err));
    MR_TRY(mr_respond_header(req, "X-GUploader-UploadID", id, err));
    MR_TRY(em_cors_session_headers(req, mr_request_header(req, "Origin"), err));
    return mr_respond_bytes(req, http_status, "text/plain", "", 0, err);
}

enum mr_status em_resumable_start(void *app, struct mr_request *req, struct mr_err *err)
{
    MR_AUTO_JSON json_t *resource = NULL;
    MR_AUTO(em_upload_plan) struct em_upload_plan plan = {0};
    MR_TRY(em_request_resource(req, &resource, err));
    MR_TRY(em_upload_plan_make(req, resource, mr_request_header(req, "X-Upload-Content-Type"), &plan, err));
    return em_resumable_answer(app, req, &plan, 200, err);
}

/* 308 with the range that is stored; 200 for clients that cannot handle a 308. */
static enum mr_status answer_incomplete(struct mr_request *req, int64_t stored, struct mr_err *err)
{
    if (stored > 0) {
        char range[40];
        snprintf(range, sizeof range, "bytes=0-%" PRId64, stored - 1);
        MR_TRY(mr_respond_header(req, "Range", range, err));
    }
    const char *no_308 = mr_request_header(req, "X-GUploader-No-308");
    bool override = no_308 && !strcasecmp(no_308, "yes");
    if (override)
        MR_TRY(mr_respond_header(req, "X-HTTP-Status-Code-Override", "308", err));
    return mr_respond_bytes(req, override ? 200 : 308, "text/plain", "", 0, err);
}

/* The range of the bytes in this request. Without Content-Range they are the whole object. */
static enum mr_status read_range(const struct mr_request *req, struct em_content_range *ret,
                                 struct mr_err *err)
{
    const char *value = mr_request_header(req, "Content-Range");
    if (value)
        return em_content_range_parse(value, ret, err);
    *ret = (struct em_content_range){.last = EM_CONTENT_RANGE_OPEN, .total = mr_request_content_length(req)};
    return MR_OK;
}

/* The size of the object; -1 if neither this request nor an earlier one says it. */
static int64_t total_of(const struct em_upload_session *session, const struct em_content_range *range)
{
    return range->total == EM_CONTENT_RANGE_OPEN ? session->total : range->total;
}

static enum mr_status check_total(const struct em_upload_session *session,
                                  const struct em_content_range *range, struct mr_err *err)
{
    int64_t total = total_of(session, range);
    if (session->total >= 0 && session->total != total)
        return mr_fail(err, MR_INVALID,
                       "Invalid request. The size was announced as %" PRId64 " bytes, now as %" PRId64 ".",
                       session->total, total);
    if (total >= 0 && total < session->incoming->size)
        return mr_fail(err, MR_INVALID,
                       "Invalid request. %" PRId64 " bytes are stored already, more than %" PRId64 ".",
                       session->incoming->size, total);
    return MR_OK;
}

static enum mr_status check_data(const struct mr_request *req, const struct em_upload_session *session,
                                 const struct em_content_range *range, struct mr_err *err)
{
    if (range->first > session->incoming->size)
        return mr_fail(err, MR_UNAVAILABLE,
                       "Invalid request. According to the Content-Range header, the upload offset is %" PRId64
                       " byte(s), which exceeds already uploaded size of %" PRId64 " byte(s).",
                       range->first, session->incoming->size);
    if (range->last == EM_CONTENT_RANGE_OPEN)
        return MR_OK;
    int64_t length = range->last - range->first + 1, declared = mr_request_content_length(req);
    if (declared >= 0 && declared != length)
        return mr_fail(err, MR_INVALID,
                       "Invalid request. Content-Range covers %" PRId64 " bytes, Content-Length is %" PRId64
                       ".",
                       length, declared);
    if (total_of(session, range) != range->last + 1 && length % CHUNK_MULTIPLE)
        return mr_fail(
            err, MR_INVALID,
            "Invalid request. The number of bytes uploaded is required to be equal or greater than "
            "262144, except for the final request (it's recommended to be the exact multiple of "
            "262144). The received request contained %" PRId64 " bytes.",
            length);
    return MR_OK;
}

/* Stores the body, except for bytes that are stored already. Bytes that arrived before a failure stay. */
static enum mr_status receive(struct mr_request *req, struct em_upload_session *session,
                              const struct em_content_range *range, struct mr_err *err)
{
    MR_AUTO_STR char *chunk = malloc(CHUNK_BYTES);
    if (!chunk)
        return mr_fail_oom(err);
    int64_t at = range->first;
    int64_t end = range->last != EM_CONTENT_RANGE_OPEN ? range->last + 1
                  : session->total >= 0                ? session->total
                                                       : EM_OBJECT_BYTES_MAX;
    for (;;) {
        size_t len = 0;
        MR_TRY(mr_request_read(req, chunk, CHUNK_BYTES, &len, err));
        if (len == 0)
            return MR_OK;
        if ((int64_t)len > end - at)
            return mr_fail(err, MR_INVALID, "Invalid request. The body is longer than Content-Range says.");
        int64_t known = session->incoming->size - at;
        size_t skip = known <= 0 ? 0 : known < (int64_t)len ? (size_t)known : len;
        MR_TRY(em_incoming_write(session->incoming, chunk + skip, len - skip, err));
        at += (int64_t)len;
    }
}

static enum mr_status insert(struct em_store *store, const struct mr_request *req,
                             struct em_upload_session *session, struct em_stored **ret, struct mr_err *err)
{
    struct em_store_write write = session->write;
    MR_TRY(em_digest_add_header(&write.expected, mr_request_header(req, "X-Goog-Hash"), err));
    return em_store_insert(store, &write, session->incoming, ret, err);
}

static enum mr_status finalize(struct em_app *emulator, struct mr_request *req,
                               struct em_upload_session *session, struct mr_err *err)
{
    struct em_storage *storage = emulator->storage;
    MR_AUTO(em_stored) struct em_stored *stored = NULL;
    enum mr_status status = insert(storage->store, req, session, &stored, err);
    if (status != MR_OK) {
        /* The bytes are wrong or the object exists: no retry can succeed. If the cancellation cannot be saved,
         * the next request is refused the same way. */
        if (!mr_status_is_transient(status))
            (void)!em_upload_session_cancel(storage->sessions, session, NULL);
        return status;
    }
    MR_TRY(em_upload_session_finish(storage->sessions, session, stored, err));
    return em_answer_object(req, stored, err);
}

static enum mr_status continue_open(struct em_app *emulator, struct mr_request *req,
                                    struct em_upload_session *session, struct mr_err *err)
{
    struct em_content_range range;
    MR_TRY(read_range(req, &range, err));
    MR_TRY(check_total(session, &range, err));
    if (!range.query)
        MR_TRY(check_data(req, session, &range, err));
    /* Only a valid request may set the size. */
    session->total = total_of(session, &range);
    if (!range.query) {
        MR_TRY(receive(req, session, &range, err));
        /* "S-*" without a known total: the object ends where the body ends. */
        if (range.last == EM_CONTENT_RANGE_OPEN && session->total < 0)
            session->total = session->incoming->size;
    }
    return session->incoming->size == session->total ? finalize(emulator, req, session, err)
                                                     : answer_incomplete(req, session->incoming->size, err);
}

/* The session of the query's upload_id, acquired; MR_NOT_FOUND with code gone (410) for a canceled one. */
static enum mr_status acquire(struct em_app *emulator, struct mr_request *req, struct em_upload_session **ret,
                              struct mr_err *err)
{
    const char *id = mr_request_query(req, "upload_id");
    if (!id)
        return mr_fail(err, MR_INVALID, "Required parameter: upload_id");
    MR_TRY(em_upload_session_acquire(emulator->storage->sessions, id, ret, err));
    if ((*ret)->state == EM_SESSION_CANCELED)
        return mr_fail_code(err, MR_CODE_RECEIVER_GONE, "The upload session is gone.");
    return MR_OK;
}

static enum mr_status continue_session(void *app, struct mr_request *req, struct mr_err *err)
{
    __attribute__((cleanup(em_upload_session_held_cleanup))) struct em_upload_session *session = NULL;
    MR_TRY(acquire(app, req, &session, err));
    return session->state == EM_SESSION_DONE ? em_answer_object(req, session->result, err)
                                             : continue_open(app, req, session, err);
}

enum mr_status em_resumable_continue(void *app, struct mr_request *req, struct mr_err *err)
{
    return em_cors_session(app, req, continue_session, err);
}

static enum mr_status cancel(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_app *emulator = app;
    __attribute__((cleanup(em_upload_session_held_cleanup))) struct em_upload_session *session = NULL;
    MR_TRY(acquire(emulator, req, &session, err));
    if (session->state == EM_SESSION_OPEN)
        MR_TRY(em_upload_session_cancel(emulator->storage->sessions, session, err));
    /* Cloud Storage answers 499 ("client closed request") to a canceled upload. */
    return mr_respond_empty(req, 499, err);
}

enum mr_status em_upload_delete(void *app, struct mr_request *req, struct mr_err *err)
{
    return em_cors_session(app, req, cancel, err);
}
