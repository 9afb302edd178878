/*
 * Requests to Google's APIs with Authorization: adds the token, fetches a new one once after a 401, and
 * retries by policy. Any thread may call.
 */
#ifndef MR_GCP_AUTHORIZED_CALL_H
#define MR_GCP_AUTHORIZED_CALL_H

#include "shared/gcp/refusals.h"
#include "shared/gcp/token.h"
#include "shared/http/client.h"
#include "shared/http/retry.h"

/* Who calls; nothing is owned. */
struct mr_caller {
    struct mr_http_client *http;
    struct mr_token_source *tokens; /* NULL: no Authorization (emulators) */
    struct mr_refusals *refusals;   /* NULL: refusals are not reported */
};

enum { MR_AUTHORIZED_HEADERS_MAX = 8 }; /* request headers besides Authorization */

/* As mr_http_perform: MR_OK for any complete answer, 4xx and 5xx included. req must have no source, so that it
 * can be sent again. */
MR_MUST_CHECK enum mr_status mr_authorized_send(const struct mr_caller *caller,
                                                const struct mr_http_request *req,
                                                struct mr_http_response *res, struct mr_err *err);

/* As mr_authorized_send, but an answer that is not 2xx is a failure, too: mr_refusals_judge says of what status.
 * With a need, no failure is one that only the client could cure. */
MR_MUST_CHECK enum mr_status mr_authorized_once(const struct mr_caller *caller, const struct mr_need *need,
                                                const struct mr_http_request *req,
                                                struct mr_http_response *res, struct mr_err *err);

/* As mr_authorized_once; transient failures are retried by policy. With retry->failures > 0 (zero-initialise
 * it) an earlier attempt may have had its effect, although its answer was lost. */
MR_MUST_CHECK enum mr_status mr_authorized_call(const struct mr_caller *caller, const struct mr_need *need,
                                                const struct mr_http_request *req,
                                                const struct mr_retry *policy, struct mr_retry_state *retry,
                                                struct mr_http_response *res, struct mr_err *err);

#endif
