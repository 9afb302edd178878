/*
 * Uploads of unknown length. An object that fits into the first chunk is sent as one multipart request; for a
 * longer one a resumable session begins, and each chunk stays in memory until Cloud Storage has confirmed it.
 * Source: https://cloud.google.com/storage/docs/performing-resumable-uploads
 */
#include "shared/base/crc32c.h"
#include "shared/base/encoding.h"
#include "shared/gcp/answer.h"
#include "shared/gcp/storage_object.h"
#include "shared/gcp/storage_put.h"

struct mr_upload {
    struct mr_storage *storage;
    char *name;
    char *content_type;
    char *session;       /* the session URI, a bearer secret; NULL before the session */
    struct mr_buf chunk; /* the bytes from `stored` on */
    int64_t stored;      /* bytes that Cloud Storage has confirmed */
    uint32_t crc32c;     /* of all bytes written */
    bool closed;         /* finished, or a write failed: the object would lack bytes */
    bool finished;       /* the object exists */
};

/* The answer to one request to the session. */
struct session_answer {
    bool complete; /* the object exists: `object` */
    struct mr_object object;
    int64_t stored; /* otherwise: how many bytes the session has */
};

enum { RANGE_LINE_MAX = 96 };

enum mr_status mr_upload_begin(struct mr_storage *storage, const char *name, const char *content_type,
                               struct mr_upload **ret, struct mr_err *err)
{
    MR_TRY(mr_storage_check_name(name, err));
    MR_AUTO(mr_upload) struct mr_upload *upload = calloc(1, sizeof *upload);
    if (!upload)
        return mr_fail_oom(err);
    upload->storage = storage;
    upload->chunk = MR_BUF_INIT(storage->chunk_bytes + MR_MULTIPART_ROOM);
    upload->name = strdup(name);
    upload->content_type = strdup(content_type);
    if (!upload->name || !upload->content_type)
        return mr_fail_oom(err);
    *ret = MR_TAKE(upload);
    return MR_OK;
}

int64_t mr_upload_size(const struct mr_upload *upload)
{
    return upload->stored + (int64_t)upload->chunk.len;
}

/* 308 has "Range: bytes=0-LAST"; without it nothing is stored. */
static enum mr_status parse_stored(const struct mr_http_response *res, int64_t *ret, struct mr_err *err)
{
    char range[64];
    int64_t last = -1;
    if (mr_http_response_header(res, "Range", range, sizeof range) &&
        (strncmp(range, "bytes=0-", 8) != 0 || !mr_parse_int64(range + 8, 0, INT64_MAX - 1, &last)))
        return mr_fail(err, MR_UNAVAILABLE, "the session's answer has an invalid Range");
    *ret = last + 1;
    return MR_OK;
}

/* A session may be gone: step() judges that. A 2xx other than those of a complete upload is no answer to it. */
static enum mr_status refuse(const struct mr_upload *upload, const struct mr_http_response *res,
                             struct mr_err *err)
{
    struct mr_need need = mr_storage_need(upload->storage, "storage.objects.create", upload->name);
    need.may_be_absent = true;
    MR_TRY(mr_refusals_judge(upload->storage->caller.refusals, &need, res, err));
    return mr_fail(err, MR_UNAVAILABLE, "the session answered with HTTP %d", res->status);
}

/* The session URI is itself the secret: no Authorization. */
static enum mr_status call_session(struct mr_upload *upload, const char *const *headers, const void *body,
                                   size_t len, struct mr_http_response *res, struct session_answer *ret,
                                   struct mr_err *err)
{
    struct mr_http_request req = {
        .method = "PUT", .url = upload->session, .headers = headers, .body = body, .body_len = len};
    enum mr_status status = mr_http_perform(upload->storage->caller.http, &req, res, err);
    if (status != MR_OK)
        return mr_answer_own_fault(status, err);
    struct session_answer answer = {.complete = res->status == 200 || res->status == 201};
    if (answer.complete)
        MR_TRY(mr_storage_parse_object(res, &answer.object, err));
    else if (res->status == 308)
        MR_TRY(parse_stored(res, &answer.stored, err));
    else
        return refuse(upload, res, err);
    *ret = answer;
    return MR_OK;
}

