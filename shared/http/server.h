/*
 * The HTTP/1.1 server; the files server*.c are the only users of civetweb, which accepts, reads and writes. A program
 * gives it one const route table; the server matches method and path, limits everything that a client may send, and
 * answers for a failed handler with problem+json (RFC 9457).
 *
 * Model: each connection has a small thread of civetweb's, which waits for the client: it reads heads and small bodies,
 * has the request served by a request thread, which runs the handler, and writes the answer. A handler reads the body
 * (whole, as a stream, or as form fields: form.h), then either answers with one of mr_respond_*() and returns MR_OK, or
 * returns a failure with err filled, and the server answers for it. Everything in a struct mr_request belongs
 * to the server and lives until the handler returns. A request is used by its own thread only; that thread
 * has a stack of 2 MiB.
 *
 * Threads: each class of routes has its own, so that none can take those of another (enum mr_route_class). A body of
 * more than 32 KiB makes any request a slow one. One client may have a share of the slow threads (address_share).
 *
 * Limits: size of the head, size of the body (per route), number of connections, and time. A client must send the
 * head within client_timeout_ms, a small body within that time again, and move each 256 KiB of a larger body or
 * of an answer within it. When there are too many connections, the one that has waited longest for its client is
 * closed. Heads that could be read in two ways are refused (server_head.h).
 *
 * Paths: repeated slashes count as one, a trailing slash is ignored, segments are percent-decoded after
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
struct mr_http_metrics;

/* Handles one request; app is the pointer in struct mr_server_options. */
typedef enum mr_status mr_handler(void *app, struct mr_request *req, struct mr_err *err);

/* Answers a failed request whose head has not been sent; http_status is mr_http_status_of(cause), or 404 or 405
 * from routing. */
typedef enum mr_status mr_answer_error(struct mr_request *req, int http_status, const struct mr_err *cause,
                                       struct mr_err *err);

enum { MR_ROUTE_PARAMS_MAX = 6 };

/* Which request threads serve a route. */
enum mr_route_class {
    MR_ROUTE_NORMAL, /* answers from memory and the database */
    MR_ROUTE_SLOW,   /* waits for the client or for other servers: transfers, probes */
    MR_ROUTE_VITAL,  /* must always be served: liveness, calls by our own cloud */
    MR_ROUTE_CLASSES,
};

/*
 * Pattern: segments separated by '/', e.g. "/api/tasks/{id}". "{name}" matches one non-empty segment (decoded:
 * it may then contain '/'), "{name*}" as the last segment matches the rest of the path, undecoded. A literal may
 * follow a parameter in the same segment: "{sub}:pull" (the parameter then ends before the last such literal).
 * The first route of the table that matches wins. A path that matches only with other methods gets 405 with
 * Allow; HEAD is served by GET routes, without the body.
 */
struct mr_route {
    const char *method;
    const char *pattern;
    mr_handler *handler;
    int64_t max_body; /* bytes; -1: the server's default; 0: no body at all */
    enum mr_route_class class;
};

/* The query parameters of the routes of a handler, with blanks between the names; "*": any. */
struct mr_route_query {
    mr_handler *handler;
    const char *names;
};

/* Pages of other origins that may read answers. */
struct mr_cors {
    const char *origins; /* "https://a.example,…", or "*" for all; NULL or "": none */
    const char *exposed; /* headers that they may read: "Location, Link" */
};

struct mr_server_options {
    int port;           /* 0: any free port, see mr_server_port */
    bool loopback_only; /* bind 127.0.0.1 instead of every address */
    int threads;        /* for normal routes, at least 1 */
    int slow_threads;   /* for slow ones; 0: as many as for normal ones */
    int address_share; /* percent of the slow threads, and of the places to wait for one, for a client's address */
    int vital_threads;   /* for vital ones; 0: 1 */
    int max_connections; /* open at once, each with a thread of 20 to 65 KiB; 0: 256 */
    int proxies;         /* in front of us, each of which appends to X-Forwarded-For; 0: none is believed */
    int64_t max_body;    /* default body limit in bytes */
    int max_head;        /* request line and headers together, at least 1,024 bytes; over it: 431 */
    int client_timeout_ms;
    const struct mr_route *routes; /* must outlive the server */
    size_t route_count;
    /* Other parameters are 400 with code "unknown_field", also for handlers that stand here nowhere. NULL: all are
     * accepted. Must outlive the server. */
    const struct mr_route_query *queries;
    size_t query_count;
    void *app;                       /* for the handlers */
    const struct mr_log *log;        /* one line per request; must outlive the server */
    struct mr_http_metrics *metrics; /* counts the requests; NULL: nobody does; must outlive the server */
    bool log_requests;               /* false: only answers with a status of 500 and above */
    struct mr_cors cors;             /* its texts must outlive the server */
    mr_answer_error *answer_error;   /* NULL: problem+json {type,title,status,detail,code,message} */
};

