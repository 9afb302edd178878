/* Answers: the head, then the body, whole or streamed. */
#include "shared/http/problem.h"
#include "shared/http/server_body.h"
#include "shared/http/server_cors.h"
#include "shared/http/server_request.h"
#include "shared/http/server_wire.h"

enum {
    HEAD_MAX = MR_HEAD_OUT_MAX + 6 * 1024,
    CHUNK_MAX = 64 * 1024,                /* data of one chunk */
    CHUNK_FRAME = sizeof "10000\r\n" + 2, /* what surrounds it */
};

static bool has_control(const char *text)
{
    for (; *text; text++)
        if (((unsigned char)*text < 0x20 && *text != '\t') || *text == 0x7f)
            return true;
    return false;
}

enum mr_status mr_respond_header(struct mr_request *req, const char *name, const char *value,
                                 struct mr_err *err)
{
    if (req->out.started)
        return mr_fail(err, MR_INTERNAL, "header %s: the head was already sent", name);
    if (!mr_head_is_token(name) || has_control(value))
        return mr_fail(err, MR_INVALID, "header %s contains an illegal character",
                       mr_head_is_token(name) ? name : "name");
    return mr_buf_appendf(&req->out.headers, err, "%s: %s\r\n", name, value);
}

static bool client_keeps_alive(const struct mr_request *req)
{
    if (mr_request_header(req, "Upgrade"))
        return false;
    if (mr_request_header(req, "Connection"))
        return mr_request_header_has(req, "Connection", "keep-alive");
    return req->head->minor >= 1;
}

static void decide_connection(struct mr_request *req)
{
    if (!mr_body_can_finish(req) || !client_keeps_alive(req))
        req->out.close = true;
    if (req->out.left < 0 && !req->out.no_body && !req->out.chunked)
        req->out.close = true; /* HTTP/1.0: closing ends the body */
}

static void decide_framing(struct mr_request *req, int http_status, int64_t length)
{
    req->out.status = http_status;
    req->out.left = length;
    req->out.no_body =
        strcmp(mr_request_method(req), "HEAD") == 0 || http_status == 204 || http_status == 304;
    req->out.chunked = length < 0 && !req->out.until_close && req->head->minor >= 1;
}

static enum mr_status append_framing(struct mr_request *req, struct mr_buf *head, struct mr_err *err)
{
    if (req->out.status == 204 || req->out.status == 304)
        return MR_OK; /* RFC 9110 §8.6 */
    if (req->out.left >= 0)
        return mr_buf_appendf(head, err, "Content-Length: %lld\r\n", (long long)req->out.left);
    return req->out.chunked ? mr_buf_append_str(head, "Transfer-Encoding: chunked\r\n", err) : MR_OK;
}

static enum mr_status build_head(struct mr_request *req, const char *content_type, struct mr_buf *head,
                                 struct mr_err *err)
{
    char date[40];
    time_t now = time(NULL);
    struct tm parts;
    gmtime_r(&now, &parts);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    MR_TRY(mr_buf_appendf(head, err, "HTTP/1.1 %d %s\r\nDate: %s\r\nX-Content-Type-Options: nosniff\r\n",
                          req->out.status, mr_http_reason(req->out.status), date));
    if (content_type)
        MR_TRY(mr_buf_appendf(head, err, "Content-Type: %s\r\n", content_type));
    MR_TRY(append_framing(req, head, err));
    MR_TRY(mr_cors_append(&req->server->options.cors, req->head, mr_buf_str(&req->out.headers), head, err));
    MR_TRY(mr_buf_append(head, mr_buf_str(&req->out.headers), req->out.headers.len, err));
    return mr_buf_appendf(head, err, "Connection: %s\r\n\r\n", req->out.close ? "close" : "keep-alive");
}

