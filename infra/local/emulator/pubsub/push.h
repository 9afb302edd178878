/*
 * One push: a pusher takes it under the lock, posts it without the lock, and settles it under the lock again.
 * The push holds references to everything that the request needs.
 */
#ifndef EM_PUBSUB_PUSH_H
#define EM_PUBSUB_PUSH_H

#include "infra/local/emulator/pubsub/delivery.h"

struct em_push {
    struct em_delivery *delivery;
    struct em_subscription *subscription;      /* a reference */
    struct em_subscription_settings *settings; /* a reference */
    struct em_message *message;                /* a reference */
    char *token;                               /* NULL: none, or not minted yet */
    int64_t attempt;
    uint64_t round; /* of the window when the push started */
    int64_t begun_us;
};

/* Takes the next push: a ready message of a subscription with room in its window and no backoff. Starts with the
 * subscription after the last one, so that each gets its turn. False if there is none. */
bool em_push_take_locked(struct em_pubsub *pubsub, struct em_push *push);
/* Posts the message, settles the outcome and releases the push. Takes the lock itself. */
void em_push_run(struct em_pubsub *pubsub, struct em_push *push);

#endif
