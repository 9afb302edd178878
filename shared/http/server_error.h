/* Answers for failures, for the files server*.c. */
#ifndef MR_HTTP_SERVER_ERROR_H
#define MR_HTTP_SERVER_ERROR_H

#include "shared/http/server_state.h"

/* Answers a failed request; one whose answer has begun is cut off instead. */
void mr_request_answer_failure(struct mr_request *req, int http_status, const struct mr_err *cause);
/* As mr_request_answer_failure, and logs failures of the service itself (5xx). */
void mr_request_fail(struct mr_request *req, int http_status, const struct mr_err *cause);
/* Answers what civetweb refused before it was a request: a broken or oversize head, a timeout. */
void mr_server_refuse(struct mr_server *server, struct mg_connection *conn, int http_status,
                      const char *reason);

#endif
