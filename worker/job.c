#include "worker/job.h"

#include "shared/data/strays.h"
#include "worker/heart.h"

enum { COMMIT_TRIES = 3 };

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
};

const char *mr_job_end_name(enum mr_job_end end)
{
    return ends[end].name;
}

bool mr_job_should_stop(const struct mr_job *job)
{
    return mr_heart_lost(job->heart) || mr_slots_stopping(&job->worker->slots);
}

enum mr_status mr_job_commit(struct mr_job *job, const struct mr_commit *commit, bool *ret_committed,
                             struct mr_err *err)
{
    struct mr_err failure = {0}; /* of a try that another one made good: nobody's business */
    enum mr_status status = MR_UNAVAILABLE;
    for (int i = 0; i < COMMIT_TRIES && status == MR_UNAVAILABLE; i++)
        status = mr_lease_commit(job->worker->db, job->claim, commit, ret_committed, &failure);
    return status == MR_OK ? MR_OK : mr_fail_from(err, &failure);
}

void mr_job_drop_object(struct mr_job *job, const char *name)
{
    if (mr_storage_delete(job->worker->cloud.storage, name, NULL) == MR_OK)
        (void)!mr_strays_forget(job->worker->db, name, NULL);
}

static enum mr_status run_kind(struct mr_job *job, bool *ret_committed, struct mr_err *err)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(job->claim->kind, kinds[i].name) == 0)
            return kinds[i].run(job, ret_committed, err);
    return mr_fail_code(err, MR_CODE_UNKNOWN_KIND, "this worker knows no task of kind %s", job->claim->kind);
}

/* ---- what a failure means; the database may be down too: then the lease simply runs out ---- */

static enum mr_job_end release(struct mr_job *job, enum mr_job_end end)
{
    struct mr_err err;
    if (mr_lease_release(job->worker->db, job->claim, &err) != MR_OK)
        mr_log_err(job->log, MR_LOG_WARNING, "the lease could not be given back: it will run out", &err,
                   NULL);
    return end;
}

static enum mr_job_end put_off(struct mr_job *job)
{
    struct mr_err err;
    if (mr_lease_defer(job->worker->db, job->claim, &err) != MR_OK)
        mr_log_err(job->log, MR_LOG_WARNING, "the task could not be put off: its lease will run out", &err,
                   NULL);
    return MR_JOB_DEFERRED;
}

static enum mr_job_end fail(struct mr_job *job, const struct mr_err *cause)
{
    struct mr_err err;
    if (mr_lease_fail(job->worker->db, job->claim, mr_code_name(cause->code), cause->message, &err) == MR_OK)
        return MR_JOB_FAILED;
    mr_log_err(job->log, MR_LOG_WARNING,
               "the failure could not be written down: the task will be tried again", &err, NULL);
    return MR_JOB_RELEASED;
}

static enum mr_job_end settle(struct mr_job *job, const struct mr_err *cause)
{
    bool passing = cause->status == MR_CANCELED || mr_status_is_transient(cause->status);
    if (mr_heart_lost(job->heart))
        return MR_JOB_LOST;
    if (mr_slots_stopping(&job->worker->slots))
        return release(job, MR_JOB_STOPPED);
    if (passing && job->strangers_fault)
        return job->claim->attempts < job->worker->config->max_attempts ? put_off(job) : fail(job, cause);
    return passing ? release(job, MR_JOB_RELEASED) : fail(job, cause);
}

/* infra/monitoring/metrics counts and measures by these lines. */
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
                                   const struct mr_log *log)
{
    int64_t started_us = mr_time_monotonic_us();
    struct mr_err err = {0};
    bool committed = false;
    struct mr_job job = {.worker = worker, .claim = claim, .log = log};
    enum mr_job_end end = MR_JOB_RELEASED;
    if (mr_heart_start(worker->db, claim, worker->config->lease_seconds, log, &job.heart, &err) != MR_OK) {
        struct mr_err ignored;
        (void)!mr_lease_release(worker->db, claim, &ignored);
    } else {
        enum mr_status status = run_kind(&job, &committed, &err);
        end = status != MR_OK ? settle(&job, &err) : committed ? MR_JOB_COMMITTED : MR_JOB_LOST;
        mr_heart_stop(job.heart);
    }
    log_end(log, claim, end, started_us, &err);
    if (claim->has_deliveries && (end == MR_JOB_COMMITTED || end == MR_JOB_FAILED))
        mr_deliver_announce(worker, claim->task_id, log);
    return end;
}

enum mr_job_end mr_job_run(struct mr_worker *worker, const struct mr_message *message,
                           const struct mr_log *log)
{
    static const enum mr_job_end unclaimed[] = {[MR_CLAIM_STALE] = MR_JOB_STALE,
                                                [MR_CLAIM_ELSEWHERE] = MR_JOB_ELSEWHERE,
                                                [MR_CLAIM_EXHAUSTED] = MR_JOB_EXHAUSTED};
    MR_AUTO(mr_claim) struct mr_claim claim = {0};
    enum mr_claim_outcome outcome = MR_CLAIM_STALE;
    struct mr_err err;
    if (mr_lease_claim(worker->db, message, worker->config->lease_seconds, worker->config->max_attempts,
                       &outcome, &claim, &err) != MR_OK) {
        mr_log_err(log, MR_LOG_WARNING, "claim failed", &err, "{s:I}", "task_id",
                   (json_int_t)message->task_id);
        return MR_JOB_RELEASED;
    }
    if (outcome == MR_CLAIM_OURS)
        return run_claimed(worker, &claim, log);
    enum mr_job_end end = unclaimed[outcome];
    mr_log_write(log, ends[end].severity, "job", "{s:s,s:I,s:I,s:s}", "end", ends[end].name, "task_id",
                 (json_int_t)message->task_id, "generation", (json_int_t)message->generation, "kind",
                 message->kind);
    return end;
}
