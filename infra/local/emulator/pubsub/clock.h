/*
 * The clock thread: sleeps until the first timer of the heap is due and lets it happen (next try, ack
 * deadline, end of a push backoff); once a minute it lets go of messages past their retention.
 */
#ifndef EM_PUBSUB_CLOCK_H
#define EM_PUBSUB_CLOCK_H

#include "infra/local/emulator/pubsub/store.h"

MR_MUST_CHECK enum mr_status em_clock_start(struct em_pubsub *pubsub, struct mr_err *err);
/* Wakes and joins the thread; `stopping` must be set. Nothing happens if it was not started. */
void em_clock_join(struct em_pubsub *pubsub);

#endif
