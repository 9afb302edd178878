#include "infra/local/emulator/pubsub/delivery.h"

#include "shared/base/encoding.h"

#include <search.h>

/* ---- the two trees of a subscription ---- */

static int compare_leases(const void *a, const void *b)
{
    int64_t left = ((const struct mr_delivery *)a)->lease_id;
    int64_t right = ((const struct mr_delivery *)b)->lease_id;
    return (left > right) - (left < right);
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(((const struct mr_ordering_key *)a)->key, ((const struct mr_ordering_key *)b)->key);
}

struct mr_delivery *mr_delivery_by_lease_locked(const struct mr_subscription *subscription, int64_t lease_id)
{
    struct mr_delivery probe = {.lease_id = lease_id};
    void *node = tfind(&probe, &subscription->leases, compare_leases);
    return node ? *(struct mr_delivery **)node : NULL;
}

/* The key's entry, made if there is none. NULL without memory. */
static struct mr_ordering_key *ordering_key_get(struct mr_subscription *subscription,
                                                struct mr_message *message)
{
    struct mr_ordering_key probe = {.key = message->ordering_key};
    void *node = tfind(&probe, &subscription->ordering_keys, compare_keys);
    if (node)
        return *(struct mr_ordering_key **)node;
    struct mr_ordering_key *made = calloc(1, sizeof *made);
    if (!made)
        return NULL;
    *made = (struct mr_ordering_key){.key = message->ordering_key, .message = message};
    TAILQ_INIT(&made->queue);
    if (!tsearch(made, &subscription->ordering_keys, compare_keys)) {
        free(made);
        return NULL;
    }
    mr_message_ref(message);
    return made;
}

static void ordering_key_drop_if_empty(struct mr_subscription *subscription, struct mr_ordering_key *key)
{
    if (!TAILQ_EMPTY(&key->queue))
        return;
    tdelete(key, &subscription->ordering_keys, compare_keys);
    mr_message_unref(key->message);
    free(key);
}

/* ---- states ---- */

void mr_subscription_wake_locked(struct mr_pubsub_emulator *emulator, struct mr_subscription *subscription)
{
    if (subscription->settings->push.endpoint)
        pthread_cond_signal(&emulator->push_wake);
    else
        pthread_cond_signal(&subscription->available);
}

/* Leaves the queue, tree or heap of the present state, and enters those of the next. */
static void set_state(struct mr_pubsub_emulator *emulator, struct mr_delivery *delivery,
                      enum mr_delivery_state state)
{
    struct mr_subscription *subscription = delivery->subscription;
    if (delivery->state == MR_DELIVERY_READY)
        TAILQ_REMOVE(&subscription->ready, delivery, of_ready);
    if (delivery->state == MR_DELIVERY_LEASED)
        tdelete(delivery, &subscription->leases, compare_leases);
    mr_timers_cancel(&emulator->timers, &delivery->timer);
    delivery->state = state;
    if (state == MR_DELIVERY_READY) {
        TAILQ_INSERT_TAIL(&subscription->ready, delivery, of_ready);
        mr_subscription_wake_locked(emulator, subscription);
    }
}

/* The ordering key goes on to its next message. */
static void leave_ordering_key(struct mr_pubsub_emulator *emulator, struct mr_delivery *delivery)
{
    struct mr_ordering_key *key = delivery->ordering_key;
    if (!key)
        return;
    bool was_first = TAILQ_FIRST(&key->queue) == delivery;
    TAILQ_REMOVE(&key->queue, delivery, of_key);
    delivery->ordering_key = NULL;
    if (was_first && !TAILQ_EMPTY(&key->queue))
        set_state(emulator, TAILQ_FIRST(&key->queue), MR_DELIVERY_READY);
    ordering_key_drop_if_empty(delivery->subscription, key);
}

/* Lets a delivery go; one in a pusher's hands is only marked. */
static void drop(struct mr_pubsub_emulator *emulator, struct mr_delivery *delivery)
{
    if (delivery->state == MR_DELIVERY_PUSHING) {
        delivery->dropped = true;
        return;
    }
    set_state(emulator, delivery, MR_DELIVERY_NEW);
    leave_ordering_key(emulator, delivery);
    TAILQ_REMOVE(&delivery->subscription->all, delivery, of_all);
    mr_timers_release(&emulator->timers);
    mr_message_unref(delivery->message);
    free(delivery);
}

