/*
 * Ranged reads that survive broken transfers: each attempt continues where the last one stopped, in the same
 * generation of the object. All bytes of an object are compared with its CRC32C, which every answer names. Source:
 * https://cloud.google.com/storage/docs/data-validation
 */
#include "shared/base/crc32c.h"
#include "shared/base/encoding.h"
#include "shared/gcp/answer.h"
#include "shared/gcp/storage_object.h"

enum { LOADS_MAX = 3 };

/* How often a damaged object is read. */
static const struct mr_retry damage_policy = {
    .attempts = 3, .base_ms = 100, .cap_ms = 1000, .total_ms = 20000};

struct reader {
    struct mr_storage *storage;
    const struct mr_read *read;
    int64_t generation; /* 0 until known */
    int64_t position;   /* of the next byte for the sink */
    int64_t end;        /* of the range, exclusive; -1: the end of the object */
    bool delivered;     /* the sink got some bytes */
    bool complete;      /* the sink got the whole range */
    struct mr_checksum whole;
    int64_t size;    /* of the object; -1 until known */
    uint32_t crc32c; /* of the bytes from the range's start to position */
    bool damaged;    /* they differ from the checksum */
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

/* The object's checksum, unless what arrives is decompressed on the way: it is that of the stored bytes. */
static void note_checksum(struct reader *r)
{
    char hash[128], encoding[32];
    if (mr_http_response_header(r->res, "x-goog-stored-content-encoding", encoding, sizeof encoding) &&
        strcmp(encoding, "identity") != 0)
        return;
    if (mr_http_response_header_list(r->res, "x-goog-hash", hash, sizeof hash))
        r->whole.is_known = mr_storage_parse_hash(hash, &r->whole.crc32c);
}

static void note_size(struct reader *r)
{
    char text[64] = "";
    const char *size = text;
    if (r->res->status == 206 && mr_http_response_header(r->res, "Content-Range", text, sizeof text))
        size = strchr(text, '/') ? strchr(text, '/') + 1 : "";
    else if (r->res->status == 200)
        (void)mr_http_response_header(r->res, "Content-Length", text, sizeof text);
    (void)!mr_parse_int64(size, 0, INT64_MAX, &r->size);
}

static enum mr_status check_head(struct reader *r, struct mr_err *err)
{
    char generation[32];
    note_checksum(r);
    note_size(r);
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

static bool is_whole(const struct reader *r, int64_t position)
{
    return r->read->offset == 0 && r->whole.is_known && position == r->size;
}

static enum mr_status fail_damaged(struct reader *r, struct mr_err *err)
{
    r->damaged = true;
    return mr_fail_code(err, MR_CODE_CORRUPTED, "the bytes that arrived differ from the object's checksum");
}

/* The last bytes of a whole object reach the sink only if all its bytes are right. */
static enum mr_status deliver(struct reader *r, const char *bytes, size_t len, struct mr_err *err)
{
    uint32_t crc32c = mr_crc32c(r->crc32c, bytes, len);
    if (is_whole(r, r->position + (int64_t)len) && crc32c != r->whole.crc32c)
        return fail_damaged(r, err);
    r->sink_status = r->read->sink(r->read->sink_ctx, bytes, len, err);
    if (r->sink_status != MR_OK)
        return r->sink_status;
    r->crc32c = crc32c;
    r->delivered = true;
    r->position += (int64_t)len;
    r->answer_position += (int64_t)len;
    r->complete = r->position == r->end;
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
    return len ? deliver(r, bytes, len, err) : MR_OK;
}

static enum mr_status build_url(const struct reader *r, struct mr_buf *url, struct mr_err *err)
{
    if (!r->generation)
        return mr_storage_object_url(r->storage, r->read->name, url, err, "?alt=media");
    return mr_storage_object_url(r->storage, r->read->name, url, err, "?alt=media&generation=%lld",
                                 (long long)r->generation);
}

static enum mr_status judge(const struct reader *r, enum mr_status sent, struct mr_err *err)
{
    struct mr_need need = mr_storage_need(r->storage, "storage.objects.get", r->read->name);
    need.may_be_absent = true; /* it may have been deleted: the caller knows whose fault that is */
    if (r->sink_status != MR_OK)
        return sent;
    if (sent != MR_OK)
        return mr_answer_own_fault(sent, err);
    if (r->res->status == 416) /* check_end decides */
        return mr_answer_check(r->res, err);
    return mr_refusals_judge(r->storage->caller.refusals, &need, r->res, err);
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
    enum mr_status status = mr_authorized_send(&r->storage->caller, &req, res, err);
    return judge(r, status, err);
}

/* 416: the object ends before this position. That is no failure for an empty object read from its start, nor if
 * the last byte had arrived when the transfer broke. */
static enum mr_status check_end(const struct reader *r, struct mr_err *err)
{
    struct mr_object object;
    MR_TRY(mr_storage_stat(r->storage, r->read->name, &object, err));
    if (r->position == object.size && (r->delivered || object.size == 0))
        return MR_OK;
    return mr_fail(err, MR_INVALID, "byte %lld is past the end of an object of %lld", (long long)r->position,
                   (long long)object.size);
}

/* Where the size was not announced, or wrongly, only the end shows that these were all bytes. */
static enum mr_status check_complete(struct reader *r, struct mr_err *err)
{
    bool whole = r->end < 0 ? r->read->offset == 0 && r->whole.is_known : is_whole(r, r->position);
    return whole && r->crc32c != r->whole.crc32c ? fail_damaged(r, err) : MR_OK;
}

static enum mr_status read_range(struct reader *r, struct mr_err *err)
{
    struct mr_retry_state retry = {0};
    for (;;) {
        int64_t before = r->position;
        MR_AUTO(mr_http_response) struct mr_http_response res = {0};
        enum mr_status status = read_once(r, &res, err);
        if (status == MR_OK || r->complete)
            return check_complete(r, err);
        if (r->sink_status != MR_OK)
            return r->sink_status;
        if (r->damaged)
            return status;
        if (res.status == 416) {
            MR_TRY(check_end(r, err));
            return check_complete(r, err);
        }
        if (!mr_answer_may_retry(status, &res))
            return status;
        if (r->position > before) /* only attempts without progress count */
            retry = (struct mr_retry_state){0};
        if (!mr_retry_again(&mr_storage_retry, &retry))
            return status;
    }
}

static struct reader begin(struct mr_storage *storage, const struct mr_read *read)
{
    return (struct reader){.storage = storage,
                           .read = read,
                           .generation = read->generation,
                           .position = read->offset,
                           .end = read->length < 0 ? -1 : read->offset + read->length,
                           .size = -1};
}

/* From the start again after damage, while the sink can be kept from seeing it. */
static enum mr_status read_all(struct reader *r, struct mr_err *err)
{
    struct mr_retry_state retry = {0};
    for (;;) {
        enum mr_status status = read_range(r, err);
        if (!r->damaged || r->delivered || !mr_retry_again(&damage_policy, &retry))
            return status;
        *r = begin(r->storage, r->read);
    }
}

enum mr_status mr_storage_read(struct mr_storage *storage, const struct mr_read *read,
                               struct mr_checksum *ret_whole, struct mr_err *err)
{
    if (read->offset < 0 || read->length < -1 ||
        (read->length > 0 && read->offset > INT64_MAX - read->length))
        return mr_fail(err, MR_INVALID, "the range is invalid");
    if (read->length == 0)
        return MR_OK;
    struct reader reader = begin(storage, read);
    enum mr_status status = read_all(&reader, err);
    if (status == MR_OK && ret_whole && reader.whole.is_known)
        *ret_whole = reader.whole;
    /* The sink's own message stays as it is. */
    return reader.sink_status != MR_OK ? status : mr_wrap(err, status, "read object");
}

static enum mr_status append(void *ctx, const void *data, size_t len, struct mr_err *err)
{
    struct mr_buf *out = ctx;
    return mr_buf_append(out, data, len, err);
}

enum mr_status mr_storage_load(struct mr_storage *storage, const char *name, int64_t generation,
                               struct mr_buf *out, struct mr_err *err)
{
    const struct mr_read read = {
        .name = name, .generation = generation, .length = -1, .sink = append, .sink_ctx = out};
    struct mr_err failure = {0};
    for (int i = 0; i < LOADS_MAX; i++) {
        mr_buf_clear(out);
        if (mr_storage_read(storage, &read, NULL, &failure) == MR_OK)
            return MR_OK;
        if (failure.code != MR_CODE_CORRUPTED)
            break;
    }
    mr_buf_clear(out);
    return mr_fail_from(err, &failure);
}