/* Content-Range of len bytes; of 0 bytes, it asks for the session's state. total -1: not known yet. */
static void content_range(char out[RANGE_LINE_MAX], int64_t first, size_t len, int64_t total)
{
    char span[48] = "*", all[24] = "*";
    if (len)
        snprintf(span, sizeof span, "%lld-%lld", (long long)first, (long long)(first + (int64_t)len - 1));
    if (total >= 0)
        snprintf(all, sizeof all, "%lld", (long long)total);
    snprintf(out, RANGE_LINE_MAX, "Content-Range: bytes %s/%s", span, all);
}

static enum mr_status send_chunk(struct mr_upload *upload, bool last, struct mr_http_response *res,
                                 struct session_answer *ret, struct mr_err *err)
{
    char range[RANGE_LINE_MAX], hash[64], crc_text[9];
    content_range(range, upload->stored, upload->chunk.len, last ? mr_upload_size(upload) : -1);
    mr_crc32c_text(upload->crc32c, crc_text);
    snprintf(hash, sizeof hash, "x-goog-hash: crc32c=%s", crc_text);
    const char *headers[] = {range, last ? hash : NULL, NULL};
    return call_session(upload, headers, mr_buf_str(&upload->chunk), upload->chunk.len, res, ret, err);
}

static enum mr_status query_session(struct mr_upload *upload, bool last, struct mr_http_response *res,
                                    struct session_answer *ret, struct mr_err *err)
{
    char range[RANGE_LINE_MAX];
    content_range(range, 0, 0, last ? mr_upload_size(upload) : -1);
    const char *headers[] = {range, NULL};
    return call_session(upload, headers, "", 0, res, ret, err);
}

/* Drops the bytes that are stored. A session can neither lose bytes that were dropped here, nor have bytes that
 * were not sent. */
static enum mr_status accept_stored(struct mr_upload *upload, int64_t stored, struct mr_err *err)
{
    int64_t gained = stored - upload->stored;
    if (gained < 0 || gained > (int64_t)upload->chunk.len)
        return mr_fail_code(err, MR_CODE_SESSION_LOST, "the session has %lld bytes instead of %lld",
                            (long long)stored, (long long)upload->stored);
    mr_buf_consume(&upload->chunk, (size_t)gained);
    upload->stored = stored;
    return MR_OK;
}

static bool is_gone(const struct mr_http_response *res)
{
    return res->status == 404 || res->status == 410;
}

/* One request: the chunk itself or, in doubt, the question how much of it is stored. */
static enum mr_status step(struct mr_upload *upload, bool last, bool in_doubt, struct mr_http_response *res,
                           struct session_answer *ret, struct mr_err *err)
{
    enum mr_status status =
        in_doubt ? query_session(upload, last, res, ret, err) : send_chunk(upload, last, res, ret, err);
    if (status != MR_OK && is_gone(res)) /* the stored bytes are lost: the caller must begin again */
        return mr_fail_code(err, MR_CODE_SESSION_LOST, "the upload session is gone");
    if (status != MR_OK)
        return status;
    return ret->complete ? MR_OK : accept_stored(upload, ret->stored, err);
}

/*
 * Sends the chunk until some of it is stored or, with the last one, the object exists. After a failure it asks
 * first how much is stored. *ret_failures counts the attempts that failed before the last.
 */
static enum mr_status advance(struct mr_upload *upload, bool last, struct session_answer *ret,
                              int *ret_failures, struct mr_err *err)
{
    struct mr_retry_state retry = {0};
    bool in_doubt = false;
    int64_t before = upload->stored;
    for (;;) {
        MR_AUTO(mr_http_response) struct mr_http_response res = {0};
        enum mr_status status = step(upload, last, in_doubt, &res, ret, err);
        *ret_failures = retry.failures;
        if (status != MR_OK) {
            if (!mr_answer_may_retry(status, &res))
                return status;
            in_doubt = true;
        } else {
            if (ret->complete || upload->stored > before)
                return MR_OK;
            if (in_doubt) { /* nothing had arrived: send it again at once */
                in_doubt = false;
                continue;
            }
            status = mr_fail(err, MR_UNAVAILABLE, "the upload session stores nothing");
        }
        if (!mr_retry_again(&mr_storage_retry, &retry))
            return status;
    }
}

