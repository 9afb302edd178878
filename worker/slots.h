/*
 * Slots: how many jobs run at once, and the word to stop.
 *
 * Every lane has a pool of its own, so that a flood in one does not delay the others. High work takes a slot
 * of the normal pool while one is free, and else one of those that are kept for it. A push that finds no free
 * slot waits a little, as it would in front of Cloud Run, because a refusal (429) slows the whole
 * subscription down; a few of each lane may wait, the others are refused at once, so that Pub/Sub gives them
 * to another worker. Any thread may call.
 */
#ifndef MR_WORKER_SLOTS_H
#define MR_WORKER_SLOTS_H

#include "shared/data/publisher.h"

#include <pthread.h>
#include <stdatomic.h>

struct mr_slots {
    atomic_bool stopping;
    pthread_mutex_t lock; /* all fields below are protected by it */
    pthread_cond_t freed;
    struct {
        int free;
        int waiting;
        int waiting_max;
    } lanes[MR_LANES];
};

/* counts[lane] slots of each lane (normal must have one), and as many pushes again, at least one, may wait.
 */
void mr_slots_init(struct mr_slots *slots, const int counts[MR_LANES]);
void mr_slots_destroy(struct mr_slots *slots);

/*
 * Takes a slot for work of a lane, waiting up to wait_ms. False when none came free, too many of the lane
 * wait already, or the worker is stopping. *ret_pool is the lane whose slot it is: it goes back there.
 */
bool mr_slots_take(struct mr_slots *slots, enum mr_lane lane, int wait_ms, enum mr_lane *ret_pool);
void mr_slots_give_back(struct mr_slots *slots, enum mr_lane pool);

/* From now on no slot is given, nobody waits, and the jobs that run end early. */
void mr_slots_stop(struct mr_slots *slots);
bool mr_slots_stopping(const struct mr_slots *slots);

#endif
