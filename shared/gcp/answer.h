/* The answers of Google's APIs: JSON objects, error bodies, and what may be repeated. Pure; any thread. */
#ifndef MR_GCP_ANSWER_H
#define MR_GCP_ANSWER_H

#include "shared/base/json.h"
#include "shared/http/client.h"

/* The body as a JSON object; MR_UNAVAILABLE if it is something else. The caller owns *ret. */
MR_MUST_CHECK enum mr_status mr_answer_json(const struct mr_http_response *res, json_t **ret,
                                            struct mr_err *err);

/* Fails with what an answer that is not 2xx says; its body may be Google's JSON, OAuth's, or anything else. */
enum mr_status mr_answer_fail(const struct mr_http_response *res, struct mr_err *err);

/* MR_OK for a 2xx answer, else as mr_answer_fail. */
MR_MUST_CHECK enum mr_status mr_answer_check(const struct mr_http_response *res, struct mr_err *err);

/* True if repeating the request may cure the failure `status` with the answer res. */
bool mr_answer_may_retry(enum mr_status status, const struct mr_http_response *res);

/* For failures of our own parts, which are no fault of the client whose request needed them, and which an operator
 * can cure: turns one that is not transient into MR_UNAVAILABLE. Does nothing to MR_OK and MR_CANCELED. */
enum mr_status mr_answer_own_fault(enum mr_status status, struct mr_err *err);

#endif
