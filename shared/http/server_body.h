/* The body of a request as the server itself handles it, for the files server*.c; handlers use server.h. */
#ifndef MR_HTTP_SERVER_BODY_H
#define MR_HTTP_SERVER_BODY_H

#include "shared/http/server_state.h"

/* Reads the framing headers. MR_INVALID if they contradict each other. */
MR_MUST_CHECK enum mr_status mr_body_prepare(struct mr_request *req, struct mr_err *err);

/* True if the body is read, or small enough to be dropped, so that another request can follow it. */
bool mr_body_can_finish(const struct mr_request *req);
/* Drops a small unread body; false if the connection must be closed. */
bool mr_body_finish(struct mr_request *req);

#endif
