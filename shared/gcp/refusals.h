/*
 * What it means when our own cloud refuses a call. It is never the answer to a user: a missing permission, a
 * missing bucket or a request that Google finds invalid is the service's own fault. So the call fails with
 * MR_UNAVAILABLE (503 for users, another attempt for tasks), and operators get one line at severity ERROR that
 * says which permission on which resource. Third-party servers keep the meaning of their answers
 * (shared/http/fetch.h).
 *
 * Any thread may call.
 */
#ifndef MR_GCP_REFUSALS_H
#define MR_GCP_REFUSALS_H

#include "shared/base/log.h"
#include "shared/http/client.h"

/* What a call needs. A call whose refusal is what the caller asks for (a check of permissions) has none. */
struct mr_need {
    const char *permission; /* "storage.objects.get"; a literal */
    const char *resource;   /* the bucket, topic or account */
    const char *object;     /* within it; NULL: none */
    bool may_be_absent;     /* 404 and 410 are answers: MR_NOT_FOUND */
};

struct mr_refusals;

/* log must outlive it. */
MR_MUST_CHECK enum mr_status mr_refusals_new(const struct mr_log *log, struct mr_refusals **ret,
                                             struct mr_err *err);
void mr_refusals_free(struct mr_refusals *refusals);
MR_DEFINE_CLEANUP(mr_refusals, mr_refusals_free)

/* Writes the line, at most one a minute for each permission and status: a line says how many were left out since
 * the last. http_status 0: no answer. refusals may be NULL: then nothing is written. */
void mr_refusals_report(struct mr_refusals *refusals, const struct mr_need *need, int http_status,
                        const char *reason);

/*
 * MR_OK for a 2xx answer. Otherwise fails with what the answer means for a caller that needs `need`: MR_NOT_FOUND
 * if that may be; MR_CONFLICT for 409 and 412; MR_TIMEOUT; MR_UNAVAILABLE for everything else, reported as above
 * unless it is a failure that passes (429, 5xx). need NULL: as mr_answer_check.
 */
MR_MUST_CHECK enum mr_status mr_refusals_judge(struct mr_refusals *refusals, const struct mr_need *need,
                                               const struct mr_http_response *res, struct mr_err *err);

#endif
