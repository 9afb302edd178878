#include "shared/gcp/unauthenticated_call.h"

#include "shared/gcp/answer.h"

enum mr_status mr_unauthenticated_once(struct mr_http_client *http, const struct mr_http_request *req,
                                       struct mr_http_response *res, struct mr_err *err)
{
    MR_TRY(mr_http_perform(http, req, res, err));
    return mr_answer_check(res, err);
}

enum mr_status mr_unauthenticated_call(struct mr_http_client *http, const struct mr_http_request *req,
                                       const struct mr_retry *policy, struct mr_http_response *res,
                                       struct mr_err *err)
{
    struct mr_retry_state retry = {0};
    for (;;) {
        enum mr_status status = mr_unauthenticated_once(http, req, res, err);
        if (status == MR_OK || !mr_answer_may_retry(status, res) || !mr_retry_again(policy, &retry))
            return status;
    }
}
