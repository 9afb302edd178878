/*
 * The kind `deliver`: one attempt to send one webhook or mail. The outcome is stored in the row of the
 * delivery, and the message is acknowledged once it is stored: a receiver that fails does not slow down other
 * messages. The sweep publishes the next message when another attempt is due.
 */
#include "shared/base/clock.h"
#include "shared/base/encoding.h"
#include "shared/data/deliveries.h"
#include "shared/data/tasks.h"
#include "shared/http/retry.h"
#include "worker/job.h"
#include "worker/mail.h"
#include "worker/webhook.h"

/* On top of the time for the exchange: for the link, the outcome, and a slow database. */
enum { LEASE_MARGIN_S = 60, PATIENCE_AT_STOP_US = 4000000, SLOW_US = 2000000 };

struct attempt {
    struct mr_worker *worker;
    const struct mr_delivery *delivery;
    int64_t stop_seen_us; /* when the stop of the worker was noticed; 0: not yet */
    int status;           /* of HTTP or SMTP; 0 without one */
    struct mr_err reason; /* why nothing was sent */
};

/* A stopping worker gives an exchange some time to end: the receiver may have seen one that is cut off. */
static bool should_cancel(void *ctx)
{
    struct attempt *attempt = ctx;
    if (!mr_slots_stopping(&attempt->worker->slots))
        return false;
    int64_t now = mr_time_monotonic_us();
    if (!attempt->stop_seen_us)
        attempt->stop_seen_us = now;
    return now - attempt->stop_seen_us > PATIENCE_AT_STOP_US;
}

static enum mr_delivery_end send_webhook(struct attempt *attempt, json_t *task)
{
    const struct mr_worker *worker = attempt->worker;
    const struct mr_delivery *delivery = attempt->delivery;
    char event[64];
    snprintf(event, sizeof event, "task.%s", json_string_value(json_object_get(task, "status")));
    json_object_del(task, "deliveries"); /* receivers get the result, not how it is delivered */
    MR_AUTO_STR char *body = json_dumps(task, JSON_COMPACT);
    if (!body) {
        mr_fail_oom(&attempt->reason);
        return MR_DELIVERY_RETRY;
    }
    const struct mr_webhook webhook = {.url = delivery->target,
                                       .id = delivery->public_id,
                                       .secret = delivery->webhook_secret,
                                       .event = event,
                                       .body = body,
                                       .timeout_ms = (int)worker->config->delivery_timeout_s * 1000,
                                       .guard = worker->guard,
                                       .ca_file = worker->config->tls_ca_file,
                                       .canceled = should_cancel,
                                       .canceled_ctx = attempt};
    if (!mr_bulkhead_enter(worker->bulkhead, delivery->user_id)) {
        mr_fail(&attempt->reason, MR_EXHAUSTED,
                "webhook postponed: as many of this user's as may run at once have no answer yet");
        return MR_DELIVERY_POSTPONED;
    }
    int64_t began_us = mr_time_monotonic_us();
    enum mr_delivery_end end =
        mr_webhook_send(worker->cloud.http, &webhook, &attempt->status, &attempt->reason);
    int64_t took_us = mr_time_monotonic_us() - began_us;
    mr_bulkhead_leave(worker->bulkhead, delivery->user_id,
                      took_us > SLOW_US || attempt->reason.status == MR_TIMEOUT);
    return end;
}

static enum mr_delivery_end send_mail(struct attempt *attempt, json_t *task)
{
    return mr_delivery_mail_send(attempt->worker, attempt->delivery, task, should_cancel, attempt,
                                 &attempt->status, &attempt->reason);
}

static enum mr_delivery_end (*const senders[MR_CHANNELS])(struct attempt *attempt, json_t *task) = {
    [MR_CHANNEL_WEBHOOK] = send_webhook,
    [MR_CHANNEL_MAIL] = send_mail,
    [MR_CHANNEL_RESET] = send_mail,
    [MR_CHANNEL_CONFIRMATION] = send_mail};

static bool has_ended(const json_t *task)
{
    const char *status = json_string_value(json_object_get(task, "status"));
    return status && (strcmp(status, "processed") == 0 || strcmp(status, "failed") == 0);
}

