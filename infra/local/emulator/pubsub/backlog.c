#include "infra/local/emulator/pubsub/backlog.h"

#include "infra/local/emulator/pubsub/delivery_queues.h"
#include "shared/base/clock.h"

void em_subscription_expire_locked(struct em_pubsub *pubsub, struct em_subscription *subscription)
{
    int64_t now_us = mr_time_now_us();
    struct em_delivery *next = NULL;
    for (struct em_delivery *delivery = TAILQ_FIRST(&subscription->all); delivery; delivery = next) {
        next = TAILQ_NEXT(delivery, of_all);
        if (em_delivery_is_expired(delivery, now_us))
            em_delivery_drop(pubsub, delivery);
    }
    em_delivery_refill_locked(pubsub, subscription);
}

/* Delivers an acked message again, after what its ordering key still has. */
static void replay(struct em_pubsub *pubsub, struct em_delivery *delivery)
{
    struct em_subscription *subscription = delivery->subscription;
    delivery->attempts = 0;
    if (subscription->settings->ordered && *delivery->message->ordering_key) {
        delivery->ordering_key = em_ordering_key_get(subscription, delivery->message);
        if (delivery->ordering_key)
            TAILQ_INSERT_TAIL(&delivery->ordering_key->queue, delivery, of_key);
    }
    em_delivery_make_ready(pubsub, delivery);
}

void em_subscription_seek_locked(struct em_pubsub *pubsub, struct em_subscription *subscription,
                                 int64_t time_us)
{
    struct em_delivery *next = NULL;
    subscription->sought_us = time_us < mr_time_now_us() ? time_us : mr_time_now_us();
    if (subscription->spill.newest_us < time_us)
        em_spill_clear(&subscription->spill);
    for (struct em_delivery *delivery = TAILQ_FIRST(&subscription->all); delivery; delivery = next) {
        next = TAILQ_NEXT(delivery, of_all);
        bool before = delivery->message->publish_us < time_us;
        if (!before && delivery->state == EM_DELIVERY_ACKED)
            replay(pubsub, delivery);
        else if (before && delivery->state == EM_DELIVERY_PUSHING)
            em_delivery_drop(pubsub, delivery);
        else if (before && delivery->state != EM_DELIVERY_ACKED)
            em_delivery_ack_locked(pubsub, delivery);
    }
    em_delivery_refill_locked(pubsub, subscription);
}

void em_subscription_clear_locked(struct em_pubsub *pubsub, struct em_subscription *subscription)
{
    struct em_delivery *next = NULL;
    em_spill_clear(&subscription->spill);
    for (struct em_delivery *delivery = TAILQ_FIRST(&subscription->all); delivery; delivery = next) {
        next = TAILQ_NEXT(delivery, of_all);
        em_delivery_drop(pubsub, delivery);
    }
}
