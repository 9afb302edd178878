#include "worker/job.h"

#include "shared/base/clock.h"
#include "shared/data/orphans.h"
#include "shared/http/retry.h"
#include "worker/heartbeat.h"
#include "worker/metrics.h"
#include "worker/target.h"

/* A claim whose answer was lost is repeated, which is safe (leases.h). */
static const struct mr_retry lost_answer = {.attempts = 4, .base_ms = 100, .cap_ms = 1000, .total_ms = 5000};

static const struct {
    const char *name;
    mr_kind_run *run;
} kinds[] = {
    {MR_KIND_CONVERT, mr_kind_convert},
    {MR_KIND_EDIT, mr_kind_convert},
    {MR_KIND_PROBE, mr_kind_probe},
    {MR_KIND_INSERT_RECORDS, mr_kind_insert_records},
};

bool mr_job_should_stop(const struct mr_job *job)
{
    return mr_heartbeat_lost(job->heartbeat) || mr_slots_stopping(&job->worker->slots) ||
           atomic_load(&job->ticket->yields);
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

/* What follows decides what a failure means. The database may be down as well: then the lease expires. A call that was
 * repeated cannot tell a lost lease from its own earlier success, so it counts as one. */
static enum mr_job_end end_unless_lost(struct mr_job *job, enum mr_status status, bool ours,
                                       enum mr_job_end end, const struct mr_err *err)
{
    if (status == MR_OK)
        return ours ? end : MR_JOB_LOST;
    mr_log_err(job->log, MR_LOG_ERROR, "cannot give the lease back: it will expire", err, "{s:s}", "wanted",
               mr_job_end_name(end));
    return end == MR_JOB_FAILED || end == MR_JOB_EXHAUSTED ? MR_JOB_RELEASED : end;
}

static enum mr_job_end release(struct mr_job *job, enum mr_release reason, enum mr_job_end end)
{
    struct mr_err err = {0};
    struct mr_job_retries retries = {0};
    bool ours = false;
    enum mr_status status;
    do
        status = mr_lease_release(job->worker->db, job->claim, reason, &ours, &err);
    while (mr_job_retry(job, status, &retries));
    return end_unless_lost(job, status, ours || retries.wait_ms, end, &err);
}

static enum mr_job_end fail(struct mr_job *job, enum mr_code code, const char *detail, enum mr_job_end end)
{
    struct mr_err err = {0};
    struct mr_job_retries retries = {0};
    bool ours = false;
    enum mr_status status;
    do
        status = mr_lease_fail(job->worker->db, job->claim, mr_code_name(code), detail, &ours, &err);
    while (mr_job_retry(job, status, &retries));
    return end_unless_lost(job, status, ours || retries.wait_ms, end, &err);
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
    return end_unless_lost(job, status, ours || retries.wait_ms, MR_JOB_DEFERRED, &err);
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
        return release(job, cause->code == MR_CODE_CHILD_KILLED ? MR_RELEASE_KILL : MR_RELEASE_KILL_FULL,
                       MR_JOB_RELEASED);
    if (!is_given_up(job))
        return release(job, MR_RELEASE_UNCOUNTED, MR_JOB_RELEASED);
    if (mr_code_row(cause->code)->places & MR_CODE_IN_TASK)
        return fail(job, cause->code, cause->message, MR_JOB_EXHAUSTED);
    return fail(job, MR_CODE_SERVICE_FAULT,
                "service could not run the task for a long time: the input is not at fault",
                MR_JOB_EXHAUSTED);
}

static enum mr_job_end settle(struct mr_job *job, const struct mr_err *cause)
{
    bool is_verdict = !job->remote_failed && mr_code_is_verdict(cause->code);
    if (job->lost || mr_heartbeat_lost(job->heartbeat))
        return MR_JOB_LOST;
    if (is_verdict)
        return fail(job, cause->code, cause->message, MR_JOB_FAILED);
    if (mr_slots_stopping(&job->worker->slots))
        return release(job, MR_RELEASE_STOP, MR_JOB_STOPPED);
    if (atomic_load(&job->ticket->yields))
        return release(job, MR_RELEASE_UNCOUNTED, MR_JOB_YIELDED);
    return job->remote_failed ? defer(job, cause) : settle_fault(job, cause);
}

static enum mr_job_end run_with_heartbeat(struct mr_worker *worker, const struct mr_claim *claim,
                                          const struct mr_log *log, const struct mr_ticket *ticket,
                                          int *ret_threads, struct mr_err *ret_cause)
{
    MR_AUTO(mr_heartbeat) struct mr_heartbeat *heartbeat = NULL;
    struct mr_job job = {
        .worker = worker, .claim = claim, .log = log, .ticket = ticket, .started_us = mr_time_monotonic_us()};
    if (mr_heartbeat_start(worker->db, claim, worker->config->lease_seconds, log, &heartbeat, ret_cause) !=
        MR_OK)
        return release(&job, MR_RELEASE_UNCOUNTED, MR_JOB_RELEASED);
    job.heartbeat = heartbeat;
    bool committed = false;
    enum mr_status status = run_kind(&job, &committed, ret_cause);
    *ret_threads = job.threads;
    if (status != MR_OK)
        return settle(&job, ret_cause);
    if (job.is_cut)
        return MR_JOB_CUT;
    return committed ? MR_JOB_COMMITTED : MR_JOB_LOST;
}

void mr_job_log_end(const struct mr_log *log, const struct mr_claim *claim, enum mr_job_end end,
                    int64_t started_us, int threads, const struct mr_err *cause)
{
    const char fields[] = "{s:s,s:I,s:I,s:I,s:s,s:s,s:I,s:I,s:I,s:i,s:f,s:f,s:b}";
    /* A verdict that only a bug of the service can give is for the operators. */
    enum mr_severity severity = cause->status == MR_INTERNAL ? MR_LOG_ERROR : mr_job_end_severity(end);
    double seconds = (double)(mr_time_monotonic_us() - started_us) / 1e6;
    /* What a unit has made ends no task. */
    bool is_part = claim->unit.n && claim->unit.kind != MR_UNIT_JOIN && end == MR_JOB_COMMITTED;
    const char *line = is_part ? "unit" : "job";
#define FIELDS                                                                                               \
    "end", mr_job_end_name(end), "task_id", (json_int_t)claim->task_id, "generation",                        \
        (json_int_t)claim->generation, "unit", (json_int_t)claim->unit.n, "kind", claim->kind, "format",     \
        claim->new_format, "attempt", (json_int_t)claim->attempts, "interruptions",                          \
        (json_int_t)claim->interruptions, "fence", (json_int_t)claim->fence, "threads", threads,             \
        "queue_seconds", (double)claim->queued_ms / 1e3, "seconds", seconds, "late",                         \
        mr_target_is_missed(claim, seconds)
    if (cause->status != MR_OK)
        mr_log_err(log, severity, line, cause, fields, FIELDS);
    else
        mr_log_write(log, severity, line, fields, FIELDS);
#undef FIELDS
}

static enum mr_job_end run_claimed(struct mr_worker *worker, const struct mr_claim *claim,
                                   const struct mr_log *log, const struct mr_ticket *ticket)
{
    int64_t started_us = mr_time_monotonic_us();
    struct mr_err cause = {0};
    int threads = 0;
    enum mr_job_end end = run_with_heartbeat(worker, claim, log, ticket, &threads, &cause);
    mr_job_log_end(log, claim, end, started_us, threads, &cause);
    mr_worker_metrics_ended(worker->metrics, claim->kind, claim->new_format, end,
                            mr_time_monotonic_us() - started_us);
    if (claim->has_deliveries && (end == MR_JOB_COMMITTED || end == MR_JOB_FAILED || end == MR_JOB_EXHAUSTED))
        mr_deliver_announce(worker, claim->task_id, log);
    return end;
}

void mr_job_log_unclaimed(const struct mr_log *log, const struct mr_message *message, enum mr_job_end end)
{
    mr_log_write(log, mr_job_end_severity(end), "job", "{s:s,s:I,s:I,s:s}", "end", mr_job_end_name(end),
                 "task_id", (json_int_t)message->task_id, "generation", (json_int_t)message->generation,
                 "kind", message->kind);
}

/* The claim id belongs to this delivery, so a lost answer costs neither an attempt nor the wait for a lease. */
enum mr_status mr_job_claim(struct mr_worker *worker, mr_claim_call *call, const struct mr_message *message,
                            const struct mr_log *log, enum mr_claim_outcome *ret_outcome,
                            struct mr_claim *ret, struct mr_err *err)
{
    const struct mr_config *config = worker->config;
    const struct mr_lease_terms terms = {.seconds = config->lease_seconds,
                                         .max_attempts = config->max_attempts,
                                         .max_interruptions = config->max_interruptions,
                                         .max_stops = config->max_stops,
                                         .give_up_seconds = config->give_up_s};
    char claim_id[MR_UUID_TEXT_MAX];
    struct mr_retry_state retry = {0};
    struct mr_err failure = {0};
    enum mr_status status;
    MR_TRY(mr_uuid_generate(claim_id, err));
    struct mr_span span = mr_span_begin(worker->tracer, log, "claim", MR_SPAN_INTERNAL);
    do
        status = call(worker->db, message, claim_id, &terms, ret_outcome, ret, &failure);
    while (status == MR_UNAVAILABLE && !mr_slots_stopping(&worker->slots) &&
           mr_retry_again(&lost_answer, &retry));
    mr_span_end(&span, status);
    return status == MR_OK ? MR_OK : mr_fail_from(err, &failure);
}

enum mr_job_end mr_job_end_unclaimed(enum mr_claim_outcome outcome)
{
    static const enum mr_job_end unclaimed[] = {[MR_CLAIM_STALE] = MR_JOB_STALE,
                                                [MR_CLAIM_ELSEWHERE] = MR_JOB_ELSEWHERE,
                                                [MR_CLAIM_EXHAUSTED] = MR_JOB_EXHAUSTED};
    return unclaimed[outcome];
}

enum mr_job_end mr_job_run(struct mr_worker *worker, const struct mr_message *message,
                           const struct mr_log *log, const struct mr_ticket *ticket)
{
    MR_AUTO(mr_claim) struct mr_claim claim = {0};
    enum mr_claim_outcome outcome = MR_CLAIM_STALE;
    struct mr_err err;
    if (mr_job_claim(worker, mr_lease_claim, message, log, &outcome, &claim, &err) != MR_OK) {
        mr_log_err(log, MR_LOG_ERROR, "cannot claim the task", &err, "{s:I}", "task_id",
                   (json_int_t)message->task_id);
        return MR_JOB_RELEASED;
    }
    if (outcome == MR_CLAIM_OURS)
        mr_worker_metrics_claimed(worker->metrics, mr_lane_of(message), claim.queued_ms * 1000);
    if (outcome == MR_CLAIM_OURS)
        return run_claimed(worker, &claim, log, ticket);
    mr_job_log_unclaimed(log, message, mr_job_end_unclaimed(outcome));
    return mr_job_end_unclaimed(outcome);
}
