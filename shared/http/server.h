/*
 * The HTTP server: the only user of civetweb. A program hands it one const route table; the server matches
 * method and path, bounds everything a client may send, and turns a failed handler into problem+json (RFC
 * 9457).
 *
 * Model: each request runs on one server thread from head to answer. A handler reads the body (whole, as a
 * stream, or as form fields: form.h), then either answers with one of mr_respond_*() and returns MR_OK, or
 * returns a failure with err filled, and the server answers for it. Everything in `struct mr_request` belongs
 * to the server and lives until the handler returns. A request is used by its own thread only; that thread
 * has a stack of 2 MiB.
 *
 * Bounds: head size, body size (per route), and time. A client must deliver each piece of up to 16 KiB, and
 * take each piece of up to 64 KiB, within client_timeout_ms, or its socket is shut down (slow_client.h).
 *
 * Paths: doubled slashes count as one, a trailing slash is ignored, segments are percent-decoded after
 * splitting.
 */
#ifndef MR_HTTP_SERVER_H
#define MR_HTTP_SERVER_H

#include "shared/base/buf.h"
#include "shared/base/err.h"
#include "shared/base/json.h"
#include "shared/base/log.h"

#include <stdint.h>

struct mr_server;
struct mr_request;

/* Handles one request; app is the pointer given to mr_server_start. */
typedef enum mr_status mr_handler(void *app, struct mr_request *req, struct mr_err *err);

/* Answers a failed request whose head has not been sent; http_status is mr_http_status_of(err), or 404, 405
 * from routing. */
typedef enum mr_status mr_answer_error(struct mr_request *req, int http_status, const struct mr_err *cause,
                                       struct mr_err *err);

enum { MR_ROUTE_PARAMS_MAX = 6 };

/*
 * Pattern: segments separated by '/', e.g. "/api/tasks/{id}". "{name}" takes one non-empty segment (decoded:
 * it may then hold '/'), "{name*}" as the last segment takes the rest of the path, undecoded. A literal may
 * follow in the same segment after a parameter: "{sub}:pull" (the parameter then ends before the last such
 * literal). The first route of the table that matches wins. A path that matches only under other methods gets
 * 405 with Allow; HEAD is served by GET routes without the body.
 */
struct mr_route {
    const char *method;
    const char *pattern;
    mr_handler *handler;
    int64_t max_body; /* bytes; -1 for the server's default; 0 for no body at all */
    unsigned flags;   /* the program's own: mr_request_route(req)->flags */
};

struct mr_server_options {
    int port;           /* 0 picks a free one: see mr_server_port */
    bool loopback_only; /* bind 127.0.0.1 instead of every address */
    int threads;        /* requests served at once */
    int64_t max_body;   /* default body limit in bytes */
    int max_head;       /* request line and headers together, bytes; over it: 431 */
    int client_timeout_ms;
    const struct mr_route *routes;
    size_t route_count;
    void *app;
    const struct mr_log
        *log;          /* one line per request (method, path, status, ms, bytes); must outlive the server */
    bool log_requests; /* false: only failures (>= 500) */
    mr_answer_error *answer_error; /* NULL: problem+json {type,title,status,detail,code,message} */
};

/* Starts listening. MR_UNAVAILABLE if the port cannot be bound. */
MR_MUST_CHECK enum mr_status mr_server_start(const struct mr_server_options *options, struct mr_server **ret,
                                             struct mr_err *err);
int mr_server_port(const struct mr_server *server);

/*
 * New requests are answered 503 with Connection: close from now on; waits up to deadline_ms for the running
 * ones. True when none runs any more. mr_server_stop then ends the threads (running requests lose their
 * sockets) and frees.
 */
bool mr_server_drain(struct mr_server *server, int deadline_ms);
void mr_server_stop(struct mr_server *server);

/* ---- what came in ---------------------------------------------------------- */

const char *mr_request_method(const struct mr_request *req);
/* The normalised path as matched, still percent-encoded. */
const char *mr_request_path(const struct mr_request *req);
/* The query string without '?', undecoded; "" if there is none. */
const char *mr_request_query_string(const struct mr_request *req);
const struct mr_route *mr_request_route(const struct mr_request *req);
/* The decoded path parameter `name`; never NULL for a name of the pattern. */
const char *mr_request_param(const struct mr_request *req, const char *name);
/* The decoded query parameter, or NULL. First occurrence wins. */
const char *mr_request_query(const struct mr_request *req, const char *name);
/* A header's value, or NULL. */
const char *mr_request_header(const struct mr_request *req, const char *name);
/* The n-th header, in order, for proxies and recorders; false past the last. */
bool mr_request_header_at(const struct mr_request *req, size_t n, const char **ret_name,
                          const char **ret_value);