static enum mr_status make_room(struct mr_upload *upload, struct mr_err *err)
{
    const struct mr_upload_session session = {
        .name = upload->name, .content_type = upload->content_type, .size = -1};
    if (!upload->session)
        MR_TRY(mr_storage_begin_session(upload->storage, &session, &upload->session, err));
    struct session_answer answer = {0};
    int failures = 0;
    MR_TRY(advance(upload, false, &answer, &failures, err));
    if (answer.complete)
        return mr_fail(err, MR_UNAVAILABLE, "the upload session ended early");
    return MR_OK;
}

static enum mr_status write_chunks(struct mr_upload *upload, const char *bytes, size_t len,
                                   struct mr_err *err)
{
    while (len) {
        size_t room = upload->storage->chunk_bytes - upload->chunk.len;
        if (!room) {
            MR_TRY(make_room(upload, err));
            continue;
        }
        size_t take = len < room ? len : room;
        MR_TRY(mr_buf_append(&upload->chunk, bytes, take, err));
        upload->crc32c = mr_crc32c(upload->crc32c, bytes, take);
        bytes += take;
        len -= take;
    }
    return MR_OK;
}

enum mr_status mr_upload_write(struct mr_upload *upload, const void *data, size_t len, struct mr_err *err)
{
    if (upload->closed)
        return mr_fail(err, MR_INTERNAL, "write to an upload that is finished or has failed");
    enum mr_status status = write_chunks(upload, data, len, err);
    upload->closed = status != MR_OK;
    return mr_storage_conflict(mr_wrap(err, status, "upload object"), err);
}

/* Sends what is left. The attempt whose answer was lost may be the one that completed the object. */
static enum mr_status send_rest(struct mr_upload *upload, int64_t size, struct mr_object *ret,
                                struct mr_err *err)
{
    struct session_answer answer = {0};
    struct mr_err failure = {0};
    int failures = 0;
    while (!answer.complete) {
        enum mr_status status = advance(upload, true, &answer, &failures, &failure);
        bool ended = status == MR_CONFLICT || failure.code == MR_CODE_SESSION_LOST;
        if (status != MR_OK && ended && failures &&
            mr_storage_adopt(upload->storage, upload->name, size, upload->crc32c, ret, status) == MR_OK)
            return MR_OK;
        if (status != MR_OK)
            return mr_fail_from(err, &failure);
    }
    *ret = answer.object;
    return MR_OK;
}

static enum mr_status finish_session(struct mr_upload *upload, struct mr_object *ret, struct mr_err *err)
{
    int64_t size = mr_upload_size(upload);
    struct mr_object object = {0};
    MR_TRY(send_rest(upload, size, &object, err));
    MR_TRY(mr_storage_verify(upload->storage, upload->name, size, upload->crc32c, &object, err));
    *ret = object;
    return MR_OK;
}

static enum mr_status finish_in_one_request(struct mr_upload *upload, struct mr_object *ret,
                                            struct mr_err *err)
{
    int64_t size = mr_upload_size(upload);
    enum mr_status status = mr_storage_insert(upload->storage, upload->name, upload->content_type,
                                              &upload->chunk, upload->crc32c, ret, err);
    mr_buf_clear(&upload->chunk); /* it contains the request now */
    upload->stored = size;
    return status;
}

enum mr_status mr_upload_finish(struct mr_upload *upload, struct mr_object *ret, struct mr_err *err)
{
    if (upload->closed)
        return mr_fail(err, MR_INTERNAL, "upload finished twice, or after a failed write");
    upload->closed = true;
    enum mr_status status =
        upload->session ? finish_session(upload, ret, err) : finish_in_one_request(upload, ret, err);
    upload->finished = status == MR_OK;
    return mr_storage_conflict(mr_wrap(err, status, "upload object"), err);
}

void mr_upload_free(struct mr_upload *upload)
{
    if (!upload)
        return;
    if (upload->session && !upload->finished) /* if this fails, the session expires by itself */
        (void)!mr_storage_cancel_session(upload->storage, upload->session, NULL);
    mr_buf_free(&upload->chunk);
    free(upload->session);
    free(upload->name);
    free(upload->content_type);
    free(upload);
}
