#include "worker/job.h"

#include "shared/base/clock.h"
#include "shared/data/orphans.h"
#include "shared/http/retry.h"
#include "worker/heartbeat.h"
#include "worker/job_settle.h"
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
           atomic_load(&job->ticket->yields) || mr_job_is_too_long(job);
}

void mr_job_drop_object(struct mr_job *job, const char *name)
{
    if (mr_storage_delete(job->worker->cloud.storage, name, NULL) == MR_OK)
        (void)!mr_orphans_forget(job->worker->db, name, NULL);
}

struct mr_made_from mr_job_made_from(const struct mr_job *job)
{
    return (struct mr_made_from){.is_known = job->input.is_known && job->claim->new_format[0],
                                 .crc32c = job->input.crc32c,
                                 .engine = job->worker->engine};
}

static enum mr_status run_kind(struct mr_job *job, bool *ret_committed, struct mr_err *err)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(job->claim->kind, kinds[i].name) == 0)
            return kinds[i].run(job, ret_committed, err);
    return mr_fail_code(err, MR_CODE_UNKNOWN_KIND, "kind of the task is unknown to this worker: %s",
                        job->claim->kind);
}

struct times {
    double queue_seconds, seconds;
};

/* Of a run. One that ends a task that was cut has the times of the whole: it waited for its first claim, and took all since. */
static struct times times_of(const struct mr_claim *claim, enum mr_job_end end, int64_t us, bool is_part)
{
    bool is_end = end == MR_JOB_COMMITTED || end == MR_JOB_FAILED || end == MR_JOB_EXHAUSTED;
    double before = claim->unit.n ? (double)claim->worked_ms / 1e3 : 0;
    return (struct times){.queue_seconds = (double)claim->queued_ms / 1e3 - before,
                          .seconds = (double)us / 1e6 + (is_end && !is_part ? before : 0)};
}

void mr_job_ended(const struct mr_job *job, enum mr_job_end end, const struct mr_err *cause)
{
    const struct mr_claim *claim = job->claim;
    const int64_t us = mr_time_monotonic_us() - job->started_us;
    const char fields[] = "{s:s,s:I,s:I,s:I,s:s,s:s,s:I,s:I,s:I,s:i,s:f,s:f,s:b}";
    /* A verdict that only a bug of the service can give is for the operators. */
    enum mr_severity severity = cause->status == MR_INTERNAL ? MR_LOG_ERROR : mr_job_end_severity(end);
    /* What a unit has made ends no task. */
    bool is_part = claim->unit.n && claim->unit.kind != MR_UNIT_JOIN && end == MR_JOB_COMMITTED;
    const struct times times = times_of(claim, end, us, is_part);
    const char *line = is_part ? "unit" : "job";
#define FIELDS                                                                                               \
    "end", mr_job_end_name(end), "task_id", (json_int_t)claim->task_id, "generation",                        \
        (json_int_t)claim->generation, "unit", (json_int_t)claim->unit.n, "kind", claim->kind, "format",     \
        claim->new_format, "attempt", (json_int_t)claim->attempts, "interruptions",                          \
        (json_int_t)claim->interruptions, "fence", (json_int_t)claim->fence, "threads", job->threads,        \
        "queue_seconds", times.queue_seconds, "seconds", times.seconds, "late",                              \
        mr_target_is_missed(claim, (double)us / 1e6)
    if (cause->status != MR_OK)
        mr_log_err(job->log, severity, line, cause, fields, FIELDS);
    else
        mr_log_write(job->log, severity, line, fields, FIELDS);
#undef FIELDS
    if (!is_part)
        mr_worker_metrics_ended(job->worker->metrics, claim->kind, claim->new_format, end,
                                (int64_t)(times.seconds * 1e6));
}

static enum mr_job_end run_claimed(struct mr_worker *worker, const struct mr_claim *claim,
                                   const struct mr_log *log, const struct mr_ticket *ticket)
{
    struct mr_err cause = {0};
    struct mr_job job = {
        .worker = worker, .claim = claim, .log = log, .ticket = ticket, .started_us = mr_time_monotonic_us()};
    enum mr_job_end end = mr_job_run_leased(&job, run_kind, mr_job_settle, &cause);
    mr_job_ended(&job, end, &cause);
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
                                         .max_task_seconds = config->max_task_s,
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