/* "http://HOST" from the Host header (or X-Forwarded-Proto/-Host where given); for absolute links. Never
 * NULL. */
const char *mr_request_base_url(const struct mr_request *req);
const char *mr_request_remote(const struct mr_request *req);
/* The request's own logger: carries its trace. */
const struct mr_log *mr_request_log(const struct mr_request *req);
/* Declared Content-Length; -1 if unknown (chunked). */
int64_t mr_request_content_length(const struct mr_request *req);
/* True if Content-Type's media type (without parameters) equals `type`, ASCII case ignored. */
bool mr_request_is_type(const struct mr_request *req, const char *type);

/*
 * Reads the next bytes of the body: *ret_len is 0 only at its proper end. MR_TOO_LARGE over the route's limit
 * (checked against Content-Length before the first byte), MR_INVALID when the client breaks off, MR_TIMEOUT
 * when it is too slow.
 */
MR_MUST_CHECK enum mr_status mr_request_read(struct mr_request *req, void *data, size_t len, size_t *ret_len,
                                             struct mr_err *err);
/* The rest of the body, into buf (its cap applies too). */
MR_MUST_CHECK enum mr_status mr_request_body(struct mr_request *req, struct mr_buf *buf, struct mr_err *err);
/* The body as JSON (duplicate keys refused): MR_INVALID with line and column if broken, MR_UNSUPPORTED (415)
 * if Content-Type says something else than JSON. The caller owns *ret. */
MR_MUST_CHECK enum mr_status mr_request_json(struct mr_request *req, size_t max, json_t **ret,
                                             struct mr_err *err);

/* ---- what goes out ---------------------------------------------------------
 * Headers first, then exactly one respond call; a handler that fails loses the headers it has added. A write
 * that fails because the client went away is reported as MR_UNAVAILABLE; after the head has gone out the
 * server cannot answer otherwise, and closes.
 */

/* Adds a header to the answer. Values with control characters are refused (MR_INVALID). */
MR_MUST_CHECK enum mr_status mr_respond_header(struct mr_request *req, const char *name, const char *value,
                                               struct mr_err *err);
MR_MUST_CHECK enum mr_status mr_respond_bytes(struct mr_request *req, int http_status,
                                              const char *content_type, const void *data, size_t len,
                                              struct mr_err *err);
/* Takes the reference of `body` (also on failure). */
MR_MUST_CHECK enum mr_status mr_respond_json(struct mr_request *req, int http_status, json_t *body,
                                             struct mr_err *err);
/* An answer without a body, e.g. 204. */
MR_MUST_CHECK enum mr_status mr_respond_empty(struct mr_request *req, int http_status, struct mr_err *err);
/* Starts a streamed answer: length in bytes, or -1 for chunked. Follow with mr_respond_write until all is
 * written and then mr_respond_end; a chunked answer that is not ended is cut off visibly. */
MR_MUST_CHECK enum mr_status mr_respond_begin(struct mr_request *req, int http_status,
                                              const char *content_type, int64_t length, struct mr_err *err);
MR_MUST_CHECK enum mr_status mr_respond_write(struct mr_request *req, const void *data, size_t len,
                                              struct mr_err *err);
MR_MUST_CHECK enum mr_status mr_respond_end(struct mr_request *req, struct mr_err *err);
/*
 * Answers with a head alone and hands the client's socket out: for answers that go on for long after the
 * handler has returned, and must not hold a request thread. *ret_fd is the caller's to write the body to,
 * with its own deadlines, and to close, which ends the body: there is no length and no framing. It is -1 for
 * a HEAD request, which is then answered. The request is logged and counts as done when the handler returns:
 * neither mr_server_drain nor mr_server_stop touch the socket. MR_EXHAUSTED without descriptors (the server
 * then answers), MR_UNAVAILABLE when the client is gone.
 */
MR_MUST_CHECK enum mr_status mr_respond_detach(struct mr_request *req, int http_status,
                                               const char *content_type, int *ret_fd, struct mr_err *err);
/* True once the head of an answer has been sent. */
bool mr_respond_started(const struct mr_request *req);

/* The HTTP status of an answer for a failure: that of its code (codes.def), else that of its status (problem.c). */
int mr_http_status_of(const struct mr_err *err);

#endif
