/*
 * Where a delivery is: the queues, trees and timers of its subscription, one set for each state
 * (pubsub/delivery.h). Only delivery.c and backlog.c use this. Everything here needs the lock held.
 */
#ifndef EM_PUBSUB_DELIVERY_QUEUES_H
#define EM_PUBSUB_DELIVERY_QUEUES_H

#include "infra/local/emulator/pubsub/delivery.h"

/* Leaves the queue, tree or timer of the current state and enters that of `state`. */
void em_delivery_set_state(struct em_pubsub *pubsub, struct em_delivery *delivery,
                           enum em_delivery_state state);
/* READY, or BEHIND if an older delivery of its ordering key is still there. */
void em_delivery_make_ready(struct em_pubsub *pubsub, struct em_delivery *delivery);
/* LEASED, with a new lease_id. False without memory: the state is unchanged. */
bool em_delivery_set_leased(struct em_pubsub *pubsub, struct em_delivery *delivery);

/* The subscription's queue for the message's ordering key, created if there is none. NULL without memory. */
struct em_ordering_key *em_ordering_key_get(struct em_subscription *subscription, struct em_message *message);
void em_ordering_key_drop_if_empty(struct em_subscription *subscription, struct em_ordering_key *key);
/* Leaves the delivery's ordering key, whose next delivery becomes ready. */
void em_delivery_leave_ordering_key(struct em_pubsub *pubsub, struct em_delivery *delivery);

/* Removes and frees a delivery; one that is being pushed is only marked `dropped`. */
void em_delivery_drop(struct em_pubsub *pubsub, struct em_delivery *delivery);
/* True if the message is older than the subscription's retention; now_us is since 1970. */
bool em_delivery_is_expired(const struct em_delivery *delivery, int64_t now_us);

#endif