static void make_ready(struct mr_pubsub_emulator *emulator, struct mr_delivery *delivery)
{
    struct mr_ordering_key *key = delivery->ordering_key;
    bool behind = key && TAILQ_FIRST(&key->queue) != delivery;
    set_state(emulator, delivery, behind ? MR_DELIVERY_BEHIND : MR_DELIVERY_READY);
}

/* ---- in ---- */

static enum mr_status deliver(struct mr_pubsub_emulator *emulator, struct mr_subscription *subscription,
                              struct mr_message *message, struct mr_err *err)
{
    struct mr_ordering_key *key = NULL;
    if (subscription->settings->ordered && *message->ordering_key) {
        key = ordering_key_get(subscription, message);
        if (!key)
            return mr_fail_oom(err);
    }
    struct mr_delivery *delivery = calloc(1, sizeof *delivery);
    if (!delivery || mr_timers_reserve(&emulator->timers, err) != MR_OK) {
        free(delivery);
        if (key)
            ordering_key_drop_if_empty(subscription, key);
        return mr_fail_oom(err);
    }
    delivery->timer.kind = MR_TIMER_DELIVERY;
    delivery->subscription = subscription;
    delivery->message = mr_message_ref(message);
    delivery->ordering_key = key;
    if (key)
        TAILQ_INSERT_TAIL(&key->queue, delivery, of_key);
    TAILQ_INSERT_TAIL(&subscription->all, delivery, of_all);
    make_ready(emulator, delivery);
    return MR_OK;
}

enum mr_status mr_topic_deliver_locked(struct mr_pubsub_emulator *emulator, struct mr_topic *topic,
                                       struct mr_message *message, struct mr_err *err)
{
    struct mr_subscription *subscription = NULL;
    TAILQ_FOREACH(subscription, &topic->subscriptions, of_topic)
    {
        if (!mr_filter_matches(subscription->settings->filter, message->attributes))
            continue;
        enum mr_status status = deliver(emulator, subscription, message, err);
        if (status)
            return status;
    }
    return MR_OK;
}

/* ---- out ---- */

static bool is_past_retention(const struct mr_delivery *delivery, int64_t now_us)
{
    return delivery->message->publish_us + delivery->subscription->settings->retention_us < now_us;
}

/* The next ready delivery that is not too old, still READY. */
static struct mr_delivery *next_ready(struct mr_pubsub_emulator *emulator,
                                      struct mr_subscription *subscription)
{
    int64_t now_us = mr_time_now_us();
    struct mr_delivery *delivery = NULL;
    while ((delivery = TAILQ_FIRST(&subscription->ready)) != NULL && is_past_retention(delivery, now_us))
        drop(emulator, delivery);
    return delivery;
}

struct mr_delivery *mr_delivery_push_locked(struct mr_pubsub_emulator *emulator,
                                            struct mr_subscription *subscription)
{
    struct mr_delivery *delivery = next_ready(emulator, subscription);
    if (!delivery)
        return NULL;
    set_state(emulator, delivery, MR_DELIVERY_PUSHING);
    delivery->attempts++;
    return delivery;
}

struct mr_delivery *mr_delivery_lease_locked(struct mr_pubsub_emulator *emulator,
                                             struct mr_subscription *subscription)
{
    struct mr_delivery *delivery = next_ready(emulator, subscription);
    if (!delivery)
        return NULL;
    delivery->lease_id = ++emulator->last_lease_id;
    if (!tsearch(delivery, &subscription->leases, compare_leases))
        return NULL; /* no memory: it stays ready */
    set_state(emulator, delivery, MR_DELIVERY_LEASED);
    delivery->attempts++;
    mr_delivery_extend_locked(emulator, delivery, subscription->settings->ack_deadline_us);
    return delivery;
}

void mr_delivery_extend_locked(struct mr_pubsub_emulator *emulator, struct mr_delivery *delivery,
                               int64_t deadline_us)
{
    mr_store_timer_set_locked(emulator, &delivery->timer, mr_time_monotonic_us() + deadline_us);
}

/* ---- back ---- */

void mr_delivery_ack_locked(struct mr_pubsub_emulator *emulator, struct mr_delivery *delivery)
{
    bool retain = delivery->subscription->settings->retain_acked && !delivery->dropped;
    set_state(emulator, delivery, MR_DELIVERY_ACKED);
    if (!retain) {
        drop(emulator, delivery);
        return;
    }
    leave_ordering_key(emulator, delivery);
}