/* Starts listening; returns at once. MR_UNAVAILABLE if the port cannot be bound, MR_INVALID if an option is out
 * of bounds. */
MR_MUST_CHECK enum mr_status mr_server_start(const struct mr_server_options *options, struct mr_server **ret,
                                             struct mr_err *err);
int mr_server_port(const struct mr_server *server);

/* Answers new requests with 503 and Connection: close from now on, and waits up to deadline_ms for those that
 * run, until their answers are sent. True if none runs any more. */
bool mr_server_drain(struct mr_server *server, int deadline_ms);
/* Ends the threads and frees; requests that still run lose their sockets. Accepts NULL. */
void mr_server_stop(struct mr_server *server);

/* The request: head first, then body. Texts belong to the request. */

const char *mr_request_method(const struct mr_request *req);
/* The normalised path as matched, still percent-encoded. */
const char *mr_request_path(const struct mr_request *req);
/* The query string without '?', undecoded; "" if there is none. */
const char *mr_request_query_string(const struct mr_request *req);
const struct mr_route *mr_request_route(const struct mr_request *req);
/* The decoded path parameter `name`; never NULL for a name of the pattern. */
const char *mr_request_param(const struct mr_request *req, const char *name);
/* The decoded query parameter, or NULL. The first occurrence wins. */
const char *mr_request_query(const struct mr_request *req, const char *name);
/* The n-th query parameter, decoded, from 0; false past the last. */
bool mr_request_query_at(const struct mr_request *req, size_t n, const char **ret_name,
                         const char **ret_value);
/* A header's value, or NULL. */
const char *mr_request_header(const struct mr_request *req, const char *name);
/* The n-th header, from 0; false past the last. */
bool mr_request_header_at(const struct mr_request *req, size_t n, const char **ret_name,
                          const char **ret_value);
/* "http://HOST" from the Host header (or X-Forwarded-Proto/-Host, if given), for absolute links. Never NULL. */
const char *mr_request_base_url(const struct mr_request *req);
/* The client's address: the peer's, or what the proxies in front have noted (RFC 7239 §5.2 has the risks). */
const char *mr_request_remote(const struct mr_request *req);
/* For the request's log line: whose request it is. */
void mr_request_note_user(const struct mr_request *req, int64_t user_id);
/* The request's own logger: it has the request's trace. */
const struct mr_log *mr_request_log(const struct mr_request *req);
/* Its lines belong to the trace and span of another log from now on. */
void mr_request_set_trace(struct mr_request *req, const struct mr_log *of);
/* The declared Content-Length; -1 if unknown (chunked). */
int64_t mr_request_content_length(const struct mr_request *req);
/* True if Content-Type's media type (without parameters) equals `type`, ASCII case ignored. */
bool mr_request_is_type(const struct mr_request *req, const char *type);

/*
 * Reads the next bytes of the body: *ret_len is 0 only at its end. MR_TOO_LARGE over the route's limit (a
 * declared length is checked before the first byte), MR_INVALID if the client disconnects before the end,
 * MR_TIMEOUT if it is too slow. Once failed, it fails the same way again.
 */
MR_MUST_CHECK enum mr_status mr_request_read(struct mr_request *req, void *data, size_t len, size_t *ret_len,
                                             struct mr_err *err);
/* Appends the rest of the body to buf (whose cap applies, too). */
MR_MUST_CHECK enum mr_status mr_request_body(struct mr_request *req, struct mr_buf *buf, struct mr_err *err);
/* True for the media types that mr_request_json takes; also without any. */
bool mr_request_is_json(const struct mr_request *req);
/* The body as JSON, at most max bytes; the caller owns *ret. MR_INVALID with line and column if it is malformed
 * or has a duplicate key, MR_UNSUPPORTED (415) if Content-Type is something other than JSON. */
