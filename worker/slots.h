/*
 * Slots: how many jobs run at once, and whether the worker is stopping.
 *
 * Every lane has its own pool of slots, so that a flood in one lane does not delay the others. High-priority
 * work takes a slot of the normal pool while one is free, and otherwise one that is reserved for it. A push
 * that finds no free slot waits for a few seconds, as it would in front of Cloud Run, because a refusal (429)
 * slows down the whole subscription. Only a few pushes of each lane may wait; the others are refused at once,
 * so that Pub/Sub sends them to another worker. Any thread may call.
 */
#ifndef MR_WORKER_SLOTS_H
#define MR_WORKER_SLOTS_H

#include "shared/data/publisher.h"

#include <pthread.h>
#include <stdatomic.h>

struct mr_slots {
    atomic_bool stopping;
    pthread_mutex_t lock; /* protects all fields below */
    pthread_cond_t freed;
    struct {
        int free;
        int waiting;
        int waiting_max;
    } lanes[MR_LANES];
};

/* counts[lane] slots of each lane; normal must have one. As many pushes, at least one, may wait for them. */
void mr_slots_init(struct mr_slots *slots, const int counts[MR_LANES]);
void mr_slots_destroy(struct mr_slots *slots);

/*
 * Takes a slot for work of a lane and waits for it up to wait_ms. False if none came free, if too many of the
 * lane are waiting already, or if the worker is stopping. Give the slot back to *ret_pool.
 */
bool mr_slots_take(struct mr_slots *slots, enum mr_lane lane, int wait_ms, enum mr_lane *ret_pool);
void mr_slots_give_back(struct mr_slots *slots, enum mr_lane pool);

/* No slot is given any more, waiting ends, and running jobs end early. */
void mr_slots_stop(struct mr_slots *slots);
bool mr_slots_stopping(const struct mr_slots *slots);

#endif