/* True if a copy now lies in the dead-letter topic. */
static bool forward_dead_letter(struct mr_pubsub_emulator *emulator, const struct mr_delivery *delivery)
{
    const struct mr_subscription_settings *settings = delivery->subscription->settings;
    struct mr_err err;
    struct mr_topic *topic = NULL;
    MR_AUTO(mr_message) struct mr_message *copy = NULL;
    struct mr_dead_letter_source source = {delivery->subscription->name, delivery->attempts};
    enum mr_status status = mr_topic_find_locked(emulator, settings->dead_letter_topic, &topic, &err);
    if (!status)
        status = mr_message_new_dead_letter(delivery->message, &source, ++emulator->last_message_id,
                                            mr_time_now_us(), &copy, &err);
    if (!status)
        status = mr_topic_deliver_locked(emulator, topic, copy, &err);
    if (!status)
        return true;
    mr_log_err(emulator->log, MR_LOG_WARNING, "pubsub: a dead letter could not be forwarded", &err, "{s:s}",
               "subscription", delivery->subscription->name);
    return false;
}

void mr_delivery_nack_locked(struct mr_pubsub_emulator *emulator, struct mr_delivery *delivery)
{
    const struct mr_subscription_settings *settings = delivery->subscription->settings;
    set_state(emulator, delivery, MR_DELIVERY_NEW);
    if (delivery->dropped) {
        drop(emulator, delivery);
        return;
    }
    /* As in production, a message whose dead-letter topic is missing goes on being tried. */
    if (settings->dead_letter_topic && delivery->attempts >= settings->max_delivery_attempts &&
        forward_dead_letter(emulator, delivery)) {
        drop(emulator, delivery);
        return;
    }
    int64_t delay =
        settings->has_retry_policy
            ? mr_retry_policy_delay(settings->min_backoff_us, settings->max_backoff_us, delivery->attempts)
            : 0;
    if (delay == 0) {
        make_ready(emulator, delivery);
        return;
    }
    set_state(emulator, delivery, MR_DELIVERY_WAITING);
    mr_store_timer_set_locked(emulator, &delivery->timer, mr_time_monotonic_us() + delay);
}

void mr_delivery_due_locked(struct mr_pubsub_emulator *emulator, struct mr_delivery *delivery)
{
    if (delivery->state == MR_DELIVERY_LEASED)
        mr_delivery_nack_locked(emulator, delivery);
    else
        make_ready(emulator, delivery);
}

/* ---- all of a subscription ---- */

void mr_subscription_expire_locked(struct mr_pubsub_emulator *emulator, struct mr_subscription *subscription)
{
    int64_t now_us = mr_time_now_us();
    struct mr_delivery *next = NULL;
    for (struct mr_delivery *delivery = TAILQ_FIRST(&subscription->all); delivery; delivery = next) {
        next = TAILQ_NEXT(delivery, of_all);
        if (is_past_retention(delivery, now_us))
            drop(emulator, delivery);
    }
}

/* Puts an acked message back on its way, behind what its ordering key still has. */
static void replay(struct mr_pubsub_emulator *emulator, struct mr_delivery *delivery)
{
    struct mr_subscription *subscription = delivery->subscription;
    delivery->attempts = 0;
    if (subscription->settings->ordered && *delivery->message->ordering_key) {
        delivery->ordering_key = ordering_key_get(subscription, delivery->message);
        if (delivery->ordering_key)
            TAILQ_INSERT_TAIL(&delivery->ordering_key->queue, delivery, of_key);
    }
    make_ready(emulator, delivery);
}

void mr_subscription_seek_locked(struct mr_pubsub_emulator *emulator, struct mr_subscription *subscription,
                                 int64_t time_us)
{
    struct mr_delivery *next = NULL;
    for (struct mr_delivery *delivery = TAILQ_FIRST(&subscription->all); delivery; delivery = next) {
        next = TAILQ_NEXT(delivery, of_all);
        bool before = delivery->message->publish_us < time_us;
        if (!before && delivery->state == MR_DELIVERY_ACKED)
            replay(emulator, delivery);
        else if (before && delivery->state == MR_DELIVERY_PUSHING)
            drop(emulator, delivery);
        else if (before && delivery->state != MR_DELIVERY_ACKED)
            mr_delivery_ack_locked(emulator, delivery);
    }
}

void mr_subscription_clear_locked(struct mr_pubsub_emulator *emulator, struct mr_subscription *subscription)
{
    struct mr_delivery *next = NULL;
    for (struct mr_delivery *delivery = TAILQ_FIRST(&subscription->all); delivery; delivery = next) {
        next = TAILQ_NEXT(delivery, of_all);
        drop(emulator, delivery);
    }
}
