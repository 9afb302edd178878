/*
 * The clock thread: sleeps until the first timer of the heap is due and lets it happen (next try, ack
 * deadline, end of a push backoff); once a minute it lets go of messages past their retention.
 */
#ifndef MR_EMULATOR_PUBSUB_CLOCK_H
#define MR_EMULATOR_PUBSUB_CLOCK_H

#include "infra/local/emulator/pubsub/store.h"

MR_MUST_CHECK enum mr_status mr_clock_start(struct mr_pubsub_emulator *emulator, struct mr_err *err);
/* Wakes and joins the thread; `stopping` must be set. Nothing happens if it was not started. */
void mr_clock_join(struct mr_pubsub_emulator *emulator);

#endif
