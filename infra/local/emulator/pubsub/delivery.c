#include "infra/local/emulator/pubsub/delivery.h"

#include "shared/base/encoding.h"

#include <search.h>

/* ---- the two trees of a subscription ---- */

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

/* The key's entry, made if there is none. NULL without memory. */
static struct em_ordering_key *ordering_key_get(struct em_subscription *subscription,
                                                struct em_message *message)
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

static void ordering_key_drop_if_empty(struct em_subscription *subscription, struct em_ordering_key *key)
{
    if (!TAILQ_EMPTY(&key->queue))
        return;
    tdelete(key, &subscription->ordering_keys, compare_keys);
    em_message_unref(key->message);
    free(key);
}

/* ---- states ---- */

void em_subscription_wake_locked(struct em_pubsub *pubsub, struct em_subscription *subscription)
{
    if (subscription->settings->push.endpoint)
        pthread_cond_signal(&pubsub->push_wake);
    else
        pthread_cond_signal(&subscription->available);
}

/* Leaves the queue, tree or heap of the present state, and enters those of the next. */
static void set_state(struct em_pubsub *pubsub, struct em_delivery *delivery, enum em_delivery_state state)
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

/* The ordering key goes on to its next message. */
static void leave_ordering_key(struct em_pubsub *pubsub, struct em_delivery *delivery)
{
    struct em_ordering_key *key = delivery->ordering_key;
    if (!key)
        return;
    bool was_first = TAILQ_FIRST(&key->queue) == delivery;
    TAILQ_REMOVE(&key->queue, delivery, of_key);
    delivery->ordering_key = NULL;
    if (was_first && !TAILQ_EMPTY(&key->queue))
        set_state(pubsub, TAILQ_FIRST(&key->queue), EM_DELIVERY_READY);
    ordering_key_drop_if_empty(delivery->subscription, key);
}

/* Lets a delivery go; one in a pusher's hands is only marked. */
static void drop(struct em_pubsub *pubsub, struct em_delivery *delivery)
{
    if (delivery->state == EM_DELIVERY_PUSHING) {
        delivery->dropped = true;
        return;
    }
    set_state(pubsub, delivery, EM_DELIVERY_NEW);
    leave_ordering_key(pubsub, delivery);
    TAILQ_REMOVE(&delivery->subscription->all, delivery, of_all);
    em_timers_release(&pubsub->timers);
    em_message_unref(delivery->message);
    free(delivery);
}

static void make_ready(struct em_pubsub *pubsub, struct em_delivery *delivery)
{
    struct em_ordering_key *key = delivery->ordering_key;
    bool behind = key && TAILQ_FIRST(&key->queue) != delivery;
    set_state(pubsub, delivery, behind ? EM_DELIVERY_BEHIND : EM_DELIVERY_READY);
}

/* ---- in ---- */

static enum mr_status deliver(struct em_pubsub *pubsub, struct em_subscription *subscription,
                              struct em_message *message, struct mr_err *err)
{
    struct em_ordering_key *key = NULL;
    if (subscription->settings->ordered && *message->ordering_key) {
        key = ordering_key_get(subscription, message);
        if (!key)
            return mr_fail_oom(err);
    }
    struct em_delivery *delivery = calloc(1, sizeof *delivery);
    if (!delivery || em_timers_reserve(&pubsub->timers, err) != MR_OK) {
        free(delivery);
        if (key)
            ordering_key_drop_if_empty(subscription, key);
        return mr_fail_oom(err);
    }
    delivery->timer.kind = EM_TIMER_DELIVERY;
    delivery->subscription = subscription;
    delivery->message = em_message_ref(message);
    delivery->ordering_key = key;
    if (key)
        TAILQ_INSERT_TAIL(&key->queue, delivery, of_key);
    TAILQ_INSERT_TAIL(&subscription->all, delivery, of_all);
    make_ready(pubsub, delivery);
    return MR_OK;
}

enum mr_status em_topic_deliver_locked(struct em_pubsub *pubsub, struct em_topic *topic,
                                       struct em_message *message, struct mr_err *err)
{
    struct em_subscription *subscription = NULL;
    TAILQ_FOREACH(subscription, &topic->subscriptions, of_topic)
    {
        if (!em_filter_matches(subscription->settings->filter, message->attributes))
            continue;
        enum mr_status status = deliver(pubsub, subscription, message, err);
        if (status)
            return status;
    }
    return MR_OK;
}

/* ---- out ---- */

static bool is_past_retention(const struct em_delivery *delivery, int64_t now_us)
{
    return delivery->message->publish_us + delivery->subscription->settings->retention_us < now_us;
}

/* The next ready delivery that is not too old, still READY. */
static struct em_delivery *next_ready(struct em_pubsub *pubsub, struct em_subscription *subscription)
{
    int64_t now_us = mr_time_now_us();
    struct em_delivery *delivery = NULL;
    while ((delivery = TAILQ_FIRST(&subscription->ready)) != NULL && is_past_retention(delivery, now_us))
        drop(pubsub, delivery);
    return delivery;
}

struct em_delivery *em_delivery_push_locked(struct em_pubsub *pubsub, struct em_subscription *subscription)
{
    struct em_delivery *delivery = next_ready(pubsub, subscription);
    if (!delivery)
        return NULL;
    set_state(pubsub, delivery, EM_DELIVERY_PUSHING);
    delivery->attempts++;
    return delivery;
}

