#include "worker/publish_units.h"

#include "shared/data/outbox.h"

MR_DEFINE_CLEANUP(mr_message, free)

static enum mr_status publish_owed(struct mr_worker *worker, const struct mr_claim *claim, struct mr_err *err)
{
    size_t count = 0;
    MR_AUTO(mr_message) struct mr_message *owed = calloc(MR_UNITS_MAX, sizeof *owed);
    if (!owed)
        return mr_fail_oom(err);
    MR_TRY(mr_units_owed(worker->db, claim, owed, MR_UNITS_MAX, &count, err));
    MR_TRY(mr_publish(&worker->publisher, owed, count, MR_PUBLISH_JOB_MS, err));
    return mr_units_mark(worker->db, owed, count, err);
}

void mr_publish_units(struct mr_worker *worker, const struct mr_claim *claim, const struct mr_log *log)
{
    struct mr_err err = {0};
    if (publish_owed(worker, claim, &err) != MR_OK)
        mr_log_err(log, MR_LOG_WARNING, "cannot publish units: the sweep does", &err, "{s:I}", "task_id",
                   (json_int_t)claim->task_id);
}

void mr_publish_again(struct mr_worker *worker, const struct mr_message *message, const struct mr_log *log)
{
    struct mr_err err = {0};
    if (mr_publish(&worker->publisher, message, 1, MR_PUBLISH_JOB_MS, &err) != MR_OK ||
        mr_outbox_mark(worker->db, message, 1, &err) != MR_OK)
        mr_log_err(log, MR_LOG_WARNING, "cannot publish a task again: the sweep does", &err, "{s:I}",
                   "task_id", (json_int_t)message->task_id);
}
