#include "infra/local/emulator/pubsub/delivery_queues.h"

#include "infra/local/emulator/pubsub/subscription.h"

#include <search.h>

static int compare_leases(const void *a, const void *b)
{
    int64_t left = ((const struct em_delivery *)a)->lease_id;
    int64_t right = ((const struct em_delivery *)b)->lease_id;
    return (left > right) - (left < right);
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(((const struct em_ordering_key *)a)->key, ((const struct em_ordering_key *)b)->key);
}

struct em_delivery *em_delivery_by_lease_locked(const struct em_subscription *subscription, int64_t lease_id)
{
    struct em_delivery probe = {.lease_id = lease_id};
    void *node = tfind(&probe, &subscription->leases, compare_leases);
    return node ? *(struct em_delivery **)node : NULL;
}

struct em_ordering_key *em_ordering_key_get(struct em_subscription *subscription, struct em_message *message)
{
    struct em_ordering_key probe = {.key = message->ordering_key};
    void *node = tfind(&probe, &subscription->ordering_keys, compare_keys);
    if (node)
        return *(struct em_ordering_key **)node;
    struct em_ordering_key *made = calloc(1, sizeof *made);
    if (!made)
        return NULL;
    *made = (struct em_ordering_key){.key = message->ordering_key, .message = message};
    TAILQ_INIT(&made->queue);
    if (!tsearch(made, &subscription->ordering_keys, compare_keys)) {
        free(made);
        return NULL;
    }
    em_message_ref(message);
    return made;
}

void em_ordering_key_drop_if_empty(struct em_subscription *subscription, struct em_ordering_key *key)
{
    if (!TAILQ_EMPTY(&key->queue))
        return;
    tdelete(key, &subscription->ordering_keys, compare_keys);
    em_message_unref(key->message);
    free(key);
}

void em_delivery_set_state(struct em_pubsub *pubsub, struct em_delivery *delivery,
                           enum em_delivery_state state)
{
    struct em_subscription *subscription = delivery->subscription;
    if (delivery->state == EM_DELIVERY_READY)
        TAILQ_REMOVE(&subscription->ready, delivery, of_ready);
    if (delivery->state == EM_DELIVERY_LEASED)
        tdelete(delivery, &subscription->leases, compare_leases);
    em_timers_cancel(&pubsub->timers, &delivery->timer);
    delivery->state = state;
    if (state == EM_DELIVERY_READY) {
        TAILQ_INSERT_TAIL(&subscription->ready, delivery, of_ready);
        em_subscription_wake_locked(pubsub, subscription);
    }
}

void em_delivery_leave_ordering_key(struct em_pubsub *pubsub, struct em_delivery *delivery)
{
    struct em_ordering_key *key = delivery->ordering_key;
    if (!key)
        return;
    bool was_first = TAILQ_FIRST(&key->queue) == delivery;
    TAILQ_REMOVE(&key->queue, delivery, of_key);
    delivery->ordering_key = NULL;
    if (was_first && !TAILQ_EMPTY(&key->queue))
        em_delivery_set_state(pubsub, TAILQ_FIRST(&key->queue), EM_DELIVERY_READY);
    em_ordering_key_drop_if_empty(delivery->subscription, key);
}

void em_delivery_drop(struct em_pubsub *pubsub, struct em_delivery *delivery)
{
    if (delivery->state == EM_DELIVERY_PUSHING) {
        delivery->dropped = true;
        return;
    }
    em_delivery_set_state(pubsub, delivery, EM_DELIVERY_NEW);
    em_delivery_leave_ordering_key(pubsub, delivery);
    struct em_subscription *subscription = delivery->subscription;
    TAILQ_REMOVE(&subscription->all, delivery, of_all);
    subscription->held--;
    subscription->held_bytes -= (int64_t)delivery->message->size;
    em_timers_release(&pubsub->timers);
    em_message_unref(delivery->message);
    free(delivery);
}

void em_delivery_make_ready(struct em_pubsub *pubsub, struct em_delivery *delivery)
{
    struct em_ordering_key *key = delivery->ordering_key;
    bool behind = key && TAILQ_FIRST(&key->queue) != delivery;
    em_delivery_set_state(pubsub, delivery, behind ? EM_DELIVERY_BEHIND : EM_DELIVERY_READY);
}

bool em_delivery_set_leased(struct em_pubsub *pubsub, struct em_delivery *delivery)
{
    delivery->lease_id = ++pubsub->last_lease_id;
    if (!tsearch(delivery, &delivery->subscription->leases, compare_leases))
        return false;
    em_delivery_set_state(pubsub, delivery, EM_DELIVERY_LEASED);
    return true;
}

bool em_delivery_is_expired(const struct em_delivery *delivery, int64_t now_us)
{
    return delivery->message->publish_us + delivery->subscription->settings->retention_us < now_us;
}
