/* Ranged reads that survive broken transfers: the generation is pinned and the range moves on. */
#include "shared/base/encoding.h"
#include "shared/gcp/storage_internal.h"

struct reader {
    struct mr_storage *storage;
    const char *name;
    mr_http_sink *sink;
    void *sink_ctx;
    int64_t generation; /* 0 until known */
    int64_t position;   /* of the next byte that the sink shall get */
    int64_t end;        /* the range's, exclusive; -1: the object's */
    bool delivered;     /* the sink got something */
    bool complete;      /* the sink has all of the range */
    enum mr_status sink_status;
    struct mr_http_response *res; /* of the request under way */
    int64_t answer_position;      /* of the next byte that comes; -1 until the head has been judged */
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

static enum mr_status judge_head(struct reader *r, struct mr_err *err)
{
    char generation[32];
    if (!r->generation && mr_http_response_header(r->res, "x-goog-generation", generation, sizeof generation))
        (void)!mr_parse_int64(generation, 1, INT64_MAX, &r->generation);
    if (r->res->status != 206) { /* the whole object, Range or not: gzip objects come so */
        r->answer_position = 0;
        return MR_OK;
    }
    if (!range_starts_at(r->res, r->position))
        return mr_fail(err, MR_UNAVAILABLE, "another range than the one that was asked for");
    r->answer_position = r->position;
    return MR_OK;
}

/* Passes on what lies within the range. */
static enum mr_status on_data(void *ctx, const void *data, size_t len, struct mr_err *err)
{
    struct reader *r = ctx;
    enum mr_status status = r->answer_position < 0 ? judge_head(r, err) : MR_OK;
    if (status != MR_OK)
        return status;
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
    enum mr_status status = build_url(r, &url, err);
    if (status != MR_OK)
        return status;
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
    return mr_api_once(&r->storage->api, &req, res, err);
}

/*
 * 416: nothing lies at this position. That is the proper end of an empty object read from its start, and of
 * one whose last byte had come when the transfer broke.
 */
static enum mr_status judge_end(const struct reader *r, struct mr_err *err)
{
    struct mr_object object;
    enum mr_status status = mr_storage_stat(r->storage, r->name, &object, err);
    if (status != MR_OK)
        return status;
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
            return judge_end(r, err);
        if (!mr_api_may_retry(status, &res))
            return status;
        if (r->position > before) /* tries are counted where nothing moves */
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
        return mr_fail(err, MR_INVALID, "impossible range");
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
    /* The sink's own words stay as they are. */
    return status == MR_OK || reader.sink_status != MR_OK ? status : mr_wrap(err, status, "read object");
}
