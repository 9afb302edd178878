#include "shared/http/server_internal.h"

#include "shared/base/encoding.h"

#include <sys/socket.h>

enum { DROP_MAX = 16 * 1024 }; /* an unread body up to this size is dropped to keep the connection */

/* Content-Length and Transfer-Encoding as they came: civetweb reads only the first of each, and leniently. A
 * proxy in front that reads them otherwise would let requests be smuggled (RFC 9112 §6.3). */
enum mr_status mr_body_prepare(struct mr_request *req, struct mr_err *err)
{
    const char *length = NULL, *name = NULL, *value = NULL;
    bool chunked = false;
    for (size_t i = 0; mr_request_header_at(req, i, &name, &value); i++) {
        if (strcasecmp(name, "Content-Length") == 0) {
            if (length && strcmp(length, value) != 0)
                return mr_fail(err, MR_INVALID, "Content-Length is given twice");
            length = value;
        } else if (strcasecmp(name, "Transfer-Encoding") == 0) {
            chunked = true;
        }
    }
    req->body.length = chunked ? -1 : 0;
    if (chunked && length)
        return mr_fail(err, MR_INVALID, "both Content-Length and Transfer-Encoding");
    if (length && (!*length || strspn(length, "0123456789") != strlen(length) ||
                   !mr_parse_int64(length, 0, INT64_MAX, &req->body.length)))
        return mr_fail(err, MR_INVALID, "Content-Length is not a number");
    if (req->body.length == 0)
        req->body.state = MR_BODY_ENDED;
    const char *expect = mr_request_header(req, "Expect");
    if (expect && strcasecmp(expect, "100-continue") != 0)
        return mr_fail_code(err, MR_CODE_EXPECTATION_FAILED, "cannot fulfil this expectation");
    req->body.expect_continue = expect && strcmp(req->info->http_version, "1.1") == 0;
    return MR_OK;
}

/* Keeps the first failure (then called with NULL): whoever reads again gets it again. */
static enum mr_status fail_body(struct mr_request *req, const struct mr_err *failure, struct mr_err *err)
{
    req->body.state = MR_BODY_FAILED;
    if (failure)
        req->body.failure = *failure;
    if (err)
        *err = req->body.failure;
    return req->body.failure.status;
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
    enum mr_status status = check_limit(req, req->body.length, err);
    if (status != MR_OK || !req->body.expect_continue)
        return status;
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    req->body.expect_continue = false;
    return mr_wire_write(req, go_on, sizeof go_on - 1, err);
}

/* civetweb returns less than asked at the end of the body, and as well when the client breaks off or its own
 * time-out strikes: the count, or for chunked bodies the sign, tells them apart. */
static enum mr_status read_piece(struct mr_request *req, void *data, size_t len, size_t *ret_len,
                                 struct mr_err *err)
{
    if (len > MR_READ_PIECE)
        len = MR_READ_PIECE;
    if (req->body.length >= 0 && (int64_t)len > req->body.length - req->body.received)
        len = (size_t)(req->body.length - req->body.received);
    int64_t began_us = mr_time_monotonic_us();
    struct mr_watch watch;
    mr_slow_clients_begin(req->server->slow_clients, &watch, req->fd, SHUT_RD);
    int n = mg_read(req->conn, data, len);
    bool late = mr_slow_clients_end(req->server->slow_clients, &watch);
    if (n > 0 && (req->body.length < 0 || (size_t)n == len)) {
        *ret_len = (size_t)n;
        return MR_OK;
    }
    if (n == 0 && req->body.length < 0) {
        *ret_len = 0;
        return MR_OK;
    }
    if (late || mr_time_monotonic_us() - began_us >= (int64_t)req->server->options.client_timeout_ms * 1000)
        return mr_fail_code(err, MR_CODE_SLOW_CLIENT, "the body came too slowly");
    return mr_fail_code(err, MR_CODE_INCOMPLETE_BODY, "the connection broke off within the body");
}

enum mr_status mr_request_read(struct mr_request *req, void *data, size_t len, size_t *ret_len,
                               struct mr_err *err)
{
    size_t got = 0;
    if (req->body.state == MR_BODY_FAILED)
        return fail_body(req, NULL, err);
    if (req->body.state == MR_BODY_OPEN && len) {
        struct mr_err failure = {0};
        enum mr_status status = begin_body(req, &failure);
        if (status == MR_OK)
            status = read_piece(req, data, len, &got, &failure);
        if (status == MR_OK)
            status = check_limit(req, req->body.received + (int64_t)got, &failure);
        if (status != MR_OK)
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
    /* Through a piece of our own: a declared length, which may be a lie, allocates nothing. */
    char piece[MR_READ_PIECE];
    for (size_t got = 1; got;) {
        enum mr_status status = mr_request_read(req, piece, sizeof piece, &got, err);
        if (status == MR_OK)
            status = mr_buf_append(buf, piece, got, err);
        if (status != MR_OK)
            return status;
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
    enum mr_status status = mr_request_body(req, &body, err);
    if (status != MR_OK)
        return status;
    json_error_t fault;
    json_t *json = json_loadb(mr_buf_str(&body), body.len, JSON_REJECT_DUPLICATES, &fault);
    if (!json)
        return mr_fail_code(err, MR_CODE_INVALID_JSON, "not JSON, line %d column %d: %s", fault.line,
                            fault.column, fault.text);
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
        if (read_piece(req, scrap, sizeof scrap, &got, NULL) == MR_OK)
            req->body.received += (int64_t)got;
        req->body.state = req->body.received == req->body.length ? MR_BODY_ENDED : MR_BODY_FAILED;
    }
    return req->body.state == MR_BODY_ENDED;
}
