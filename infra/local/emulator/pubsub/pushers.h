/*
 * The pushers: threads that post the ready messages of push subscriptions, one message at a time (push.h).
 *
 * At least one pusher is always idle: a pusher that takes a push and finds no other one idle starts one more, up
 * to EM_PUSHERS_MAX. So there are as many threads as pushes were ever outstanding at once, and an endpoint that
 * hangs delays no other. Idle pushers wait on push_wake; whoever makes a message ready signals it.
 */
#ifndef EM_PUBSUB_PUSHERS_H
#define EM_PUBSUB_PUSHERS_H

#include "infra/local/emulator/pubsub/state.h"

/* Starts the first pusher. MR_EXHAUSTED if the thread cannot be created. */
MR_MUST_CHECK enum mr_status em_pushers_start(struct em_pubsub *pubsub, struct mr_err *err);
/* Wakes and joins all pushers; `stopping` must be set. Pushes in progress are aborted within about a second. */
void em_pushers_join(struct em_pubsub *pubsub);

#endif
