/* A client's socket taken away from civetweb, for the files server*.c. */
#ifndef MR_HTTP_SERVER_DETACH_H
#define MR_HTTP_SERVER_DETACH_H

#include "shared/base/cleanup.h"
#include "shared/http/server_state.h"

/* The descriptors that a detachment needs; they are reserved before an answer begins. */
struct mr_detachment {
    int dead; /* what civetweb keeps */
    int copy; /* the client's socket */
};
void mr_detachment_close(struct mr_detachment *detachment);
MR_DEFINE_VALUE_CLEANUP(mr_detachment, mr_detachment_close)
#define MR_DETACHMENT_INIT ((struct mr_detachment){-1, -1})

/* MR_EXHAUSTED without descriptors, MR_UNAVAILABLE if the client's socket was not found. */
MR_MUST_CHECK enum mr_status mr_detachment_reserve(struct mr_detachment *detachment,
                                                   const struct mr_request *req, struct mr_err *err);
/* Gives the socket to the caller in *ret_fd. The request must have no answer to come from the server. */
MR_MUST_CHECK enum mr_status mr_detachment_complete(struct mr_detachment *detachment, struct mr_request *req,
                                                    int *ret_fd, struct mr_err *err);

#endif