struct em_delivery *em_delivery_lease_locked(struct em_pubsub *pubsub, struct em_subscription *subscription)
{
    struct em_delivery *delivery = next_ready(pubsub, subscription);
    if (!delivery)
        return NULL;
    delivery->lease_id = ++pubsub->last_lease_id;
    if (!tsearch(delivery, &subscription->leases, compare_leases))
        return NULL; /* no memory: it stays ready */
    set_state(pubsub, delivery, EM_DELIVERY_LEASED);
    delivery->attempts++;
    em_delivery_extend_locked(pubsub, delivery, subscription->settings->ack_deadline_us);
    return delivery;
}

void em_delivery_extend_locked(struct em_pubsub *pubsub, struct em_delivery *delivery, int64_t deadline_us)
{
    em_pubsub_timer_set_locked(pubsub, &delivery->timer, mr_time_monotonic_us() + deadline_us);
}

/* ---- back ---- */

void em_delivery_ack_locked(struct em_pubsub *pubsub, struct em_delivery *delivery)
{
    bool retain = delivery->subscription->settings->retain_acked && !delivery->dropped;
    set_state(pubsub, delivery, EM_DELIVERY_ACKED);
    if (!retain) {
        drop(pubsub, delivery);
        return;
    }
    leave_ordering_key(pubsub, delivery);
}

/* True if a copy now lies in the dead-letter topic. */
static bool forward_dead_letter(struct em_pubsub *pubsub, const struct em_delivery *delivery)
{
    const struct em_subscription_settings *settings = delivery->subscription->settings;
    struct mr_err err;
    struct em_topic *topic = NULL;
    MR_AUTO(em_message) struct em_message *copy = NULL;
    struct em_dead_letter_source source = {delivery->subscription->name, delivery->attempts};
    enum mr_status status = em_topic_find_locked(pubsub, settings->dead_letter_topic, &topic, &err);
    if (!status)
        status = em_message_new_dead_letter(delivery->message, &source, ++pubsub->last_message_id,
                                            mr_time_now_us(), &copy, &err);
    if (!status)
        status = em_topic_deliver_locked(pubsub, topic, copy, &err);
    if (!status)
        return true;
    mr_log_err(pubsub->log, MR_LOG_WARNING, "pubsub: a dead letter could not be forwarded", &err, "{s:s}",
               "subscription", delivery->subscription->name);
    return false;
}

void em_delivery_nack_locked(struct em_pubsub *pubsub, struct em_delivery *delivery)
{
    const struct em_subscription_settings *settings = delivery->subscription->settings;
    set_state(pubsub, delivery, EM_DELIVERY_NEW);
    if (delivery->dropped) {
        drop(pubsub, delivery);
        return;
    }
    /* As in production, a message whose dead-letter topic is missing goes on being tried. */
    if (settings->dead_letter_topic && delivery->attempts >= settings->max_delivery_attempts &&
        forward_dead_letter(pubsub, delivery)) {
        drop(pubsub, delivery);
        return;
    }
    int64_t delay =
        settings->has_retry_policy
            ? em_retry_policy_delay(settings->min_backoff_us, settings->max_backoff_us, delivery->attempts)
            : 0;
    if (delay == 0) {
        make_ready(pubsub, delivery);
        return;
    }
    set_state(pubsub, delivery, EM_DELIVERY_WAITING);
    em_pubsub_timer_set_locked(pubsub, &delivery->timer, mr_time_monotonic_us() + delay);
}

void em_delivery_due_locked(struct em_pubsub *pubsub, struct em_delivery *delivery)
{
    if (delivery->state == EM_DELIVERY_LEASED)
        em_delivery_nack_locked(pubsub, delivery);
    else
        make_ready(pubsub, delivery);
}

/* ---- all of a subscription ---- */

void em_subscription_expire_locked(struct em_pubsub *pubsub, struct em_subscription *subscription)
{
    int64_t now_us = mr_time_now_us();
    struct em_delivery *next = NULL;
    for (struct em_delivery *delivery = TAILQ_FIRST(&subscription->all); delivery; delivery = next) {
        next = TAILQ_NEXT(delivery, of_all);
        if (is_past_retention(delivery, now_us))
            drop(pubsub, delivery);
    }
}

/* Puts an acked message back on its way, behind what its ordering key still has. */
static void replay(struct em_pubsub *pubsub, struct em_delivery *delivery)
{
    struct em_subscription *subscription = delivery->subscription;
    delivery->attempts = 0;
    if (subscription->settings->ordered && *delivery->message->ordering_key) {
        delivery->ordering_key = ordering_key_get(subscription, delivery->message);
        if (delivery->ordering_key)
            TAILQ_INSERT_TAIL(&delivery->ordering_key->queue, delivery, of_key);
    }
    make_ready(pubsub, delivery);
}

void em_subscription_seek_locked(struct em_pubsub *pubsub, struct em_subscription *subscription,
                                 int64_t time_us)
{
    struct em_delivery *next = NULL;
    for (struct em_delivery *delivery = TAILQ_FIRST(&subscription->all); delivery; delivery = next) {
        next = TAILQ_NEXT(delivery, of_all);
        bool before = delivery->message->publish_us < time_us;
        if (!before && delivery->state == EM_DELIVERY_ACKED)
            replay(pubsub, delivery);
        else if (before && delivery->state == EM_DELIVERY_PUSHING)
            drop(pubsub, delivery);
        else if (before && delivery->state != EM_DELIVERY_ACKED)
            em_delivery_ack_locked(pubsub, delivery);
    }
}

void em_subscription_clear_locked(struct em_pubsub *pubsub, struct em_subscription *subscription)
{
    struct em_delivery *next = NULL;
    for (struct em_delivery *delivery = TAILQ_FIRST(&subscription->all); delivery; delivery = next) {
        next = TAILQ_NEXT(delivery, of_all);
        drop(pubsub, delivery);
    }
}
