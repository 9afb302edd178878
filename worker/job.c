#include "worker/job.h"

#include "shared/base/clock.h"
#include "shared/data/orphans.h"
#include "worker/heartbeat.h"

enum { COMMIT_ATTEMPTS = 3 };

static const struct {
    const char *name;
    mr_kind_run *run;
} kinds[] = {
    {MR_KIND_CONVERT, mr_kind_convert},
    {MR_KIND_EDIT, mr_kind_convert},
    {MR_KIND_PROBE, mr_kind_probe},
    {MR_KIND_INSERT_RECORDS, mr_kind_insert_records},
};

static const struct {
    const char *name;
    enum mr_severity severity;
} ends[MR_JOB_ENDS] = {
    [MR_JOB_COMMITTED] = {"committed", MR_LOG_INFO},  [MR_JOB_FAILED] = {"failed", MR_LOG_NOTICE},
    [MR_JOB_EXHAUSTED] = {"exhausted", MR_LOG_ERROR}, [MR_JOB_STALE] = {"stale", MR_LOG_INFO},
    [MR_JOB_ELSEWHERE] = {"elsewhere", MR_LOG_INFO},  [MR_JOB_LOST] = {"lost", MR_LOG_NOTICE},
    [MR_JOB_RELEASED] = {"released", MR_LOG_WARNING}, [MR_JOB_STOPPED] = {"stopped", MR_LOG_NOTICE},
    [MR_JOB_DEFERRED] = {"deferred", MR_LOG_NOTICE},  [MR_JOB_BUSY] = {"busy", MR_LOG_INFO},
    [MR_JOB_YIELDED] = {"yielded", MR_LOG_NOTICE},
};

const char *mr_job_end_name(enum mr_job_end end)
{
    return ends[end].name;
}

bool mr_job_should_stop(const struct mr_job *job)
{
    return mr_heartbeat_lost(job->heartbeat) || mr_slots_stopping(&job->worker->slots) ||
           atomic_load(&job->ticket->yields);
}

enum mr_status mr_job_commit(struct mr_job *job, const struct mr_commit *commit, bool *ret_committed,
                             struct mr_err *err)
{
    struct mr_err failure = {0}; /* kept from err until the last attempt has failed */
    enum mr_status status = MR_UNAVAILABLE;
    for (int i = 0; i < COMMIT_ATTEMPTS && status == MR_UNAVAILABLE; i++)
        status = mr_lease_commit(job->worker->db, job->claim, commit, ret_committed, &failure);
    if (status != MR_OK)
        return mr_fail_from(err, &failure);
    return MR_OK;
}

void mr_job_drop_object(struct mr_job *job, const char *name)
{
    if (mr_storage_delete(job->worker->cloud.storage, name, NULL) == MR_OK)
        (void)!mr_orphans_forget(job->worker->db, name, NULL);
}

static enum mr_status run_kind(struct mr_job *job, bool *ret_committed, struct mr_err *err)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(job->claim->kind, kinds[i].name) == 0)
            return kinds[i].run(job, ret_committed, err);
    return mr_fail_code(err, MR_CODE_UNKNOWN_KIND, "kind of the task is unknown to this worker: %s",
                        job->claim->kind);
}

/* What follows decides what a failure means. The database may be down as well: then the lease expires. */
static enum mr_job_end release(struct mr_job *job, enum mr_job_end end)
{
    struct mr_err err;
    if (mr_lease_release(job->worker->db, job->claim, &err) != MR_OK)
        mr_log_err(job->log, MR_LOG_WARNING, "cannot release the lease: it will expire", &err, NULL);
    return end;
}

static enum mr_job_end defer(struct mr_job *job)
{
    struct mr_err err;
    if (mr_lease_defer(job->worker->db, job->claim, &err) != MR_OK)
        mr_log_err(job->log, MR_LOG_WARNING, "cannot defer the task: its lease will expire", &err, NULL);
    return MR_JOB_DEFERRED;
}

static enum mr_job_end fail(struct mr_job *job, const struct mr_err *cause)
{
    struct mr_err err;
    if (mr_lease_fail(job->worker->db, job->claim, mr_code_name(cause->code), cause->message, &err) == MR_OK)
        return MR_JOB_FAILED;
    mr_log_err(job->log, MR_LOG_WARNING, "cannot store the failure: the task will run again", &err, NULL);
    return MR_JOB_RELEASED;
}

