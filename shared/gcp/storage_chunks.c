/*
 * One resumable session, request by request. Source:
 * https://cloud.google.com/storage/docs/performing-resumable-uploads
 */
#include "shared/gcp/storage_chunks.h"

#include "shared/base/crc32c.h"
#include "shared/base/encoding.h"
#include "shared/gcp/answer.h"
#include "shared/gcp/storage_object.h"

enum { RANGE_LINE_MAX = 96 };

static int64_t size_of(const struct mr_chunks *chunks)
{
    return chunks->stored + (int64_t)chunks->unsent.len;
}

enum mr_status mr_chunks_begin(struct mr_chunks *chunks, const char *content_type, struct mr_err *err)
{
    const struct mr_upload_session session = {
        .name = chunks->name, .content_type = content_type, .size = -1, .is_own = true};
    return mr_storage_begin_session(chunks->storage, &session, &chunks->session, err);
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
static enum mr_status refuse(const struct mr_chunks *chunks, const struct mr_http_response *res,
                             struct mr_err *err)
{
    struct mr_need need = mr_storage_need(chunks->storage, "storage.objects.create", chunks->name);
    need.may_be_absent = true;
    MR_TRY(mr_refusals_judge(chunks->storage->caller.refusals, &need, res, err));
    return mr_fail(err, MR_UNAVAILABLE, "the session answered with HTTP %d", res->status);
}

static bool is_abandoned(void *ctx)
{
    const struct mr_chunks *chunks = ctx;
    return atomic_load(&chunks->abandoned);
}

/* The session URI is itself the secret: no Authorization. */
static enum mr_status call_session(struct mr_chunks *chunks, const char *const *headers, const void *body,
                                   size_t len, struct mr_http_response *res, struct mr_chunks_answer *ret,
                                   struct mr_err *err)
{
    struct mr_http_request req = {.method = "PUT",
                                  .url = chunks->session,
                                  .headers = headers,
                                  .body = body,
                                  .body_len = len,
                                  .canceled = is_abandoned,
                                  .canceled_ctx = chunks};
    enum mr_status status = mr_http_perform(chunks->storage->caller.http, &req, res, err);
    if (status != MR_OK)
        return mr_answer_own_fault(status, err);
    struct mr_chunks_answer answer = {.complete = res->status == 200 || res->status == 201};
    if (answer.complete)
        MR_TRY(mr_storage_parse_object(res, &answer.object, err));
    else if (res->status == 308)
        MR_TRY(parse_stored(res, &answer.stored, err));
    else
        return refuse(chunks, res, err);
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

static enum mr_status send_chunk(struct mr_chunks *chunks, bool last, struct mr_http_response *res,
                                 struct mr_chunks_answer *ret, struct mr_err *err)
{
    char range[RANGE_LINE_MAX], hash[64], crc_text[9];
    content_range(range, chunks->stored, chunks->unsent.len, last ? size_of(chunks) : -1);
    mr_crc32c_text(chunks->crc32c, crc_text);
    snprintf(hash, sizeof hash, "x-goog-hash: crc32c=%s", crc_text);
    const char *headers[] = {range, last ? hash : NULL, NULL};
    return call_session(chunks, headers, mr_buf_str(&chunks->unsent), chunks->unsent.len, res, ret, err);
}

static enum mr_status query_session(struct mr_chunks *chunks, bool last, struct mr_http_response *res,
                                    struct mr_chunks_answer *ret, struct mr_err *err)
{
    char range[RANGE_LINE_MAX];
    content_range(range, 0, 0, last ? size_of(chunks) : -1);
    const char *headers[] = {range, NULL};
    return call_session(chunks, headers, "", 0, res, ret, err);
}

/* Drops the bytes that are stored. A session can neither lose bytes that were dropped here, nor have bytes that
 * were not sent. */
static enum mr_status accept_stored(struct mr_chunks *chunks, int64_t stored, struct mr_err *err)
{
    int64_t gained = stored - chunks->stored;
    if (gained < 0 || gained > (int64_t)chunks->unsent.len)
        return mr_fail_code(err, MR_CODE_SESSION_LOST, "the session has %lld bytes instead of %lld",
                            (long long)stored, (long long)chunks->stored);
    mr_buf_consume(&chunks->unsent, (size_t)gained);
    chunks->stored = stored;
    return MR_OK;
}

static bool is_gone(const struct mr_http_response *res)
{
    return res->status == 404 || res->status == 410;
}

/* One request: the chunk itself or, in doubt, the question how much of it is stored. */
static enum mr_status step(struct mr_chunks *chunks, bool last, bool in_doubt, struct mr_http_response *res,
                           struct mr_chunks_answer *ret, struct mr_err *err)
{
    enum mr_status status =
        in_doubt ? query_session(chunks, last, res, ret, err) : send_chunk(chunks, last, res, ret, err);
    if (status != MR_OK && is_gone(res)) /* the stored bytes are lost: the caller must begin again */
        return mr_fail_code(err, MR_CODE_SESSION_LOST, "the upload session is gone");
    if (status != MR_OK)
        return status;
    return ret->complete ? MR_OK : accept_stored(chunks, ret->stored, err);
}

enum mr_status mr_chunks_advance(struct mr_chunks *chunks, bool last, struct mr_chunks_answer *ret,
                                 int *ret_failures, struct mr_err *err)
{
    struct mr_retry_state retry = {0};
    bool in_doubt = false;
    int64_t before = chunks->stored;
    for (;;) {
        MR_AUTO(mr_http_response) struct mr_http_response res = {0};
        enum mr_status status = step(chunks, last, in_doubt, &res, ret, err);
        *ret_failures = retry.failures;
        if (status != MR_OK) {
            if (!mr_answer_may_retry(status, &res) || is_abandoned(chunks))
                return status;
            in_doubt = true;
        } else {
            if (ret->complete || chunks->stored > before)
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
