/*
 * The head of an HTTP/1 request and the framing of its body, strictly as RFC 9112 has them: what two programs could
 * read differently is refused, because a proxy in front may then see another request than we do (request smuggling).
 * Pure functions on the caller's bytes; any thread.
 */
#ifndef MR_HTTP_SERVER_HEAD_H
#define MR_HTTP_SERVER_HEAD_H

#include "shared/base/err.h"

#include <stdint.h>

enum { MR_HEADERS_MAX = 64 };

/* A parsed head. All texts point into `text`. */
struct mr_head {
    char *text; /* malloc'ed */
    const char *method;
    const char
        *path; /* undecoded, begins with '/' but for "*"; of an absolute target without scheme and host */
    const char *query; /* without '?'; "" if there is none */
    int minor;         /* HTTP/1.minor; above 1 counts as 1 */
    size_t header_count;
    struct {
        const char *name, *value; /* blanks around the value are removed */
    } headers[MR_HEADERS_MAX];
};

/* How the body of a request is framed. */
struct mr_framing {
    int64_t length;       /* bytes; -1: chunked */
    bool expect_continue; /* the client waits for a 100 before it sends */
};

/*
 * Looks for the end of the head in the len bytes received so far, from *scanned on, which is kept between calls and
 * begins with 0. *ret_len is the length of the head with its last line end, or 0 while it is not complete.
 * MR_INVALID ("malformed_request") for a line end that is not CRLF, and for NUL.
 */
MR_MUST_CHECK enum mr_status mr_head_find_end(const char *data, size_t len, size_t *scanned, size_t *ret_len,
                                              struct mr_err *err);

/* Parses a complete head. Codes "malformed_request", "too_many_headers", "http_version_not_supported". The caller
 * frees *ret with mr_head_free, also after a failure. */
MR_MUST_CHECK enum mr_status mr_head_parse(const char *data, size_t len, struct mr_head *ret,
                                           struct mr_err *err);
/* Leaves an empty head. */
void mr_head_free(struct mr_head *head);

/* The first header of that name, ASCII case ignored, or NULL. */
const char *mr_head_find(const struct mr_head *head, const char *name);

/* Host (RFC 9112 §3.2), Content-Length, Transfer-Encoding (§6) and Expect. Codes "malformed_request" and
 * "expectation_failed". */
MR_MUST_CHECK enum mr_status mr_head_framing(const struct mr_head *head, struct mr_framing *ret,
                                             struct mr_err *err);

/* True if text is a token (RFC 9110 §5.6.2), as names of methods and headers are. */
bool mr_head_is_token(const char *text);
/* True if text may be the value of Host: a name or address with an optional port. */
bool mr_head_is_host(const char *text);

#endif
