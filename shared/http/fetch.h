/*
 * Fetches a file from a URL that a user gave.
 *
 * Redirects are followed here, one request each, because each target is an untrusted URL again: it passes both
 * checks of the guard (guard.h). Bytes go to a sink as they arrive. A body that ends early is a failure, never a
 * short file. Errors reveal nothing about the internal network: no address, and no difference between an open and
 * a closed port.
 *
 * Codes: "fetch_failed" (the server failed; the status is transient if a retry may help), "too_large",
 * "too_many_redirects", "redirect_loop", and the guard's "url_malformed", "url_scheme", "url_credentials",
 * "address_refused".
 */
#ifndef MR_HTTP_FETCH_H
#define MR_HTTP_FETCH_H

#include "shared/http/client.h"

enum { MR_FETCH_REDIRECTS_MAX = 5, MR_FETCH_NAME_MAX = 256 };

/* What the head of a 2xx answer says about the body. */
struct mr_fetch_head {
    int64_t size;                      /* announced, in bytes; -1 if unknown */
    char content_type[128];            /* lower case, without parameters; "" if none */
    char file_name[MR_FETCH_NAME_MAX]; /* suggested by Content-Disposition; "" if none */
};

struct mr_fetch {
    const char *url;
    const struct mr_guard *guard;
    const char *ca_file; /* as in struct mr_http_request */
    int64_t max_bytes;
    int64_t timeout_ms;      /* all requests together */
    int64_t min_bytes_per_s; /* less, on average over stall_seconds, is a failure; 0: any pace */
    int stall_seconds;       /* how long the server may be silent */
    /* Called once, before the first byte, also for an empty file. A failure of it or of the sink ends the fetch
     * with that status and err. */
    enum mr_status (*begin)(void *ctx, const struct mr_fetch_head *head, struct mr_err *err);
    mr_http_sink *sink;
    void *ctx;                   /* for begin and sink */
    bool (*canceled)(void *ctx); /* called about once a second; true: MR_CANCELED. May be NULL */
    void *canceled_ctx;
};

/* MR_OK: the whole file went to the sink. Statuses and codes as above. */
MR_MUST_CHECK enum mr_status mr_fetch(struct mr_http_client *http, const struct mr_fetch *fetch,
                                      struct mr_err *err);

#endif
