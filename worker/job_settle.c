#include "worker/job_settle.h"

#include "shared/base/clock.h"
#include "shared/data/units.h"
#include "worker/heartbeat.h"

static bool is_unit(const struct mr_job *job)
{
    return job->claim->unit.n > 0;
}

/* After a call that decides what a failure means. The database may be down as well: then the lease expires. A call that was
 * repeated cannot tell a lost lease from its own earlier success, so it counts as one. */
enum mr_job_end mr_job_end_unless_lost(const struct mr_job *job, enum mr_status status, bool ours,
                                       enum mr_job_end end, const struct mr_err *err)
{
    if (status == MR_OK)
        return ours ? end : MR_JOB_LOST;
    mr_log_err(job->log, MR_LOG_ERROR, "cannot give the lease back: it will expire", err, "{s:s}", "wanted",
               mr_job_end_name(end));
    return end == MR_JOB_FAILED || end == MR_JOB_EXHAUSTED || end == MR_JOB_UNCUT ? MR_JOB_RELEASED : end;
}

enum mr_job_end mr_job_release(const struct mr_job *job, enum mr_release reason, enum mr_job_end end)
{
    struct mr_err err = {0};
    struct mr_job_retries retries = {0};
    bool ours = false;
    enum mr_status status;
    do
        status = (is_unit(job) ? mr_unit_release : mr_lease_release)(job->worker->db, job->claim, reason,
                                                                     &ours, &err);
    while (mr_job_retry(job, status, &retries));
    return mr_job_end_unless_lost(job, status, ours || retries.wait_ms, end, &err);
}

static enum mr_job_end fail(struct mr_job *job, enum mr_code code, const char *detail, enum mr_job_end end)
{
    struct mr_err err = {0};
    struct mr_job_retries retries = {0};
    bool ours = false;
    enum mr_status status;
    do
        status = (is_unit(job) ? mr_unit_fail : mr_lease_fail)(job->worker->db, job->claim,
                                                               mr_code_name(code), detail, &ours, &err);
    while (mr_job_retry(job, status, &retries));
    return mr_job_end_unless_lost(job, status, ours || retries.wait_ms, end, &err);
}

/* A third-party server failed, and may recover. */
static enum mr_job_end defer(struct mr_job *job, const struct mr_err *cause)
{
    struct mr_err err = {0};
    struct mr_job_retries retries = {0};
    bool ours = false;
    enum mr_status status;
    if (job->claim->attempts - job->claim->interruptions >= job->worker->config->max_attempts) {
        (void)!mr_job_start(job, &err); /* counts this attempt, as a deferral does */
        return fail(job, cause->code, cause->message, MR_JOB_FAILED);
    }
    do
        status = mr_lease_defer(job->worker->db, job->claim, &ours, &err);
    while (mr_job_retry(job, status, &retries));
    return mr_job_end_unless_lost(job, status, ours || retries.wait_ms, MR_JOB_DEFERRED, &err);
}

static bool is_given_up(const struct mr_job *job)
{
    int64_t age_ms = job->claim->queued_ms + (mr_time_monotonic_us() - job->started_us) / 1000;
    return age_ms / 1000 >= job->worker->config->give_up_s;
}

/* The service failed, not the file: the task runs again until it is too old. Users get a code of their own, or
 * a fixed text: the cause is about our parts. */
static enum mr_job_end settle_fault(struct mr_job *job, const struct mr_err *cause)
{
    if (cause->code == MR_CODE_CHILD_KILLED || cause->code == MR_CODE_CHILD_KILLED_FULL)
        return mr_job_release(job,
                              cause->code == MR_CODE_CHILD_KILLED ? MR_RELEASE_KILL : MR_RELEASE_KILL_FULL,
                              MR_JOB_RELEASED);
    if (!is_given_up(job))
        return mr_job_release(job, MR_RELEASE_UNCOUNTED, MR_JOB_RELEASED);
    if (mr_code_row(cause->code)->places & MR_CODE_IN_TASK)
        return fail(job, cause->code, cause->message, MR_JOB_EXHAUSTED);
    return fail(job, MR_CODE_SERVICE_FAULT,
                "service could not run the task for a long time: the input is not at fault",
                MR_JOB_EXHAUSTED);
}

enum mr_job_end mr_job_settle(struct mr_job *job, const struct mr_err *cause)
{
    bool is_verdict = !job->remote_failed && mr_code_is_verdict(cause->code);
    if (job->lost || mr_heartbeat_lost(job->heartbeat))
        return MR_JOB_LOST;
    if (is_verdict)
        return fail(job, cause->code, cause->message, MR_JOB_FAILED);
    if (mr_job_is_too_long(job))
        return fail(job, MR_CODE_TASK_TOO_LONG, MR_TASK_TOO_LONG_DETAIL, MR_JOB_EXHAUSTED);
    if (mr_slots_stopping(&job->worker->slots))
        return mr_job_release(job, MR_RELEASE_STOP, MR_JOB_STOPPED);
    if (atomic_load(&job->ticket->yields))
        return mr_job_release(job, MR_RELEASE_UNCOUNTED, MR_JOB_YIELDED);
    return job->remote_failed ? defer(job, cause) : settle_fault(job, cause);
}

enum mr_job_end mr_job_run_leased(struct mr_job *job, mr_kind_run *run, mr_settle *settle,
                                  struct mr_err *ret_cause)
{
    MR_AUTO(mr_heartbeat) struct mr_heartbeat *heartbeat = NULL;
    if (mr_heartbeat_start(job->worker->db, job->claim, job->worker->config->lease_seconds, job->log,
                           &heartbeat, ret_cause) != MR_OK)
        return mr_job_release(job, MR_RELEASE_UNCOUNTED, MR_JOB_RELEASED);
    job->heartbeat = heartbeat;
    bool done = false;
    enum mr_status status = run(job, &done, ret_cause);
    enum mr_job_end end = status != MR_OK ? settle(job, ret_cause)
                          : job->is_cut   ? MR_JOB_CUT
                          : done          ? MR_JOB_COMMITTED
                                          : MR_JOB_LOST;
    job->heartbeat = NULL;
    return end;
}
