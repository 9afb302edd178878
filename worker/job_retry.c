/* A database that is away for a moment does not end a job: its calls are repeated for as long as the lease lasts. */
#include "shared/base/clock.h"
#include "shared/data/orphans.h"
#include "worker/heartbeat.h"
#include "worker/job.h"

#include <time.h>

enum { FIRST_MS = 100, LAST_MS = 1000, STEP_MS = 100 };
/* Longer than a job may run, so that the sweep never deletes what a running job is about to commit. */
enum { ORPHAN_AFTER_S = 2 * 86400 };

static bool may_go_on(const struct mr_job *job)
{
    return job->heartbeat && !mr_heartbeat_lost(job->heartbeat) && !mr_slots_stopping(&job->worker->slots);
}

/* False if the lease would end during the wait. */
static bool plan_wait(const struct mr_job *job, struct mr_job_retries *retries)
{
    const int64_t now_us = mr_time_monotonic_us();
    if (retries->wait_ms == 0)
        retries->until_us = now_us + mr_heartbeat_left_ms(job->heartbeat) * 1000;
    const int twice = retries->wait_ms ? 2 * retries->wait_ms : FIRST_MS;
    retries->wait_ms = twice < LAST_MS ? twice : LAST_MS;
    return now_us + retries->wait_ms * INT64_C(1000) < retries->until_us;
}

bool mr_job_retry(const struct mr_job *job, enum mr_status status, struct mr_job_retries *retries)
{
    const struct timespec step = {.tv_nsec = STEP_MS * 1000000L};
    if (!mr_status_is_transient(status) || !may_go_on(job) || !plan_wait(job, retries))
        return false;
    for (int waited = 0; waited < retries->wait_ms && may_go_on(job); waited += STEP_MS)
        nanosleep(&step, NULL);
    return may_go_on(job);
}

enum mr_status mr_job_note_object(const struct mr_job *job, const char *name, struct mr_err *err)
{
    struct mr_err failure = {0}; /* kept from err until the last attempt has failed */
    struct mr_job_retries retries = {0};
    enum mr_status status;
    do
        status = mr_orphans_add(job->worker->db, name, ORPHAN_AFTER_S, &failure);
    while (mr_job_retry(job, status, &retries));
    return status == MR_OK ? MR_OK : mr_fail_from(err, &failure);
}

enum mr_status mr_job_start(struct mr_job *job, struct mr_err *err)
{
    struct mr_err failure = {0};
    struct mr_job_retries retries = {0};
    bool ours = false;
    enum mr_status status;
    if (job->claim->unit.n) /* its claim has counted it */
        return MR_OK;
    do
        status = mr_lease_start(job->worker->db, job->claim, &ours, &failure);
    while (mr_job_retry(job, status, &retries));
    if (status != MR_OK)
        return mr_fail_from(err, &failure);
    job->lost = !ours;
    return ours ? MR_OK : mr_fail(err, MR_CANCELED, "lease is lost");
}

enum mr_status mr_job_commit(struct mr_job *job, const struct mr_commit *commit, bool *ret_committed,
                             struct mr_err *err)
{
    struct mr_err failure = {0}; /* kept from err until the last attempt has failed */
    struct mr_job_retries retries = {0};
    enum mr_status status;
    struct mr_span span = mr_span_begin(job->worker->tracer, job->log, "commit", MR_SPAN_INTERNAL);
    do
        status = mr_lease_commit(job->worker->db, job->claim, commit, ret_committed, &failure);
    while (mr_job_retry(job, status, &retries));
    mr_span_end(&span, status);
    if (status != MR_OK)
        return mr_fail_from(err, &failure);
    return MR_OK;
}
