#include "infra/local/emulator/pubsub/delivery.h"

#include "infra/local/emulator/pubsub/delivery_queues.h"
#include "infra/local/emulator/pubsub/topic.h"
#include "shared/base/clock.h"

/* Keeps a new delivery in memory. */
static enum mr_status hold(struct em_pubsub *pubsub, struct em_subscription *subscription,
                           struct em_message *message, struct mr_err *err)
{
    struct em_ordering_key *key = NULL;
    if (subscription->settings->ordered && *message->ordering_key) {
        key = em_ordering_key_get(subscription, message);
        if (!key)
            return mr_fail_oom(err);
    }
    struct em_delivery *delivery = calloc(1, sizeof *delivery);
    if (!delivery || em_timers_reserve(&pubsub->timers, err) != MR_OK) {
        free(delivery);
        if (key)
            em_ordering_key_drop_if_empty(subscription, key);
        return mr_fail_oom(err);
    }
    delivery->timer.kind = EM_TIMER_DELIVERY;
    delivery->subscription = subscription;
    delivery->message = em_message_ref(message);
    delivery->ordering_key = key;
    if (key)
        TAILQ_INSERT_TAIL(&key->queue, delivery, of_key);
    TAILQ_INSERT_TAIL(&subscription->all, delivery, of_all);
    subscription->held++;
    subscription->held_bytes += (int64_t)message->size;
    em_delivery_make_ready(pubsub, delivery);
    return MR_OK;
}

static bool is_full(const struct em_subscription *subscription)
{
    return subscription->held >= EM_HELD_MAX || subscription->held_bytes >= EM_HELD_BYTES_MAX;
}

/* Whatever is on disk already keeps its place before a new message. */
static bool goes_to_disk(const struct em_subscription *subscription)
{
    const struct em_subscription_settings *settings = subscription->settings;
    return subscription->spill.count > 0 ||
           (is_full(subscription) && !settings->ordered && !settings->retain_acked);
}

static enum mr_status deliver(struct em_pubsub *pubsub, struct em_subscription *subscription,
                              struct em_message *message, struct mr_err *err)
{
    if (!goes_to_disk(subscription))
        return hold(pubsub, subscription, message, err);
    MR_AUTO_STR char *text = json_dumps(message->body, JSON_COMPACT);
    if (!text)
        return mr_fail_oom(err);
    MR_TRY(em_spill_append(&subscription->spill, pubsub->directory, text, message->publish_us, err));
    em_delivery_refill_locked(pubsub, subscription);
    return MR_OK;
}

static enum mr_status take_from_disk(struct em_pubsub *pubsub, struct em_subscription *subscription,
                                     struct mr_err *err)
{
    MR_AUTO_STR char *text = NULL;
    MR_AUTO(em_message) struct em_message *message = NULL;
    int64_t publish_us = 0;
    MR_TRY(em_spill_take(&subscription->spill, &text, &publish_us, err));
    if (publish_us < subscription->sought_us)
        return MR_OK;
    MR_TRY(em_message_restore(text, publish_us, &message, err));
    return hold(pubsub, subscription, message, err);
}

/* In portions, so that the file is not looked at with each message. What cannot be read is lost, as in production a
 * message is that is older than the retention. */
void em_delivery_refill_locked(struct em_pubsub *pubsub, struct em_subscription *subscription)
{
    struct mr_err err;
    if (subscription->held > EM_HELD_MAX / 2 || subscription->held_bytes > EM_HELD_BYTES_MAX / 2)
        return;
    while (subscription->spill.count > 0 && !is_full(subscription))
        if (take_from_disk(pubsub, subscription, &err) != MR_OK)
            mr_log_err(pubsub->log, MR_LOG_WARNING, "pubsub: messages of a long queue are lost", &err,
                       "{s:s}", "subscription", subscription->name);
}

/* Drops a delivery, whose place another one takes. */
static void drop(struct em_pubsub *pubsub, struct em_delivery *delivery)
{
    struct em_subscription *subscription = delivery->subscription;
    em_delivery_drop(pubsub, delivery);
    em_delivery_refill_locked(pubsub, subscription);
}

enum mr_status em_topic_deliver_locked(struct em_pubsub *pubsub, struct em_topic *topic,
                                       struct em_message *message, struct mr_err *err)
{
    struct em_subscription *subscription = NULL;
    TAILQ_FOREACH(subscription, &topic->subscriptions, of_topic)
    {
        if (!em_filter_matches(subscription->settings->filter, message->attributes))
            continue;
        MR_TRY(deliver(pubsub, subscription, message, err));
    }
    return MR_OK;
}

