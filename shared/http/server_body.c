#include "shared/http/server_body.h"

#include "shared/http/server_wire.h"

enum { BODY_CHUNK = 16 * 1024 };

void mr_body_prepare(struct mr_request *req)
{
    if (req->conn->framing.length == 0)
        req->body.state = MR_BODY_ENDED;
}

/* Keeps the first failure, so that further reads fail with it; failure is NULL on those. */
static enum mr_status fail_body(struct mr_request *req, const struct mr_err *failure, struct mr_err *err)
{
    req->body.state = MR_BODY_FAILED;
    if (failure)
        req->body.failure = *failure;
    return mr_fail_from(err, &req->body.failure);
}

static int64_t body_limit(const struct mr_request *req)
{
    int64_t limit = req->match.route ? req->match.route->max_body : -1;
    return limit < 0 ? req->server->options.max_body : limit;
}

static enum mr_status check_limit(const struct mr_request *req, int64_t size, struct mr_err *err)
{
    int64_t limit = body_limit(req);
    if (size <= limit)
        return MR_OK;
    return mr_fail(err, MR_TOO_LARGE, "the body is larger than %lld bytes", (long long)limit);
}

/* A declared length is checked before the first byte. */
static enum mr_status read_open_body(struct mr_request *req, void *data, size_t len, size_t *ret_len,
                                     struct mr_err *err)
{
    if (!req->body.received)
        MR_TRY(check_limit(req, req->conn->framing.length, err));
    MR_TRY(mr_wire_read(req, data, len, ret_len, err));
    return check_limit(req, req->body.received + (int64_t)*ret_len, err);
}

enum mr_status mr_request_read(struct mr_request *req, void *data, size_t len, size_t *ret_len,
                               struct mr_err *err)
{
    size_t got = 0;
    if (req->body.state == MR_BODY_FAILED)
        return fail_body(req, NULL, err);
    if (req->body.state == MR_BODY_OPEN && len) {
        struct mr_err failure = {0};
        if (read_open_body(req, data, len, &got, &failure) != MR_OK)
            return fail_body(req, &failure, err);
        req->body.received += (int64_t)got;
        if (!got || req->body.received == req->conn->framing.length)
            req->body.state = MR_BODY_ENDED;
    }
    *ret_len = got;
    return MR_OK;
}

enum mr_status mr_request_body(struct mr_request *req, struct mr_buf *buf, struct mr_err *err)
{
    /* In chunks: the declared length may be false, so nothing is allocated for it. */
    char chunk[BODY_CHUNK];
    for (size_t got = 1; got;) {
        MR_TRY(mr_request_read(req, chunk, sizeof chunk, &got, err));
        MR_TRY(mr_buf_append(buf, chunk, got, err));
    }
    return MR_OK;
}

bool mr_request_is_json(const struct mr_request *req)
{
    const char *value = mr_request_header(req, "Content-Type");
    if (!value || !*value || mr_request_is_type(req, "application/json"))
        return true;
    size_t len = strcspn(value, "; \t");
    return len > 5 && strncasecmp(value + len - 5, "+json", 5) == 0; /* RFC 6839 */
}

enum mr_status mr_request_json(struct mr_request *req, size_t max, json_t **ret, struct mr_err *err)
{
    if (!mr_request_is_json(req))
        return mr_fail(err, MR_UNSUPPORTED, "the body must be application/json");
    MR_AUTO(mr_buf) struct mr_buf body = MR_BUF_INIT(max);
    MR_TRY(mr_request_body(req, &body, err));
    struct mr_err fault = {0};
    /* RFC 8259 §8.1: a byte order mark may be ignored. */
    size_t mark = body.len >= 3 && memcmp(body.data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    enum mr_status status =
        mr_json_parse(mr_buf_str(&body) + mark, body.len - mark, JSON_REJECT_DUPLICATES, ret, &fault);
    if (status == MR_INVALID)
        return mr_fail_code(err, MR_CODE_INVALID_JSON, "the body is not JSON: %s", fault.message);
    return status == MR_OK ? MR_OK : mr_fail_from(err, &fault);
}

bool mr_body_can_finish(const struct mr_request *req)
{
    return req->conn->whole || req->body.state == MR_BODY_ENDED;
}
