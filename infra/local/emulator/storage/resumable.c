/*
 * Resumable uploads over HTTP: begin, continue, ask, cancel. Source:
 * https://cloud.google.com/storage/docs/performing-resumable-uploads
 */
#include "infra/local/emulator/storage/cors.h"
#include "infra/local/emulator/storage/http.h"
#include "infra/local/emulator/storage/range.h"
#include "shared/base/encoding.h"

#include <inttypes.h>
#include <strings.h>

enum { CHUNK_MULTIPLE = 256 * 1024, PIECE_BYTES = 256 * 1024 };

/* ---- begin ------------------------------------------------------------------------ */

enum mr_status em_resumable_answer(struct em_app *emulator, struct mr_request *req,
                                   const struct em_upload_plan *plan, int http_status, struct mr_err *err)
{
    MR_AUTO_JSON json_t *bucket = NULL;
    char id[EM_SESSION_ID_MAX];
    int64_t total = -1;
    const char *announced = mr_request_header(req, "X-Upload-Content-Length");
    if (announced && !mr_parse_int64(announced, 0, EM_OBJECT_BYTES_MAX, &total))
        return mr_fail(err, MR_INVALID, "Invalid X-Upload-Content-Length: %s", announced);
    /* The preconditions count when the upload ends; only the bucket has to be there now. */
    enum mr_status status = em_store_bucket_get(emulator->storage->store, plan->write.bucket, &bucket, err);
    if (status == MR_OK)
        status = em_object_name_check(plan->name, err);
    if (status == MR_OK)
        status = em_upload_session_create(emulator->storage->sessions, &plan->write, total,
                                          mr_request_header(req, "Origin"), id, err);
    if (status != MR_OK)
        return status;
    MR_AUTO(mr_buf) struct mr_buf location = MR_BUF_INIT(8192);
    status = mr_buf_appendf(&location, err, "%s/upload/storage/v1/b/%s/o?uploadType=resumable&upload_id=%s",
                            mr_request_base_url(req), plan->write.bucket, id);
    if (status == MR_OK)
        status = mr_respond_header(req, "Location", mr_buf_str(&location), err);
    if (status == MR_OK)
        status = mr_respond_header(req, "X-GUploader-UploadID", id, err);
    if (status == MR_OK)
        status = em_cors_session_headers(req, mr_request_header(req, "Origin"), err);
    return status == MR_OK ? mr_respond_bytes(req, http_status, "text/plain", "", 0, err) : status;
}

enum mr_status em_resumable_start(void *app, struct mr_request *req, struct mr_err *err)
{
    MR_AUTO_JSON json_t *resource = NULL;
    MR_AUTO(em_upload_plan) struct em_upload_plan plan = {0};
    enum mr_status status = em_request_resource(req, &resource, err);
    if (status == MR_OK)
        status =
            em_upload_plan_make(req, resource, mr_request_header(req, "X-Upload-Content-Type"), &plan, err);
    return status == MR_OK ? em_resumable_answer(app, req, &plan, 200, err) : status;
}

/* ---- continue ---------------------------------------------------------------------- */

/* 308 with what is stored; as 200 for clients that cannot take a 308. */
static enum mr_status answer_incomplete(struct mr_request *req, int64_t stored, struct mr_err *err)
{
    enum mr_status status = MR_OK;
    int http_status = 308;
    if (stored > 0) {
        char range[40];
        snprintf(range, sizeof range, "bytes=0-%" PRId64, stored - 1);
        status = mr_respond_header(req, "Range", range, err);
    }
    const char *no_308 = mr_request_header(req, "X-GUploader-No-308");
    if (status == MR_OK && no_308 && !strcasecmp(no_308, "yes")) {
        http_status = 200;
        status = mr_respond_header(req, "X-HTTP-Status-Code-Override", "308", err);
    }
    return status == MR_OK ? mr_respond_bytes(req, http_status, "text/plain", "", 0, err) : status;
}

/* What the request says about its bytes. Without Content-Range they are the whole object. */
static enum mr_status read_range(const struct mr_request *req, struct em_content_range *ret,
                                 struct mr_err *err)
{
    const char *value = mr_request_header(req, "Content-Range");
    if (value)
        return em_content_range_parse(value, ret, err);
    *ret = (struct em_content_range){.last = EM_CONTENT_RANGE_OPEN, .total = mr_request_content_length(req)};
    return MR_OK;
}

/* The object's size as far as it is known: -1 if neither this request nor an earlier one says it. */
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
                       "Invalid request. Content-Range speaks of %" PRId64
                       " bytes, Content-Length of %" PRId64 ".",
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

