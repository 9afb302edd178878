/*
 * A file from a URL that a stranger named.
 *
 * Redirects are followed here, one request each, because each target is a stranger's URL again: it passes
 * both gates of the guard (guard.h). Bytes go to a sink as they come. A body that breaks off is a failure,
 * never a short file. Nothing of what is inside the network is told: no address, and no difference between a
 * port that is open and one that is closed.
 *
 * Codes of failures: "fetch_failed" (the server's; transient if another try may help), "too_large",
 * "too_many_redirects", "redirect_loop", and the guard's own: "url_malformed", "url_scheme",
 * "url_credentials", "address_refused".
 */
#ifndef MR_HTTP_FETCH_H
#define MR_HTTP_FETCH_H

#include "shared/http/client.h"

enum { MR_FETCH_REDIRECTS_MAX = 5, MR_FETCH_NAME_MAX = 256 };

/* What a 2xx answer says of its body. */
struct mr_fetch_head {
    int64_t size;                      /* announced; -1 if unknown */
    char content_type[128];            /* lower case, without parameters; "" if none */
    char file_name[MR_FETCH_NAME_MAX]; /* suggested by Content-Disposition; "" if none */
};

struct mr_fetch {
    const char *url;
    const struct mr_guard *guard;
    const char *ca_file; /* as in struct mr_http_request */
    int64_t max_bytes;
    int64_t timeout_ms; /* all requests together */
    int stall_seconds;  /* as long may the server be silent */
    /* Called once, before the first byte of the file, also of an empty one. What it or the sink returns but
     * MR_OK ends the fetch with that status and err. */
    enum mr_status (*begin)(void *ctx, const struct mr_fetch_head *head, struct mr_err *err);
    mr_http_sink *sink;
    void *ctx;                   /* of begin and sink */
    bool (*canceled)(void *ctx); /* asked about once a second; true: MR_CANCELED. May be NULL */
    void *canceled_ctx;
};

MR_MUST_CHECK enum mr_status mr_fetch(struct mr_http_client *http, const struct mr_fetch *fetch,
                                      struct mr_err *err);

#endif