/* The next READY delivery within its retention; drops older ones. */
static struct em_delivery *next_ready(struct em_pubsub *pubsub, struct em_subscription *subscription)
{
    int64_t now_us = mr_time_now_us();
    struct em_delivery *delivery = NULL;
    while ((delivery = TAILQ_FIRST(&subscription->ready)) != NULL && em_delivery_is_expired(delivery, now_us))
        drop(pubsub, delivery);
    return delivery;
}

struct em_delivery *em_delivery_push_locked(struct em_pubsub *pubsub, struct em_subscription *subscription)
{
    struct em_delivery *delivery = next_ready(pubsub, subscription);
    if (!delivery)
        return NULL;
    em_delivery_set_state(pubsub, delivery, EM_DELIVERY_PUSHING);
    delivery->attempts++;
    return delivery;
}

struct em_delivery *em_delivery_lease_locked(struct em_pubsub *pubsub, struct em_subscription *subscription)
{
    struct em_delivery *delivery = next_ready(pubsub, subscription);
    if (!delivery)
        return NULL;
    if (!em_delivery_set_leased(pubsub, delivery))
        return NULL; /* without memory it stays ready */
    delivery->attempts++;
    em_delivery_extend_locked(pubsub, delivery, subscription->settings->ack_deadline_us);
    return delivery;
}

void em_delivery_extend_locked(struct em_pubsub *pubsub, struct em_delivery *delivery, int64_t deadline_us)
{
    em_pubsub_timer_set_locked(pubsub, &delivery->timer, mr_time_monotonic_us() + deadline_us);
}

void em_delivery_ack_locked(struct em_pubsub *pubsub, struct em_delivery *delivery)
{
    bool retain = delivery->subscription->settings->retain_acked && !delivery->dropped;
    em_delivery_set_state(pubsub, delivery, EM_DELIVERY_ACKED);
    if (!retain) {
        drop(pubsub, delivery);
        return;
    }
    em_delivery_leave_ordering_key(pubsub, delivery);
}

static enum mr_status forward_dead_letter(struct em_pubsub *pubsub, const struct em_delivery *delivery,
                                          struct mr_err *err)
{
    const struct em_subscription_settings *settings = delivery->subscription->settings;
    struct em_topic *topic = NULL;
    MR_AUTO(em_message) struct em_message *copy = NULL;
    struct em_dead_letter_source source = {delivery->subscription->name, delivery->attempts};
    MR_TRY(em_topic_find_locked(pubsub, settings->dead_letter_topic, &topic, err));
    MR_TRY(em_message_new_dead_letter(delivery->message, &source, ++pubsub->last_message_id, mr_time_now_us(),
                                      &copy, err));
    return em_topic_deliver_locked(pubsub, topic, copy, err);
}

/* True if the attempts are used up and a copy is in the dead-letter topic. As in production, a message whose
 * dead-letter topic is missing is retried. */
static bool is_dead(struct em_pubsub *pubsub, const struct em_delivery *delivery)
{
    const struct em_subscription_settings *settings = delivery->subscription->settings;
    if (!settings->dead_letter_topic || delivery->attempts < settings->max_delivery_attempts)
        return false;
    struct mr_err err;
    if (forward_dead_letter(pubsub, delivery, &err) == MR_OK)
        return true;
    mr_log_err(pubsub->log, MR_LOG_WARNING, "pubsub: cannot forward a dead letter", &err, "{s:s}",
               "subscription", delivery->subscription->name);
    return false;
}

void em_delivery_nack_locked(struct em_pubsub *pubsub, struct em_delivery *delivery)
{
    const struct em_subscription_settings *settings = delivery->subscription->settings;
    em_delivery_set_state(pubsub, delivery, EM_DELIVERY_NEW);
    if (delivery->dropped || is_dead(pubsub, delivery)) {
        drop(pubsub, delivery);
        return;
    }
    int64_t delay =
        settings->has_retry_policy
            ? em_retry_policy_delay(settings->min_backoff_us, settings->max_backoff_us, delivery->attempts)
            : 0;
    if (delay == 0) {
        em_delivery_make_ready(pubsub, delivery);
        return;
    }
    em_delivery_set_state(pubsub, delivery, EM_DELIVERY_WAITING);
    em_pubsub_timer_set_locked(pubsub, &delivery->timer, mr_time_monotonic_us() + delay);
}

void em_delivery_due_locked(struct em_pubsub *pubsub, struct em_delivery *delivery)
{
    if (delivery->state == EM_DELIVERY_LEASED)
        em_delivery_nack_locked(pubsub, delivery);
    else
        em_delivery_make_ready(pubsub, delivery);
}