/* Stores the body but for the bytes that are stored already. What arrived before a failure stays. */
static enum mr_status receive(struct mr_request *req, struct em_upload_session *session,
                              const struct em_content_range *range, struct mr_err *err)
{
    MR_AUTO_STR char *piece = malloc(PIECE_BYTES);
    if (!piece)
        return mr_fail_oom(err);
    int64_t at = range->first;
    int64_t end = range->last != EM_CONTENT_RANGE_OPEN ? range->last + 1
                  : session->total >= 0                ? session->total
                                                       : EM_OBJECT_BYTES_MAX;
    for (;;) {
        size_t len = 0;
        enum mr_status status = mr_request_read(req, piece, PIECE_BYTES, &len, err);
        if (status != MR_OK || len == 0)
            return status;
        if ((int64_t)len > end - at)
            return mr_fail(err, MR_INVALID, "Invalid request. The body is longer than Content-Range says.");
        int64_t known = session->incoming->size - at;
        size_t skip = known <= 0 ? 0 : known < (int64_t)len ? (size_t)known : len;
        status = em_incoming_write(session->incoming, piece + skip, len - skip, err);
        if (status != MR_OK)
            return status;
        at += (int64_t)len;
    }
}

static enum mr_status finalize(struct em_app *emulator, struct mr_request *req,
                               struct em_upload_session *session, struct mr_err *err)
{
    struct em_storage *storage = emulator->storage;
    MR_AUTO(em_stored) struct em_stored *stored = NULL;
    struct em_store_write write = session->write;
    enum mr_status status = em_digest_add_header(&write.expected, mr_request_header(req, "X-Goog-Hash"), err);
    if (status == MR_OK)
        status = em_store_insert(storage->store, &write, session->incoming, &stored, err);
    if (status == MR_OK)
        status = em_upload_session_finish(storage->sessions, session, stored, err);
    else if (!mr_status_is_transient(status))
        /* The bytes are wrong or the object exists: no later try can end otherwise. Its failure to be
         * recorded would only cost a second refusal. */
        (void)!em_upload_session_cancel(storage->sessions, session, NULL);
    return status == MR_OK ? em_answer_object(req, stored, err) : status;
}

static enum mr_status continue_open(struct em_app *emulator, struct mr_request *req,
                                    struct em_upload_session *session, struct mr_err *err)
{
    struct em_content_range range;
    enum mr_status status = read_range(req, &range, err);
    if (status == MR_OK)
        status = check_total(session, &range, err);
    if (status == MR_OK && !range.query)
        status = check_data(req, session, &range, err);
    if (status != MR_OK)
        return status;
    /* Only a request that holds good may settle the size. */
    session->total = total_of(session, &range);
    if (!range.query) {
        status = receive(req, session, &range, err);
        if (status != MR_OK)
            return status;
        /* "S-*" with no total known: the end of the body is the end of the object. */
        if (range.last == EM_CONTENT_RANGE_OPEN && session->total < 0)
            session->total = session->incoming->size;
    }
    return session->incoming->size == session->total ? finalize(emulator, req, session, err)
                                                     : answer_incomplete(req, session->incoming->size, err);
}

/* The session of the query's upload_id, acquired; MR_NOT_FOUND with code gone (410) for a cancelled one. */
static enum mr_status acquire(struct em_app *emulator, struct mr_request *req, struct em_upload_session **ret,
                              struct mr_err *err)
{
    const char *id = mr_request_query(req, "upload_id");
    if (!id)
        return mr_fail(err, MR_INVALID, "Required parameter: upload_id");
    enum mr_status status = em_upload_session_acquire(emulator->storage->sessions, id, ret, err);
    if (status == MR_OK && (*ret)->state == EM_SESSION_CANCELED)
        status = mr_fail_code(err, MR_NOT_FOUND, "gone", "The upload session is gone.");
    return status;
}

static enum mr_status continue_session(void *app, struct mr_request *req, struct mr_err *err)
{
    __attribute__((cleanup(em_upload_session_held_cleanup))) struct em_upload_session *session = NULL;
    enum mr_status status = acquire(app, req, &session, err);
    if (status != MR_OK)
        return status;
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
    enum mr_status status = acquire(emulator, req, &session, err);
    if (status == MR_OK && session->state == EM_SESSION_OPEN)
        status = em_upload_session_cancel(emulator->storage->sessions, session, err);
    /* nginx' "client closed request" is what Cloud Storage answers to a cancelled upload. */
    return status == MR_OK ? mr_respond_empty(req, 499, err) : status;
}

enum mr_status em_upload_delete(void *app, struct mr_request *req, struct mr_err *err)
{
    return em_cors_session(app, req, cancel, err);
}
