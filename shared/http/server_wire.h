/* Reading and writing a client's socket, each chunk within client_timeout_ms; for the files server*.c. */
#ifndef MR_HTTP_SERVER_WIRE_H
#define MR_HTTP_SERVER_WIRE_H

#include "shared/http/server_state.h"

enum {
    MR_READ_CHUNK = 16 * 1024,  /* bytes read under one deadline */
    MR_WRITE_CHUNK = 64 * 1024, /* bytes written under one deadline */
};

/* Reads up to min(len, MR_READ_CHUNK) bytes of the body, but not past its length; *ret_len is 0 at the end of a
 * chunked body. Codes "slow_client" and "incomplete_body". */
MR_MUST_CHECK enum mr_status mr_wire_read(struct mr_request *req, void *data, size_t len, size_t *ret_len,
                                          struct mr_err *err);

/* Writes all of data. Codes "slow_client" and "client_gone"; the answer cannot be continued then. */
MR_MUST_CHECK enum mr_status mr_wire_write(struct mr_request *req, const void *data, size_t len,
                                           struct mr_err *err);

#endif
