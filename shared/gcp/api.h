/*
 * A request to a Google API, for the rooms of shared/gcp: adds Authorization, asks for a new token once after
 * a 401, repeats by policy, and turns Google's error bodies into mr_err. Any thread may call.
 */
#ifndef MR_GCP_API_H
#define MR_GCP_API_H

#include "shared/base/json.h"
#include "shared/gcp/token.h"
#include "shared/http/client.h"

struct mr_api {
    struct mr_http_client *http;
    struct mr_token_source
        *tokens; /* NULL: no Authorization (emulators, and URLs that are secrets themselves) */
};

/* As mr_http_perform: MR_OK for any whole answer. req has at most 8 headers and no source, so that it can be
 * sent again. */
MR_MUST_CHECK enum mr_status mr_api_send(const struct mr_api *api, const struct mr_http_request *req,
                                         struct mr_http_response *res, struct mr_err *err);

/* As mr_api_send, but an answer that is not 2xx is a failure too. */
MR_MUST_CHECK enum mr_status mr_api_once(const struct mr_api *api, const struct mr_http_request *req,
                                         struct mr_http_response *res, struct mr_err *err);

/* As mr_api_once, repeated by policy. retry (zero-initialised) tells afterwards how many tries failed: with
 * retry->tries > 0 an earlier one may have had its effect although its answer was lost. */
MR_MUST_CHECK enum mr_status mr_api_call(const struct mr_api *api, const struct mr_http_request *req,
                                         const struct mr_retry *policy, struct mr_retry_state *retry,
                                         struct mr_http_response *res, struct mr_err *err);

/* True if sending the same again may cure the failure `status` with the answer res. */
bool mr_api_may_retry(enum mr_status status, const struct mr_http_response *res);

/* Fails with what the answer says; its body may be Google's JSON, OAuth's, or anything else. */
enum mr_status mr_api_fail(const struct mr_http_response *res, struct mr_err *err);

/* The body as a JSON object; MR_UNAVAILABLE if it is none. The caller owns *ret. */
MR_MUST_CHECK enum mr_status mr_api_json(const struct mr_http_response *res, json_t **ret,
                                         struct mr_err *err);

#endif
