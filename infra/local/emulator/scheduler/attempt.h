/*
 * One attempt of a job as an HTTP request, with Cloud Scheduler's headers.
 * Source: https://cloud.google.com/scheduler/docs/reference/rest/v1/projects.locations.jobs#HttpTarget
 *
 * It needs no lock: everything it reads is immutable.
 */
#ifndef EM_SCHEDULER_ATTEMPT_H
#define EM_SCHEDULER_ATTEMPT_H

#include "infra/local/emulator/scheduler/spec.h"
#include "shared/http/client.h"

struct em_identity;

struct em_attempt {
    const struct em_job_spec *spec;
    const struct em_identity *identity; /* signs the OIDC token */
    int64_t schedule_us;                /* the scheduled time, since 1970 */
    bool (*canceled)(void *ctx);
    void *canceled_ctx;
};

/* Sends the request and waits for the answer, at most for the attempt deadline. MR_OK for 200 to 299; anything
 * else is a failure, with the reason in err. */
MR_MUST_CHECK enum mr_status em_attempt_send(struct mr_http_client *http, const struct em_attempt *attempt,
                                             struct mr_err *err);

#endif
