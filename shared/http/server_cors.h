/*
 * Cross-origin requests (https://fetch.spec.whatwg.org/#http-cors-protocol), for the files server*.c: which pages of
 * other origins may read answers. Every answer to them has the headers, errors as well, and a preflight of any path
 * succeeds: then the page learns from the request itself that it is 404 or 405. Credentials (cookies) are never allowed.
 */
#ifndef MR_HTTP_SERVER_CORS_H
#define MR_HTTP_SERVER_CORS_H

#include "shared/http/server_state.h"

/* Adds the headers of an answer to a request with this head. `own`: header lines that the answer has already; an
 * Access-Control-Allow-Origin in them is left as it is. */
MR_MUST_CHECK enum mr_status mr_cors_append(const struct mr_cors *cors, const struct mr_head *head,
                                            const char *own, struct mr_buf *out, struct mr_err *err);
/* What Access-Control-Allow-Origin says to this origin, or to none (NULL); NULL: nothing. */
const char *mr_cors_allowed(const struct mr_cors *cors, const char *origin);

#endif
