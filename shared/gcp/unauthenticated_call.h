/*
 * Requests to Google's servers without Authorization: the metadata server, the token endpoint, published
 * certificates. Tokens come from here, so this knows nothing of tokens. Any thread may call.
 */
#ifndef MR_GCP_UNAUTHENTICATED_CALL_H
#define MR_GCP_UNAUTHENTICATED_CALL_H

#include "shared/http/client.h"
#include "shared/http/retry.h"

/* As mr_http_perform, but an answer that is not 2xx is a failure, too. */
MR_MUST_CHECK enum mr_status mr_unauthenticated_once(struct mr_http_client *http,
                                                     const struct mr_http_request *req,
                                                     struct mr_http_response *res, struct mr_err *err);

/* As mr_unauthenticated_once; transient failures are retried by policy. */
MR_MUST_CHECK enum mr_status mr_unauthenticated_call(struct mr_http_client *http,
                                                     const struct mr_http_request *req,
                                                     const struct mr_retry *policy,
                                                     struct mr_http_response *res, struct mr_err *err);

#endif
