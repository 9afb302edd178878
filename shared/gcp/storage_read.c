/* Ranged reads that survive broken transfers: each attempt continues where the last one stopped, in the same
 * generation of the object. */
#include "shared/base/encoding.h"
#include "shared/gcp/answer.h"
#include "shared/gcp/storage_object.h"

struct reader {
    struct mr_storage *storage;
    const char *name;
    mr_http_sink *sink;
    void *sink_ctx;
    int64_t generation; /* 0 until known */
    int64_t position;   /* of the next byte for the sink */
    int64_t end;        /* of the range, exclusive; -1: the end of the object */
    bool delivered;     /* the sink got some bytes */
    bool complete;      /* the sink got the whole range */
    enum mr_status sink_status;
    struct mr_http_response *res; /* of the current request */
    int64_t answer_position;      /* of the next byte that arrives; -1 until the head was checked */
};

/* "bytes 5-9/20" */
static bool range_starts_at(const struct mr_http_response *res, int64_t position)
{
    char text[64];
    if (!mr_http_response_header(res, "Content-Range", text, sizeof text) || strncmp(text, "bytes ", 6) != 0)
        return false;
    char *dash = strchr(text, '-');
    if (!dash)
        return false;
    *dash = '\0';
    int64_t start = 0;
    return mr_parse_int64(text + 6, 0, INT64_MAX, &start) && start == position;
}

static enum mr_status check_head(struct reader *r, struct mr_err *err)
{
    char generation[32];
    if (!r->generation && mr_http_response_header(r->res, "x-goog-generation", generation, sizeof generation))
        (void)!mr_parse_int64(generation, 1, INT64_MAX, &r->generation);
    if (r->res->status != 206) { /* the whole object despite Range: decompressed gzip objects */
        r->answer_position = 0;
        return MR_OK;
    }
    if (!range_starts_at(r->res, r->position))
        return mr_fail(err, MR_UNAVAILABLE, "the answer has another range than the requested one");
    r->answer_position = r->position;
    return MR_OK;
}

/* Passes the part within the range on to the sink. */
static enum mr_status on_data(void *ctx, const void *data, size_t len, struct mr_err *err)
{
    struct reader *r = ctx;
    if (r->answer_position < 0)
        MR_TRY(check_head(r, err));
    const char *bytes = data;
    if (r->answer_position < r->position) {
        int64_t missing = r->position - r->answer_position;
        size_t skip = missing < (int64_t)len ? (size_t)missing : len;
        r->answer_position += (int64_t)skip;
        bytes += skip;
        len -= skip;
    }
    if (r->end >= 0 && (int64_t)len > r->end - r->position)
        len = (size_t)(r->end - r->position);
    if (!len)
        return MR_OK;
    r->sink_status = r->sink(r->sink_ctx, bytes, len, err);
    if (r->sink_status != MR_OK)
        return r->sink_status;
    r->delivered = true;
    r->position += (int64_t)len;
    r->answer_position += (int64_t)len;
    r->complete = r->position == r->end;
    return MR_OK;
}

static enum mr_status build_url(const struct reader *r, struct mr_buf *url, struct mr_err *err)
{
    if (!r->generation)
        return mr_storage_object_url(r->storage, r->name, url, err, "?alt=media");
    return mr_storage_object_url(r->storage, r->name, url, err, "?alt=media&generation=%lld",
                                 (long long)r->generation);
}

static enum mr_status read_once(struct reader *r, struct mr_http_response *res, struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf url = MR_BUF_INIT(MR_STORAGE_URL_MAX);
    MR_TRY(build_url(r, &url, err));
    char range[64];
    if (r->end >= 0)
        snprintf(range, sizeof range, "Range: bytes=%lld-%lld", (long long)r->position,
                 (long long)r->end - 1);
    else
        snprintf(range, sizeof range, "Range: bytes=%lld-", (long long)r->position);
    bool whole = r->position == 0 && r->end < 0;
    const char *headers[] = {whole ? NULL : range, NULL};
    struct mr_http_request req = {
        .method = "GET", .url = mr_buf_str(&url), .headers = headers, .sink = on_data, .sink_ctx = r};
    r->res = res;
    r->answer_position = -1;
    return mr_authorized_once(&r->storage->caller, &req, res, err);
}

/* 416: the object ends before this position. That is no failure for an empty object read from its start, nor if
 * the last byte had arrived when the transfer broke. */
static enum mr_status check_end(const struct reader *r, struct mr_err *err)
{
    struct mr_object object;
    MR_TRY(mr_storage_stat(r->storage, r->name, &object, err));
    if (r->position == object.size && (r->delivered || object.size == 0))
        return MR_OK;
    return mr_fail(err, MR_INVALID, "byte %lld is past the end of an object of %lld", (long long)r->position,
                   (long long)object.size);
}

static enum mr_status read_all(struct reader *r, struct mr_err *err)
{
    struct mr_retry_state retry = {0};
    for (;;) {
        int64_t before = r->position;
        MR_AUTO(mr_http_response) struct mr_http_response res = {0};
        enum mr_status status = read_once(r, &res, err);
        if (status == MR_OK || r->complete)
            return MR_OK;
        if (r->sink_status != MR_OK)
            return r->sink_status;
        if (res.status == 416)
            return check_end(r, err);
        if (!mr_answer_may_retry(status, &res))
            return status;
        if (r->position > before) /* only attempts without progress count */
            retry = (struct mr_retry_state){0};
        if (!mr_retry_again(&mr_storage_retry, &retry))
            return status;
    }
}

enum mr_status mr_storage_read(struct mr_storage *storage, const char *name, int64_t generation,
                               int64_t offset, int64_t length, mr_http_sink *sink, void *sink_ctx,
                               struct mr_err *err)
{
    if (offset < 0 || length < -1 || (length > 0 && offset > INT64_MAX - length))
        return mr_fail(err, MR_INVALID, "the range is invalid");
    if (length == 0)
        return MR_OK;
    struct reader reader = {.storage = storage,
                            .name = name,
                            .sink = sink,
                            .sink_ctx = sink_ctx,
                            .generation = generation,
                            .position = offset,
                            .end = length < 0 ? -1 : offset + length};
    enum mr_status status = read_all(&reader, err);
    /* The sink's own message stays as it is. */
    return reader.sink_status != MR_OK ? status : mr_wrap(err, status, "read object");
}
