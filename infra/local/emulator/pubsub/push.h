/*
 * The pushers: threads that take ready messages of push subscriptions and post them, one message each.
 *
 * A pusher takes the lock, looks through the subscriptions (beginning where the last look ended, so that each
 * gets its turn) for one with a ready message, room in its window and no backoff, takes references of what
 * the request needs, posts without the lock, takes it again and settles the outcome. One pusher at least is
 * always idle: who takes a push and finds no other idle starts one more, up to EM_PUSHERS_MAX. So there are
 * as many threads as pushes were ever outstanding at once, and an endpoint that hangs holds up nobody else.
 * They wait on push_wake; whoever makes a message ready signals it.
 */
#ifndef EM_PUBSUB_PUSH_H
#define EM_PUBSUB_PUSH_H

#include "infra/local/emulator/pubsub/store.h"

/* Starts the first pusher. */
MR_MUST_CHECK enum mr_status em_pushers_start(struct em_pubsub *pubsub, struct mr_err *err);
/* Wakes and joins all of them; `stopping` must be set. Pushes under way are cut off within about a second. */
void em_pushers_join(struct em_pubsub *pubsub);

#endif