/* The task that a delivery reports. False when there is nothing to send; then *ret_end says how the attempt ends. */
static bool read_task(struct attempt *attempt, json_t **ret, enum mr_delivery_end *ret_end)
{
    const struct mr_delivery *delivery = attempt->delivery;
    char key[MR_INT64_TEXT_MAX];
    mr_int64_text(delivery->task_id, key);
    *ret_end = MR_DELIVERY_RETRY;
    if (mr_tasks_get(attempt->worker->db, delivery->user_id, key, ret, &attempt->reason) != MR_OK)
        return false;
    if (has_ended(*ret))
        return true;
    mr_fail(&attempt->reason, MR_CONFLICT, "task runs again: its result is out of date");
    *ret_end = MR_DELIVERY_SKIPPED;
    return false;
}

static enum mr_delivery_end attempt_delivery(struct attempt *attempt)
{
    const struct mr_delivery *delivery = attempt->delivery;
    MR_AUTO_JSON json_t *task = NULL;
    enum mr_delivery_end end = MR_DELIVERY_RETRY;
    if (delivery->task_id && !read_task(attempt, &task, &end))
        return end;
    end = senders[delivery->channel](attempt, task);
    bool last = delivery->attempts >= attempt->worker->config->delivery_attempts;
    return end == MR_DELIVERY_RETRY && last ? MR_DELIVERY_FAILED : end;
}

/* The reason that the row holds, which the user sees. Problems with the mail relay are for operators: only
 * the log has them. */
static const char *reason_for_user(const struct attempt *attempt, enum mr_delivery_end end)
{
    const struct mr_err *reason = &attempt->reason;
    if (end == MR_DELIVERY_SENT)
        return NULL;
    if (attempt->delivery->channel != MR_CHANNEL_WEBHOOK && reason->status != MR_INVALID &&
        end != MR_DELIVERY_SKIPPED)
        return "mail could not be sent";
    return reason->message;
}

/* If the outcome is lost, the delivery is sent once more: so this is retried for a while. */
static enum mr_status write_outcome(const struct attempt *attempt, enum mr_delivery_end end, bool *ret_ours,
                                    struct mr_err *err)
{
    static const struct mr_retry policy = {.attempts = 6, .base_ms = 200, .cap_ms = 2000, .total_ms = 8000};
    const struct mr_delivery *delivery = attempt->delivery;
    int64_t wait_s = mr_delivery_backoff_s(end == MR_DELIVERY_POSTPONED ? 1 : delivery->attempts);
    struct mr_retry_state state = {0};
    enum mr_status status;
    do
        status = mr_delivery_finish(attempt->worker->db, delivery, end, wait_s, reason_for_user(attempt, end),
                                    ret_ours, err);
    while (mr_status_is_transient(status) && mr_retry_again(&policy, &state));
    return status;
}

static const struct {
    const char *name;
    enum mr_severity severity;
    enum mr_job_end job_end;
} ends[MR_DELIVERY_ENDS] = {
    [MR_DELIVERY_SENT] = {"sent", MR_LOG_INFO, MR_JOB_COMMITTED},
    [MR_DELIVERY_RETRY] = {"retry", MR_LOG_NOTICE, MR_JOB_DEFERRED},
    [MR_DELIVERY_FAILED] = {"failed", MR_LOG_WARNING, MR_JOB_FAILED},
    [MR_DELIVERY_SKIPPED] = {"skipped", MR_LOG_INFO, MR_JOB_STALE},
    [MR_DELIVERY_POSTPONED] = {"postponed", MR_LOG_INFO, MR_JOB_DEFERRED},
};

/* Errors that fail every delivery until an operator acts, such as wrong credentials. */
static enum mr_severity severity_of(enum mr_delivery_end end, const struct mr_err *reason)
{
    bool for_operator =
        reason->status == MR_UNAUTHENTICATED || reason->status == MR_DENIED || reason->status == MR_INTERNAL;
    return for_operator ? MR_LOG_ERROR : ends[end].severity;
}

