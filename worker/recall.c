#include "worker/recall.h"

#include "shared/data/waiting.h"

enum { RECALLED_PER_SLOT = 8, RECALLED_MAX = 256 };

static enum mr_status publish(struct mr_worker *worker, const struct mr_message *messages, size_t count,
                              struct mr_err *err)
{
    enum mr_status status = mr_publish(&worker->publisher, messages, count, MR_PUBLISH_JOB_MS, err);
    bool done = false; /* not: the task runs, which is as good */
    for (size_t i = 0; status != MR_OK && i < count; i++)
        if (mr_waiting_put_off(worker->db, &messages[i], &done, NULL) != MR_OK)
            break; /* REPUBLISH_AFTER_SECONDS, then */
    return status;
}

static enum mr_status recall(struct mr_worker *worker, bool high, int idle, struct mr_err *err)
{
    struct mr_message messages[RECALLED_MAX];
    size_t wanted = (size_t)idle * RECALLED_PER_SLOT, count = 0;
    if (wanted > RECALLED_MAX)
        wanted = RECALLED_MAX;
    MR_TRY(mr_waiting_recall(worker->db, high, messages, wanted, &count, err));
    return count ? publish(worker, messages, count, err) : MR_OK;
}

void mr_recall(struct mr_worker *worker)
{
    static const enum mr_lane lanes[] = {MR_LANE_HIGH, MR_LANE_NORMAL};
    struct mr_err err;
    for (size_t i = 0; i < sizeof lanes / sizeof *lanes; i++) {
        int idle = mr_slots_idle(&worker->slots, lanes[i]);
        if (idle && recall(worker, lanes[i] == MR_LANE_HIGH, idle, &err) != MR_OK)
            mr_log_err(worker->log, MR_LOG_WARNING, "cannot recall tasks that were put off", &err, NULL);
    }
}
