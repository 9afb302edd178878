/*
 * The clock thread: it sleeps until the first timer of the heap is due and fires it (next attempt, ack deadline,
 * end of a push backoff). Once a minute it drops messages that are older than their retention.
 */
#ifndef EM_PUBSUB_CLOCK_H
#define EM_PUBSUB_CLOCK_H

#include "infra/local/emulator/pubsub/state.h"

/* MR_EXHAUSTED if the thread cannot be created. */
MR_MUST_CHECK enum mr_status em_clock_start(struct em_pubsub *pubsub, struct mr_err *err);
/* Wakes and joins the thread; `stopping` must be set. Does nothing if the thread was not started. */
void em_clock_join(struct em_pubsub *pubsub);

#endif
