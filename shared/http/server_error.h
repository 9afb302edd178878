/* Answers for failures, for the files server*.c. */
#ifndef MR_HTTP_SERVER_ERROR_H
#define MR_HTTP_SERVER_ERROR_H

#include "shared/http/server_state.h"

/* Answers a failed request; one whose answer has begun is cut off instead. */
void mr_request_answer_failure(struct mr_request *req, int http_status, const struct mr_err *cause);
/* As mr_request_answer_failure, and logs failures of the service itself (5xx). */
void mr_request_fail(struct mr_request *req, int http_status, const struct mr_err *cause);
/* The whole answer to what is no request (then its head is empty), or cannot be served: problem+json, and the
 * connection closes. allow: the value of Allow, or NULL. */
MR_MUST_CHECK enum mr_status mr_server_refusal(const struct mr_cors *cors, const struct mr_head *head,
                                               const struct mr_err *cause, const char *allow,
                                               struct mr_buf *ret);

#endif
