#include "worker/recall.h"

#include "shared/data/recall.h"

enum { RECALLED_PER_SLOT = 8 };

void mr_recall_for_idle_slots(struct mr_worker *worker)
{
    static const enum mr_lane lanes[] = {MR_LANE_HIGH, MR_LANE_NORMAL};
    struct mr_err err;
    for (size_t i = 0; i < sizeof lanes / sizeof *lanes; i++) {
        size_t idle = (size_t)mr_slots_idle(&worker->slots, lanes[i]), count = 0;
        if (idle && mr_recall(worker->db, &worker->publisher, lanes[i] == MR_LANE_HIGH,
                              idle * RECALLED_PER_SLOT, MR_PUBLISH_JOB_MS, &count, &err) != MR_OK)
            mr_log_err(worker->log, MR_LOG_WARNING, "cannot recall tasks that were put off", &err, NULL);
    }
}