MR_MUST_CHECK enum mr_status mr_request_json(struct mr_request *req, size_t max, json_t **ret,
                                             struct mr_err *err);

/*
 * The answer: headers first, then exactly one respond call; if the handler fails, its headers are dropped.
 * MR_UNAVAILABLE if the client has disconnected. Once the head is sent, the server can only close the
 * connection on a failure.
 */

/* Adds a header. MR_INVALID for control characters in the value. */
MR_MUST_CHECK enum mr_status mr_respond_header(struct mr_request *req, const char *name, const char *value,
                                               struct mr_err *err);
/* content_type may be NULL. */
MR_MUST_CHECK enum mr_status mr_respond_bytes(struct mr_request *req, int http_status,
                                              const char *content_type, const void *data, size_t len,
                                              struct mr_err *err);
#define MR_JSON_TYPE    "application/json; charset=utf-8"
#define MR_PROBLEM_TYPE "application/problem+json"
/* Takes the reference of `body`, also on failure. */
MR_MUST_CHECK enum mr_status mr_respond_json(struct mr_request *req, int http_status, json_t *body,
                                             struct mr_err *err);
/* An answer without a body, e.g. 204. */
MR_MUST_CHECK enum mr_status mr_respond_empty(struct mr_request *req, int http_status, struct mr_err *err);
/* Begins a streamed answer: length in bytes, or -1 for chunked. Then call mr_respond_write until all is
 * written, then mr_respond_end; a client can tell that a chunked answer without its end was cut off. */
MR_MUST_CHECK enum mr_status mr_respond_begin(struct mr_request *req, int http_status,
                                              const char *content_type, int64_t length, struct mr_err *err);
MR_MUST_CHECK enum mr_status mr_respond_write(struct mr_request *req, const void *data, size_t len,
                                              struct mr_err *err);
MR_MUST_CHECK enum mr_status mr_respond_end(struct mr_request *req, struct mr_err *err);
/*
 * Sends the head and hands the client's socket over: for answers that continue long after the handler has
 * returned and must not occupy a request thread. The caller writes the body to *ret_fd, with its own deadlines,
 * and closes it, which ends the body: there is no length and no framing. *ret_fd is -1 for a HEAD request, which
 * is answered by then. The request is logged and counts as done when the handler returns: mr_server_drain and
 * mr_server_stop do not touch the socket, which does not block. MR_EXHAUSTED without descriptors (the server then
 * answers), MR_UNAVAILABLE if the client has disconnected.
 */
MR_MUST_CHECK enum mr_status mr_respond_detach(struct mr_request *req, int http_status,
                                               const char *content_type, int *ret_fd, struct mr_err *err);
/*
 * A request that waits for its answer without a thread: its handler has returned, another thread answers.
 * mr_request_park takes the client's socket from the server, for which the request is done: mr_server_drain and
 * mr_server_stop do not touch it. The body must have been read. One mr_parked_answer must follow. MR_EXHAUSTED
 * without descriptors or memory: the handler can still answer.
 */
struct mr_parked;
MR_MUST_CHECK enum mr_status mr_request_park(struct mr_request *req, struct mr_parked **ret,
                                             struct mr_err *err);
/* Answers with a status and no body, closes the connection, writes the request's log line and frees. Does not
 * wait for the client. Any thread. */
void mr_parked_answer(struct mr_parked *parked, int http_status);
/*
 * The same with a JSON body and the headers that the handler had set before it parked the request: begins the answer,
 * of which a slow client takes a part at a time. Takes the reference of `body`, also on failure, after which the
 * request is still unanswered. One mr_parked_close must follow. One thread at a time.
 */
MR_MUST_CHECK enum mr_status mr_parked_begin(struct mr_parked *parked, int http_status,
                                             const char *content_type, json_t *body, struct mr_err *err);
/* Sends what the socket takes, without waiting. True when nothing is left to send, or nobody to send it to. */
bool mr_parked_send(struct mr_parked *parked);
/* Closes the connection, writes the request's log line and frees. */
void mr_parked_close(struct mr_parked *parked);
/* True if the client has disconnected. Any thread. */
bool mr_parked_is_gone(const struct mr_parked *parked);
/* True once the head of an answer has been sent. */
bool mr_respond_started(const struct mr_request *req);

/* The HTTP status of an answer for a failure: that of its code (codes.def), else that of its status (problem.c). */
int mr_http_status_of(const struct mr_err *err);

#endif
