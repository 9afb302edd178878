/* The head of a request as the server itself handles it, for the files server*.c; handlers use server.h. */
#ifndef MR_HTTP_SERVER_REQUEST_H
#define MR_HTTP_SERVER_REQUEST_H

#include "shared/http/server_state.h"

/* Reads trace, base URL, path and query. MR_INVALID, MR_TOO_LARGE. */
MR_MUST_CHECK enum mr_status mr_request_prepare(struct mr_request *req, struct mr_err *err);
/* True if a comma-separated header of the request contains the token, ASCII case ignored. */
bool mr_request_header_has(const struct mr_request *req, const char *name, const char *token);

#endif
