#include "shared/http/server_body.h"

#include "shared/base/encoding.h"
#include "shared/http/server_wire.h"

enum { DROP_MAX = MR_READ_CHUNK }; /* an unread body up to this size is dropped to keep the connection */

/* Checks Content-Length and Transfer-Encoding strictly: civetweb reads only the first of each, and leniently. If
 * a proxy in front reads them differently, requests can be smuggled (RFC 9112 §6.3). */
enum mr_status mr_body_prepare(struct mr_request *req, struct mr_err *err)
{
    const char *length = NULL, *name = NULL, *value = NULL;
    bool chunked = false;
    for (size_t i = 0; mr_request_header_at(req, i, &name, &value); i++) {
        if (strcasecmp(name, "Content-Length") == 0) {
            if (length && strcmp(length, value) != 0)
                return mr_fail(err, MR_INVALID, "Content-Length is given more than once");
            length = value;
        } else if (strcasecmp(name, "Transfer-Encoding") == 0) {
            chunked = true;
        }
    }
    req->body.length = chunked ? -1 : 0;
    if (chunked && length)
        return mr_fail(err, MR_INVALID, "Content-Length and Transfer-Encoding exclude each other");
    if (length && (!*length || strspn(length, "0123456789") != strlen(length) ||
                   !mr_parse_int64(length, 0, INT64_MAX, &req->body.length)))
        return mr_fail(err, MR_INVALID, "Content-Length must be a whole number");
    if (req->body.length == 0)
        req->body.state = MR_BODY_ENDED;
    const char *expect = mr_request_header(req, "Expect");
    if (expect && strcasecmp(expect, "100-continue") != 0)
        return mr_fail_code(err, MR_CODE_EXPECTATION_FAILED, "Expect must be 100-continue");
    req->body.expect_continue = expect && strcmp(req->info->http_version, "1.1") == 0;
    return MR_OK;
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

static enum mr_status begin_body(struct mr_request *req, struct mr_err *err)
{
    if (req->body.begun)
        return MR_OK;
    req->body.begun = true;
    MR_TRY(check_limit(req, req->body.length, err));
    if (!req->body.expect_continue)
        return MR_OK;
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    req->body.expect_continue = false;
    return mr_wire_write(req, go_on, sizeof go_on - 1, err);
}

static enum mr_status read_open_body(struct mr_request *req, void *data, size_t len, size_t *ret_len,
                                     struct mr_err *err)
{
    MR_TRY(begin_body(req, err));
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
        if (!got || req->body.received == req->body.length)
            req->body.state = MR_BODY_ENDED;
    }
    *ret_len = got;
    return MR_OK;
}

enum mr_status mr_request_body(struct mr_request *req, struct mr_buf *buf, struct mr_err *err)
{
    /* In chunks: the declared length may be false, so nothing is allocated for it. */
    char chunk[MR_READ_CHUNK];
    for (size_t got = 1; got;) {
        MR_TRY(mr_request_read(req, chunk, sizeof chunk, &got, err));
        MR_TRY(mr_buf_append(buf, chunk, got, err));
    }
    return MR_OK;
}

static bool is_json_type(const struct mr_request *req)
{
    const char *value = mr_request_header(req, "Content-Type");
    if (!value || !*value || mr_request_is_type(req, "application/json"))
        return true;
    size_t len = strcspn(value, "; \t");
    return len > 5 && strncasecmp(value + len - 5, "+json", 5) == 0; /* RFC 6839 */
}

enum mr_status mr_request_json(struct mr_request *req, size_t max, json_t **ret, struct mr_err *err)
{
    if (!is_json_type(req))
        return mr_fail(err, MR_UNSUPPORTED, "the body must be application/json");
    MR_AUTO(mr_buf) struct mr_buf body = MR_BUF_INIT(max);
    MR_TRY(mr_request_body(req, &body, err));
    json_error_t fault;
    json_t *json = json_loadb(mr_buf_str(&body), body.len, JSON_REJECT_DUPLICATES, &fault);
    if (!json)
        return mr_fail_code(err, MR_CODE_INVALID_JSON, "the body is not JSON: line %d, column %d: %s",
                            fault.line, fault.column, fault.text);
    *ret = json;
    return MR_OK;
}

bool mr_body_can_finish(const struct mr_request *req)
{
    return req->body.state == MR_BODY_ENDED ||
           (req->body.state == MR_BODY_OPEN && !req->body.expect_continue && req->body.length >= 0 &&
            req->body.length - req->body.received <= DROP_MAX);
}

bool mr_body_finish(struct mr_request *req)
{
    if (req->body.state == MR_BODY_OPEN && mr_body_can_finish(req)) {
        char scrap[DROP_MAX];
        size_t got = 0;
        if (mr_wire_read(req, scrap, sizeof scrap, &got, NULL) == MR_OK)
            req->body.received += (int64_t)got;
        req->body.state = req->body.received == req->body.length ? MR_BODY_ENDED : MR_BODY_FAILED;
    }
    return req->body.state == MR_BODY_ENDED;
}
