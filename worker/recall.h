/*
 * Tasks that were put off for others are published again as slots can take them: some for each idle slot once a second,
 * and otherwise as many as the slots get through, and more while they keep up. Long jobs thus recall little, and Pub/Sub's
 * window is not filled with tasks of one user. Units are recalled one for each slot that is idle, and for each unit that has
 * ended. What fails is logged, and left to the next sweep. Any thread may call.
 */
#ifndef MR_WORKER_RECALL_H
#define MR_WORKER_RECALL_H

#include "worker/app.h"

struct mr_recalls {
    pthread_mutex_t lock; /* protects the fields below */
    bool pending;         /* a push was put off, and not all such tasks are known to be recalled */
    bool units_pending;   /* the same of units */
    size_t ended;         /* jobs, since the last call of mr_recalls_for_ended */
    size_t units_ended;   /* those of them that were units */
};

void mr_recalls_init(struct mr_recalls *recalls);
void mr_recalls_destroy(struct mr_recalls *recalls);

/* A push was put off, of a task or of a unit. */
void mr_recalls_note_put_off(struct mr_recalls *recalls);
void mr_recalls_note_unit_put_off(struct mr_recalls *recalls);
/* A job ended. */
void mr_recalls_note_end(struct mr_recalls *recalls, bool is_unit);
/* True if mr_recalls_for_ended has something to look for. */
bool mr_recalls_pending(struct mr_recalls *recalls);

/* To be called about once a second; tasks that other workers put off are recalled as well. */
void mr_recalls_for_idle_slots(struct mr_recalls *recalls, struct mr_worker *worker);
/* To be called several times a second while something is pending. */
void mr_recalls_for_ended(struct mr_recalls *recalls, struct mr_worker *worker);

#endif
