/*
 * A delivery: one message on its way to one subscription, from publish to ack, dead letter or expiry.
 *
 *     BEHIND ──▶ READY ──▶ LEASED (pull) ──ack──▶ gone, or ACKED where acked messages are retained
 *       ▲          ▲  └──▶ PUSHING ────────┘
 *    (its ordering │           │ nack, ack deadline
 *     key is busy) └─ WAITING ◀┘ (retry policy) ──attempts used up──▶ a copy in the dead-letter topic
 *
 * With message ordering, only the oldest delivery of a key leaves BEHIND; the next one follows when it is gone.
 * A delivery in PUSHING is held by a pusher: a seek or a deletion only sets `dropped`, and the delivery is freed
 * when the pusher reports the outcome.
 *
 * Everything here needs the lock held.
 */
#ifndef EM_PUBSUB_DELIVERY_H
#define EM_PUBSUB_DELIVERY_H

#include "infra/local/emulator/pubsub/state.h"

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
    struct em_deliveries queue; /* all but the first are BEHIND */
};

struct em_delivery {
    struct em_timer timer; /* WAITING: the next attempt; LEASED: the ack deadline */
    enum em_delivery_state state;
    bool dropped;
    struct em_subscription *subscription;
    struct em_message *message;
    int64_t attempts;                     /* started, including the current one */
    int64_t lease_id;                     /* LEASED */
    struct em_ordering_key *ordering_key; /* NULL: not ordered */
    TAILQ_ENTRY(em_delivery) of_all;
    TAILQ_ENTRY(em_delivery) of_ready;
    TAILQ_ENTRY(em_delivery) of_key;
};

/* Gives the message to every subscription of the topic whose filter matches. If it fails (MR_EXHAUSTED), some
 * subscriptions may have the message: the publisher retries, and a duplicate is allowed. */
MR_MUST_CHECK enum mr_status em_topic_deliver_locked(struct em_pubsub *pubsub, struct em_topic *topic,
                                                     struct em_message *message, struct mr_err *err);

/* The messages of a subscription that are in memory: beyond, new ones go to disk. Not with message ordering, and not where
 * acked messages are retained. */
enum { EM_HELD_MAX = 4096, EM_HELD_BYTES_MAX = 16 << 20 };
/* Takes messages from disk when half of those in memory are gone. */
void em_delivery_refill_locked(struct em_pubsub *pubsub, struct em_subscription *subscription);

/* Starts the next ready delivery, as a push or as a lease for a pull. Drops messages that are older than the
 * retention. NULL if nothing is ready. */
struct em_delivery *em_delivery_push_locked(struct em_pubsub *pubsub, struct em_subscription *subscription);
struct em_delivery *em_delivery_lease_locked(struct em_pubsub *pubsub, struct em_subscription *subscription);
/* The delivery with this lease; NULL if the lease has ended. */
struct em_delivery *em_delivery_by_lease_locked(const struct em_subscription *subscription, int64_t lease_id);
/* Moves the ack deadline of a lease to deadline_us from now. */
void em_delivery_extend_locked(struct em_pubsub *pubsub, struct em_delivery *delivery, int64_t deadline_us);

/* Ends a lease or a push. A nack (or an expired ack deadline) leads to the next attempt, or to the dead-letter
 * topic. The delivery may be freed. */
void em_delivery_ack_locked(struct em_pubsub *pubsub, struct em_delivery *delivery);
void em_delivery_nack_locked(struct em_pubsub *pubsub, struct em_delivery *delivery);

/* Handles the delivery's timer: the next attempt may start, or the ack deadline has passed. */
void em_delivery_due_locked(struct em_pubsub *pubsub, struct em_delivery *delivery);

#endif
