/*
 * How far the queue has come: when the newest message of each lane that was pushed to this worker was published. The
 * sweep tells by it which messages were lost (shared/data/outbox.h).
 */
#ifndef MR_WORKER_QUEUE_FRONT_H
#define MR_WORKER_QUEUE_FRONT_H

#include "shared/data/db.h"
#include "shared/data/publisher.h"

#include <stdatomic.h>

struct mr_queue_front {
    atomic_int_least64_t newest_s[MR_LANES];
    int64_t told_s[MR_LANES]; /* of mr_queue_front_tell alone */
};

/* A message of a task came that was published at this time (Unix seconds; 0: not known). Any thread. */
void mr_queue_front_note(struct mr_queue_front *front, enum mr_lane lane, int64_t published_s);
/* Writes what is new to the database; failures are logged, and tried again with the next message. One thread. */
void mr_queue_front_tell(struct mr_queue_front *front, struct mr_db *db, const struct mr_log *log);

#endif
