/*
 * The HTTP client; the files client*.c are the only users of libcurl. One call is one request; retries are up to
 * the caller, who knows whether a request may be repeated (retry.h).
 *
 * A struct mr_http_client pools libcurl's handles with their open connections; any thread may use it at any time.
 * Redirects are never followed, `Expect: 100-continue` is never sent, and TLS is always verified.
 */
#ifndef MR_HTTP_CLIENT_H
#define MR_HTTP_CLIENT_H

#include "shared/base/buf.h"
#include "shared/base/err.h"
#include "shared/http/guard.h"

#include <stdint.h>

struct mr_http_client;

/* user_agent is sent with each request, e.g. "mediarun/1.0". Call from main, before there are threads: it also
 * initialises libcurl. */
MR_MUST_CHECK enum mr_status mr_http_client_new(const char *user_agent, struct mr_http_client **ret,
                                                struct mr_err *err);
void mr_http_client_free(struct mr_http_client *client);
MR_DEFINE_CLEANUP(mr_http_client, mr_http_client_free)

/* Takes received body bytes; a failure ends the transfer with that status and err. The response's status and head
 * are filled by then. */
typedef enum mr_status mr_http_sink(void *ctx, const void *data, size_t len, struct mr_err *err);
/* Provides up to len bytes of the request body; *ret_len is 0 at its end. */
typedef enum mr_status mr_http_source(void *ctx, void *data, size_t len, size_t *ret_len, struct mr_err *err);

struct mr_http_request {
    const char *method; /* "GET", "POST", … */
    const char *url;
    const char *const *headers; /* "Name: value" lines, NULL-terminated; may be NULL */
    const void *body;           /* either a body in memory, … */
    size_t body_len;
    mr_http_source *source; /* … or a source of body_len bytes (chunked if source_length_unknown) */
    void *source_ctx;
    bool source_length_unknown;
    mr_http_sink *sink; /* NULL: the body is collected into the response, up to max_response */
    void *sink_ctx;
    bool sink_errors_too;   /* false: only 2xx bodies go to the sink; others are collected (up to 64 KiB) */
    size_t max_response;    /* 0: 1 MiB */
    int connect_timeout_ms; /* 0: 10 s */
    int timeout_ms;         /* whole transfer; 0: none, but a stall ends it */
    int stall_seconds; /* less than 1 byte/s for this long ends it; 0: 30 if timeout_ms is 0, else never */
    /* Less than this on average over each stall_seconds ends it with MR_TIMEOUT, so that a transfer takes no longer
     * than its size demands; time that the sink takes does not count. 0: only a stall ends it. */
    int64_t min_bytes_per_s;
    int64_t max_announced; /* a larger Content-Length ends the transfer at once: MR_TOO_LARGE; 0: any */
    /* For URLs from users: connects only to public addresses, unless the guard's allow list has the URL's host
     * (else MR_INVALID, code "address_refused"); the connection is new and is not kept. NULL: no such check. */
    const struct mr_guard *guard;
    /* PEM file of certificate authorities; NULL or "": the system's bundle. It replaces the bundle, but the
     * system's directory of hashed certificates (/etc/ssl/certs on Debian) stays in use, so that it adds
     * authorities. */
    const char *ca_file;
    /* Takes the proxy from the environment (https_proxy, no_proxy, …), as people expect of a program that they run. */
    bool uses_proxy;
    /* Called about once a second during the transfer; true ends it with MR_CANCELED. May be NULL. */
    bool (*canceled)(void *ctx);
    void *canceled_ctx;
};

struct mr_http_response {
    int status;         /* HTTP status; 0 if none arrived */
    struct mr_buf body; /* the bytes that the sink did not take */
    struct mr_buf head; /* raw header lines, for mr_http_response_header */
    int64_t received;   /* bytes handed to the sink */
    bool request_sent;  /* false if no connection was made: then the server has done nothing */
};
void mr_http_response_free(struct mr_http_response *res);
MR_DEFINE_VALUE_CLEANUP(mr_http_response, mr_http_response_free)

/*
 * Performs the request. MR_OK if an HTTP status and the complete body arrived, also for 4xx and 5xx.
 * MR_UNAVAILABLE: no connection, reset, or a body shorter than announced; MR_TIMEOUT; MR_TOO_LARGE: more than
 * max_response; or the status of the sink or source. A request other than GET, HEAD and OPTIONS is sent at most
 * once. Zero-initialise *res; free it in every case.
 */
MR_MUST_CHECK enum mr_status mr_http_perform(struct mr_http_client *client, const struct mr_http_request *req,
                                             struct mr_http_response *res, struct mr_err *err);

/* Copies a response header's value (the last occurrence; ASCII case of the name ignored) into out; false if it is
 * absent or too long. */
bool mr_http_response_header(const struct mr_http_response *res, const char *name, char *out,
                             size_t out_size);

/* The values of all occurrences, joined by ", ": for headers that are lists (RFC 9110 §5.3). */
bool mr_http_response_header_list(const struct mr_http_response *res, const char *name, char *out,
                                  size_t out_size);

/* True for 408, 429, 500, 502, 503, 504 (Cloud Storage's and Pub/Sub's retry lists). */
bool mr_http_status_is_transient(int http_status);
/* The mr_status for an HTTP answer that is not 2xx: 400 INVALID, 401/403 DENIED, 404/410 NOT_FOUND, 409/412
 * CONFLICT, 413 TOO_LARGE, 429 EXHAUSTED, 408/504 TIMEOUT, other 5xx UNAVAILABLE, other 4xx INVALID. */
enum mr_status mr_http_status_to_status(int http_status);

#endif