static enum mr_status begin_answer(struct mr_request *req, int http_status, const char *content_type,
                                   int64_t length, struct mr_buf *head, struct mr_err *err)
{
    if (req->out.started)
        return mr_fail(err, MR_INTERNAL, "the request is already answered");
    if (content_type && has_control(content_type))
        return mr_fail(err, MR_INVALID, "header Content-Type contains an illegal character");
    decide_framing(req, http_status, length);
    decide_connection(req);
    MR_TRY(build_head(req, content_type, head, err));
    req->out.started = true;
    return MR_OK;
}

enum mr_status mr_respond_bytes(struct mr_request *req, int http_status, const char *content_type,
                                const void *data, size_t len, struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf head = MR_BUF_INIT(HEAD_MAX);
    MR_TRY(begin_answer(req, http_status, content_type, (int64_t)len, &head, err));
    if (req->out.no_body)
        len = 0;
    enum mr_status status = mr_wire_finish(req, head.data, head.len, data, len, err);
    if (status != MR_OK) {
        req->out.started = false; /* nothing was sent, so there can still be another answer */
        return status;
    }
    req->out.sent = (int64_t)len;
    req->out.ended = true;
    return MR_OK;
}

enum mr_status mr_respond_json(struct mr_request *req, int http_status, json_t *body, struct mr_err *err)
{
    MR_AUTO_JSON json_t *owned = body;
    MR_AUTO_STR char *text = json_dumps(owned, MR_JSON_FLAGS);
    if (!text)
        return mr_fail_oom(err);
    return mr_respond_bytes(req, http_status, MR_JSON_TYPE, text, strlen(text), err);
}

enum mr_status mr_respond_empty(struct mr_request *req, int http_status, struct mr_err *err)
{
    return mr_respond_bytes(req, http_status, NULL, NULL, 0, err);
}

enum mr_status mr_respond_begin(struct mr_request *req, int http_status, const char *content_type,
                                int64_t length, struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf head = MR_BUF_INIT(HEAD_MAX);
    MR_TRY(begin_answer(req, http_status, content_type, length, &head, err));
    return mr_wire_write(req, head.data, head.len, err);
}

/* Size line, data and line end in one write, so that a small event is one packet. */
static enum mr_status write_chunks(struct mr_request *req, const char *data, size_t len, struct mr_err *err)
{
    while (len) {
        char chunk[CHUNK_MAX + CHUNK_FRAME];
        size_t part = len < CHUNK_MAX ? len : CHUNK_MAX;
        size_t used = (size_t)snprintf(chunk, sizeof chunk, "%zx\r\n", part);
        memcpy(chunk + used, data, part);
        memcpy(chunk + used + part, "\r\n", 2);
        MR_TRY(mr_wire_write(req, chunk, used + part + 2, err));
        data += part;
        len -= part;
    }
    return MR_OK;
}

enum mr_status mr_respond_write(struct mr_request *req, const void *data, size_t len, struct mr_err *err)
{
    if (!req->out.started || req->out.ended)
        return mr_fail(err, MR_INTERNAL, "streamed response is not open");
    if (req->out.left >= 0 && (int64_t)len > req->out.left)
        return mr_fail(err, MR_INTERNAL, "the body is longer than announced: %zu bytes for %lld", len,
                       (long long)req->out.left);
    if (!req->out.no_body) {
        MR_TRY(req->out.chunked ? write_chunks(req, data, len, err) : mr_wire_write(req, data, len, err));
        req->out.sent += (int64_t)len;
    }
    if (req->out.left >= 0)
        req->out.left -= (int64_t)len;
    return MR_OK;
}

enum mr_status mr_respond_end(struct mr_request *req, struct mr_err *err)
{
    if (!req->out.started || req->out.ended)
        return mr_fail(err, MR_INTERNAL, "streamed response is not open");
    if (req->out.left > 0 && !req->out.no_body)
        return mr_fail(err, MR_INTERNAL, "the body is %lld bytes shorter than announced",
                       (long long)req->out.left);
    if (req->out.chunked && !req->out.no_body)
        MR_TRY(mr_wire_write(req, "0\r\n\r\n", 5, err));
    req->out.ended = true;
    return MR_OK;
}

bool mr_respond_started(const struct mr_request *req)
{
    return req->out.started;
}
