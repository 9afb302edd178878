/*
 * Slots: how many jobs run at once, and the word to stop. A push that finds no free slot waits a little, as
 * it would in front of Cloud Run, because a refusal (429) slows the whole subscription down; a few may wait,
 * the others are refused at once, so that Pub/Sub gives them to another worker. Any thread may call.
 */
#ifndef MR_WORKER_SLOTS_H
#define MR_WORKER_SLOTS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct mr_slots {
    atomic_bool stopping;
    pthread_mutex_t lock; /* all fields below are protected by it */
    pthread_cond_t freed;
    int free;
    int waiting;
    int waiting_max;
};

/* count slots, and as many pushes again may wait for one. */
void mr_slots_init(struct mr_slots *slots, int count);
void mr_slots_destroy(struct mr_slots *slots);

/* Takes a slot, waiting up to wait_ms. False when none came free, too many wait already, or the worker is
 * stopping. */
bool mr_slots_take(struct mr_slots *slots, int wait_ms);
void mr_slots_give_back(struct mr_slots *slots);

/* From now on no slot is given, nobody waits, and the jobs that run end early. */
void mr_slots_stop(struct mr_slots *slots);
bool mr_slots_stopping(const struct mr_slots *slots);

#endif
