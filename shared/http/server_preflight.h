/* Preflights (https://fetch.spec.whatwg.org/#http-cors-protocol), for the files server*.c: server_cors.h says whose. */
#ifndef MR_HTTP_SERVER_PREFLIGHT_H
#define MR_HTTP_SERVER_PREFLIGHT_H

#include "shared/http/server_state.h"

/* True for the preflight of an origin that may read answers: mr_preflight_answer must answer it. */
bool mr_preflight_is_one(const struct mr_request *req);
/* Allows every method and header, whatever the path. */
MR_MUST_CHECK enum mr_status mr_preflight_answer(struct mr_request *req, struct mr_err *err);

#endif
