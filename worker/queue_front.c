#include "worker/queue_front.h"

#include "shared/data/outbox.h"

void mr_queue_front_note(struct mr_queue_front *front, enum mr_lane lane, int64_t published_s)
{
    int_least64_t newest_s = atomic_load(&front->newest_s[lane]);
    while (published_s > newest_s &&
           !atomic_compare_exchange_weak(&front->newest_s[lane], &newest_s, published_s))
        ;
}

void mr_queue_front_tell(struct mr_queue_front *front, struct mr_db *db, const struct mr_log *log)
{
    for (enum mr_lane lane = 0; lane < MR_LANES; lane++) {
        struct mr_err err;
        int64_t newest_s = atomic_load(&front->newest_s[lane]);
        if (newest_s <= front->told_s[lane])
            continue;
        front->told_s[lane] = newest_s;
        if (mr_outbox_heard(db, lane == MR_LANE_HIGH, newest_s, &err) != MR_OK)
            mr_log_err(log, MR_LOG_WARNING, "cannot note how far the queue has come", &err, NULL);
    }
}
