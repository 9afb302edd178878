/*
 * Problem details (RFC 9457): failures as application/problem+json, and the reason phrases of HTTP statuses. The
 * table from mr_status to HTTP (mr_http_status_of, server.h) is here, too. Pure functions; any thread.
 */
#ifndef MR_HTTP_PROBLEM_H
#define MR_HTTP_PROBLEM_H

#include "shared/http/server.h"

/* The reason phrase, e.g. "Not Found"; "Unknown" for a status without one. */
const char *mr_http_reason(int http_status);

/* The statuses that have one, from index 0; 0 past the last. */
int mr_http_status_at(size_t index);

/* {type, title, status, detail, code, message}; the caller owns *ret. A 5xx has a fixed sentence instead of the
 * cause's message, which may reveal internals and belongs in the log. */
MR_MUST_CHECK enum mr_status mr_problem_json(int http_status, const struct mr_err *cause, json_t **ret,
                                             struct mr_err *err);

#endif
