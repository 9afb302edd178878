/*
 * A delivery: one message on its way to one subscription, from publish to ack, dead letter or expiry.
 *
 *     BEHIND ──▶ READY ──▶ LEASED (pull) ──ack──▶ gone, or ACKED where acked messages are retained
 *       ▲          ▲  └──▶ PUSHING ────────┘
 *    (its ordering │           │ nack, ack deadline
 *     key is busy) └─ WAITING ◀┘ (retry policy) ──attempts used up──▶ a copy in the dead-letter topic
 *
 * With message ordering only the oldest delivery of a key leaves BEHIND; it gives way when it is gone. A
 * delivery in PUSHING is held by a pusher: what ends it meanwhile (seek, deletion) sets `dropped`, and the
 * pusher's outcome then lets it go.
 *
 * Everything here needs the store's lock.
 */
#ifndef EM_PUBSUB_DELIVERY_H
#define EM_PUBSUB_DELIVERY_H

#include "infra/local/emulator/pubsub/store.h"

enum em_delivery_state {
    EM_DELIVERY_NEW,
    EM_DELIVERY_BEHIND,
    EM_DELIVERY_READY,
    EM_DELIVERY_WAITING,
    EM_DELIVERY_LEASED,
    EM_DELIVERY_PUSHING,
    EM_DELIVERY_ACKED,
};

struct em_ordering_key {
    const char *key;
    struct em_message *message; /* keeps `key` alive */
    struct em_deliveries queue; /* the first one is on its way, the others are BEHIND */
};

struct em_delivery {
    struct em_timer timer; /* WAITING: until the next try; LEASED: the ack deadline */
    enum em_delivery_state state;
    bool dropped;
    struct em_subscription *subscription;
    struct em_message *message;
    int64_t attempts;                     /* begun, this one included */
    int64_t lease_id;                     /* LEASED */
    struct em_ordering_key *ordering_key; /* NULL: not ordered */
    TAILQ_ENTRY(em_delivery) of_all;
    TAILQ_ENTRY(em_delivery) of_ready;
    TAILQ_ENTRY(em_delivery) of_key;
};

/* Gives the message to every subscription of the topic whose filter lets it pass. After a failure (memory)
 * some may have it: the publisher repeats, and a double is allowed. */
MR_MUST_CHECK enum mr_status em_topic_deliver_locked(struct em_pubsub *pubsub, struct em_topic *topic,
                                                     struct em_message *message, struct mr_err *err);

/* Begins the next ready delivery: as a push, or as a lease for a pull. Messages past their retention are let
 * go on the way. NULL if nothing is ready. */
struct em_delivery *em_delivery_push_locked(struct em_pubsub *pubsub, struct em_subscription *subscription);
struct em_delivery *em_delivery_lease_locked(struct em_pubsub *pubsub, struct em_subscription *subscription);
/* The delivery that lease_id still stands for; NULL if the lease has ended. */
struct em_delivery *em_delivery_by_lease_locked(const struct em_subscription *subscription, int64_t lease_id);
/* Moves the ack deadline of a lease to deadline_us from now. */
void em_delivery_extend_locked(struct em_pubsub *pubsub, struct em_delivery *delivery, int64_t deadline_us);

/* The end of a lease or push. A nack (or an ack deadline that passed) sends the message to its next try, or
 * to the dead-letter topic. The delivery may be gone afterwards. */
void em_delivery_ack_locked(struct em_pubsub *pubsub, struct em_delivery *delivery);
void em_delivery_nack_locked(struct em_pubsub *pubsub, struct em_delivery *delivery);

/* The delivery's timer is due: the next try may begin, or the ack deadline has passed. */
void em_delivery_due_locked(struct em_pubsub *pubsub, struct em_delivery *delivery);

/* Tells those who wait for the subscription's messages that there may be some. */
void em_subscription_wake_locked(struct em_pubsub *pubsub, struct em_subscription *subscription);

/* Lets go of messages past their retention, wherever they are. */
void em_subscription_expire_locked(struct em_pubsub *pubsub, struct em_subscription *subscription);
/* As if all messages before time_us (since 1970) had been acked, and none of the retained after it. */
void em_subscription_seek_locked(struct em_pubsub *pubsub, struct em_subscription *subscription,
                                 int64_t time_us);
/* Lets go of everything; before the subscription is removed. */
void em_subscription_clear_locked(struct em_pubsub *pubsub, struct em_subscription *subscription);

#endif