static enum mr_job_end settle(struct mr_job *job, const struct mr_err *cause)
{
    if (mr_heartbeat_lost(job->heartbeat))
        return MR_JOB_LOST;
    if (mr_slots_stopping(&job->worker->slots))
        return release(job, MR_JOB_STOPPED);
    if (atomic_load(&job->ticket->yields))
        return release(job, MR_JOB_YIELDED);
    if (cause->status != MR_CANCELED && !mr_status_is_transient(cause->status))
        return fail(job, cause);
    if (!job->remote_failed)
        return release(job, MR_JOB_RELEASED);
    if (job->claim->attempts >= job->worker->config->max_attempts)
        return fail(job, cause);
    return defer(job);
}

static enum mr_job_end run_with_heartbeat(struct mr_worker *worker, const struct mr_claim *claim,
                                          const struct mr_log *log, const struct mr_ticket *ticket,
                                          struct mr_err *ret_cause)
{
    MR_AUTO(mr_heartbeat) struct mr_heartbeat *heartbeat = NULL;
    if (mr_heartbeat_start(worker->db, claim, worker->config->lease_seconds, log, &heartbeat, ret_cause) !=
        MR_OK) {
        (void)!mr_lease_release(worker->db, claim, NULL);
        return MR_JOB_RELEASED;
    }
    struct mr_job job = {
        .worker = worker, .claim = claim, .log = log, .heartbeat = heartbeat, .ticket = ticket};
    bool committed = false;
    if (run_kind(&job, &committed, ret_cause) != MR_OK)
        return settle(&job, ret_cause);
    return committed ? MR_JOB_COMMITTED : MR_JOB_LOST;
}

/* infra/monitoring/metrics counts these lines and measures by them. */
static void log_end(const struct mr_log *log, const struct mr_claim *claim, enum mr_job_end end,
                    int64_t started_us, const struct mr_err *cause)
{
    const char fields[] = "{s:s,s:I,s:I,s:s,s:s,s:I,s:I,s:f,s:f}";
    double seconds = (double)(mr_time_monotonic_us() - started_us) / 1e6;
#define FIELDS                                                                                               \
    "end", ends[end].name, "task_id", (json_int_t)claim->task_id, "generation",                              \
        (json_int_t)claim->generation, "kind", claim->kind, "format", claim->new_format, "attempt",          \
        (json_int_t)claim->attempts, "fence", (json_int_t)claim->fence, "queue_seconds",                     \
        (double)claim->queued_ms / 1e3, "seconds", seconds
    if (cause->status != MR_OK)
        mr_log_err(log, ends[end].severity, "job", cause, fields, FIELDS);
    else
        mr_log_write(log, ends[end].severity, "job", fields, FIELDS);
#undef FIELDS
}

static enum mr_job_end run_claimed(struct mr_worker *worker, const struct mr_claim *claim,
                                   const struct mr_log *log, const struct mr_ticket *ticket)
{
    int64_t started_us = mr_time_monotonic_us();
    struct mr_err cause = {0};
    enum mr_job_end end = run_with_heartbeat(worker, claim, log, ticket, &cause);
    log_end(log, claim, end, started_us, &cause);
    if (claim->has_deliveries && (end == MR_JOB_COMMITTED || end == MR_JOB_FAILED))
        mr_deliver_announce(worker, claim->task_id, log);
    return end;
}

void mr_job_log_unclaimed(const struct mr_log *log, const struct mr_message *message, enum mr_job_end end)
{
    mr_log_write(log, ends[end].severity, "job", "{s:s,s:I,s:I,s:s}", "end", ends[end].name, "task_id",
                 (json_int_t)message->task_id, "generation", (json_int_t)message->generation, "kind",
                 message->kind);
}

enum mr_job_end mr_job_run(struct mr_worker *worker, const struct mr_message *message,
                           const struct mr_log *log, const struct mr_ticket *ticket)
{
    static const enum mr_job_end unclaimed[] = {[MR_CLAIM_STALE] = MR_JOB_STALE,
                                                [MR_CLAIM_ELSEWHERE] = MR_JOB_ELSEWHERE,
                                                [MR_CLAIM_EXHAUSTED] = MR_JOB_EXHAUSTED};
    MR_AUTO(mr_claim) struct mr_claim claim = {0};
    enum mr_claim_outcome outcome = MR_CLAIM_STALE;
    struct mr_err err;
    if (mr_lease_claim(worker->db, message, worker->config->lease_seconds, worker->config->max_attempts,
                       &outcome, &claim, &err) != MR_OK) {
        mr_log_err(log, MR_LOG_WARNING, "cannot claim the task", &err, "{s:I}", "task_id",
                   (json_int_t)message->task_id);
        return MR_JOB_RELEASED;
    }
    if (outcome == MR_CLAIM_OURS)
        return run_claimed(worker, &claim, log, ticket);
    mr_job_log_unclaimed(log, message, unclaimed[outcome]);
    return unclaimed[outcome];
}
