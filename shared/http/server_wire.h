/*
 * Reading and writing a client's socket from a request thread, for the files server*.c. A client must move
 * MR_RATE_BYTES within client_timeout_ms of waiting for it; what the handler does in between does not count.
 */
#ifndef MR_HTTP_SERVER_WIRE_H
#define MR_HTTP_SERVER_WIRE_H

#include "shared/http/server_state.h"

/* Reads up to len bytes of the body; *ret_len is 0 at its end. Codes "slow_client", "incomplete_body" and
 * "malformed_request". */
MR_MUST_CHECK enum mr_status mr_wire_read(struct mr_request *req, void *data, size_t len, size_t *ret_len,
                                          struct mr_err *err);

/* Writes all of data. Codes "slow_client" and "client_gone"; the answer cannot be continued then. */
MR_MUST_CHECK enum mr_status mr_wire_write(struct mr_request *req, const void *data, size_t len,
                                           struct mr_err *err);

/* Leaves the last bytes of the answer to the connection's own thread, so that the request thread does not wait for the
 * client. MR_EXHAUSTED: nothing of them will be written. */
MR_MUST_CHECK enum mr_status mr_wire_finish(struct mr_request *req, const void *head, size_t head_len,
                                            const void *body, size_t body_len, struct mr_err *err);

/* The failure of an mg_read that did not return what it should have. */
MR_MUST_CHECK enum mr_status mr_wire_read_failed(const struct mr_connection *conn, bool in_time,
                                                 struct mr_err *err);

#endif
