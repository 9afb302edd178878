/*
 * The message `ping`: answered at once and without a slot, so that it measures the loop and not the load. A worker that
 * could not run a task does not answer, which is what the health check wants to know; the message is not sent again.
 */
#include "shared/data/pings.h"
#include "shared/data/readiness.h"
#include "worker/job.h"

enum mr_job_end mr_ping_run(struct mr_worker *worker, const struct mr_message *message,
                            const struct mr_log *log, const struct mr_ticket *ticket)
{
    (void)ticket;
    int64_t ms = -1;
    struct mr_err err;
    if (mr_ready_to_convert(worker->db, &err) != MR_OK) {
        mr_log_err(log, MR_LOG_ERROR, "tasks cannot be run: a ping stays without an answer", &err, "{s:I}",
                   "ping", (json_int_t)message->id);
        return MR_JOB_FAILED;
    }
    if (mr_ping_answer(worker->db, message->id, &ms, &err) != MR_OK) {
        mr_log_err(log, MR_LOG_WARNING, "cannot answer a ping", &err, "{s:I}", "ping",
                   (json_int_t)message->id);
        return mr_status_is_transient(err.status) ? MR_JOB_RELEASED : MR_JOB_FAILED;
    }
    if (ms < 0)
        return MR_JOB_STALE;
    mr_log_write(log, MR_LOG_INFO, "pong", "{s:I,s:I}", "ping", (json_int_t)message->id, "ms",
                 (json_int_t)ms);
    return MR_JOB_COMMITTED;
}
