/*
 * The head of a request as civetweb has parsed it, and the framing of its body, strictly as RFC 9112 has them: what two
 * programs could read differently is refused, because a proxy in front may then see another request than we do (request
 * smuggling). civetweb reads leniently, but it parses in place, and what its buffer looks like afterwards shows what
 * the bytes were. Pure functions on that memory; any thread.
 */
#ifndef MR_HTTP_SERVER_HEAD_H
#define MR_HTTP_SERVER_HEAD_H

#include "shared/base/err.h"

#include <civetweb.h>
#include <stdint.h>

/* A checked copy of a head. All texts point into `text`. */
struct mr_head {
    char *text; /* malloc'ed */
    size_t len; /* bytes that the head had */
    const char *method;
    /* undecoded, begins with '/' but for "*"; of an absolute target without scheme and host */
    const char *path;
    const char *query; /* without '?'; "" if there is none */
    int minor;         /* HTTP/1.minor */
    size_t header_count;
    struct {
        const char *name, *value; /* blanks around the value are removed */
    } headers[MG_MAX_HEADERS];
};

/* How the body of a request is framed. */
struct mr_framing {
    int64_t length;       /* bytes; -1: chunked */
    bool expect_continue; /* the client waits for a 100 before it sends */
};

/*
 * Checks and copies what civetweb has parsed. `limit` is the end of its buffer. Codes "malformed_request" and
 * "too_many_headers". The caller frees *ret with mr_head_free, also after a failure.
 */
MR_MUST_CHECK enum mr_status mr_head_read(const struct mg_request_info *info, const char *limit,
                                          struct mr_head *ret, struct mr_err *err);
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