static void log_outcome(const struct mr_log *log, const struct attempt *attempt, enum mr_delivery_end end,
                        int64_t started_us)
{
    const struct mr_delivery *delivery = attempt->delivery;
    double ms = (double)(mr_time_monotonic_us() - started_us) / 1000;
    enum mr_severity severity = severity_of(end, &attempt->reason);
    const char fields[] = "{s:s,s:s,s:I,s:I,s:I,s:I,s:i,s:f}";
#define FIELDS                                                                                               \
    "end", ends[end].name, "channel", mr_channel_name(delivery->channel), "delivery_id",                     \
        (json_int_t)delivery->id, "task_id", (json_int_t)delivery->task_id, "generation",                    \
        (json_int_t)delivery->generation, "attempt", (json_int_t)delivery->attempts, "status",               \
        attempt->status, "ms", ms
    if (attempt->reason.status != MR_OK)
        mr_log_err(log, severity, "delivery", &attempt->reason, fields, FIELDS);
    else
        mr_log_write(log, severity, "delivery", fields, FIELDS);
#undef FIELDS
}

static enum mr_job_end deliver(struct mr_worker *worker, const struct mr_delivery *delivery,
                               const struct mr_log *log)
{
    int64_t started_us = mr_time_monotonic_us();
    struct attempt attempt = {.worker = worker, .delivery = delivery};
    enum mr_delivery_end end = attempt_delivery(&attempt);
    log_outcome(log, &attempt, end, started_us);
    struct mr_err err;
    bool ours = false;
    if (write_outcome(&attempt, end, &ours, &err) != MR_OK) {
        mr_log_err(log, MR_LOG_ERROR, "cannot store the outcome of a delivery: it will be sent again", &err,
                   "{s:I}", "delivery_id", (json_int_t)delivery->id);
        return MR_JOB_RELEASED;
    }
    return ours ? ends[end].job_end : MR_JOB_LOST;
}

enum mr_job_end mr_deliver_run(struct mr_worker *worker, const struct mr_message *message,
                               const struct mr_log *log, const struct mr_ticket *ticket)
{
    (void)ticket;
    static const struct {
        const char *name;
        enum mr_severity severity;
        enum mr_job_end job_end;
    } unclaimed[] = {
        [MR_DELIVERY_NOT_DUE] = {"not_due", MR_LOG_INFO, MR_JOB_STALE},
        [MR_DELIVERY_OUTDATED] = {"skipped", MR_LOG_INFO, MR_JOB_STALE},
        [MR_DELIVERY_EXHAUSTED] = {"exhausted", MR_LOG_ERROR, MR_JOB_EXHAUSTED},
    };
    const struct mr_config *config = worker->config;
    MR_AUTO(mr_delivery) struct mr_delivery delivery = {0};
    enum mr_delivery_claim claim = MR_DELIVERY_NOT_DUE;
    struct mr_err err;
    /* Twice the timeout: the relay's answer to QUIT may take as long as the mail. */
    if (mr_delivery_claim(worker->db, message->id, 2 * config->delivery_timeout_s + LEASE_MARGIN_S,
                          config->delivery_attempts, &claim, &delivery, &err) != MR_OK) {
        mr_log_err(log, MR_LOG_WARNING, "cannot claim the delivery", &err, "{s:I}", "delivery_id",
                   (json_int_t)message->id);
        return MR_JOB_RELEASED;
    }
    if (claim == MR_DELIVERY_OURS)
        return deliver(worker, &delivery, log);
    mr_log_write(log, unclaimed[claim].severity, "delivery", "{s:s,s:I,s:I}", "end", unclaimed[claim].name,
                 "delivery_id", (json_int_t)message->id, "task_id", (json_int_t)message->task_id);
    return unclaimed[claim].job_end;
}

static enum mr_status publish_deliveries(struct mr_worker *worker, int64_t task_id, struct mr_err *err)
{
    struct mr_message owed[MR_DELIVERIES_OF_TASK];
    size_t count = 0;
    MR_TRY(mr_deliveries_of_task(worker->db, task_id, owed, &count, err));
    if (count == 0)
        return MR_OK;
    MR_TRY(mr_publish(&worker->publisher, owed, count, MR_PUBLISH_JOB_MS, err));
    return mr_deliveries_mark(worker->db, owed, count, err);
}

void mr_deliver_announce(struct mr_worker *worker, int64_t task_id, const struct mr_log *log)
{
    struct mr_err err;
    if (publish_deliveries(worker, task_id, &err) != MR_OK)
        mr_log_err(log, MR_LOG_WARNING, "cannot publish the deliveries of a task: the sweep will", &err,
                   "{s:I}", "task_id", (json_int_t)task_id);
}
