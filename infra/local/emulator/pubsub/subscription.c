#include "infra/local/emulator/pubsub/subscription.h"

#include "infra/local/emulator/pubsub/topic.h"

/* A subscription with one reference. NULL without memory. */
static struct em_subscription *subscription_new(struct em_subscription_settings *settings,
                                                struct em_topic *topic)
{
    struct em_subscription *subscription = calloc(1, sizeof *subscription);
    if (!subscription)
        return NULL;
    subscription->name = strdup(settings->name);
    if (!subscription->name || em_pubsub_cond_init(&subscription->available, NULL) != MR_OK) {
        free(subscription->name);
        free(subscription);
        return NULL;
    }
    subscription->refs = 1;
    subscription->resume.kind = EM_TIMER_SUBSCRIPTION;
    subscription->settings = em_subscription_settings_ref(settings);
    subscription->topic = topic;
    TAILQ_INIT(&subscription->all);
    TAILQ_INIT(&subscription->ready);
    em_push_window_init(&subscription->window);
    return subscription;
}

enum mr_status em_subscription_add_locked(struct em_pubsub *pubsub, struct em_subscription_settings *settings,
                                          struct mr_err *err)
{
    if (em_registry_find(&pubsub->subscriptions, settings->name))
        return em_resource_exists(settings->name, err);
    struct em_topic *topic = NULL;
    MR_TRY(em_topic_find_locked(pubsub, settings->topic, &topic, err));
    MR_TRY(em_timers_reserve(&pubsub->timers, err));
    struct em_subscription *subscription = subscription_new(settings, topic);
    if (!subscription) {
        em_timers_release(&pubsub->timers);
        return mr_fail_oom(err);
    }
    enum mr_status status = em_registry_add(&pubsub->subscriptions, subscription->name, subscription, err);
    if (status != MR_OK) {
        em_subscription_unref_locked(pubsub, subscription);
        return status;
    }
    TAILQ_INSERT_TAIL(&topic->subscriptions, subscription, of_topic);
    return MR_OK;
}

enum mr_status em_subscription_find_locked(struct em_pubsub *pubsub, const char *name,
                                           struct em_subscription **ret, struct mr_err *err)
{
    struct em_subscription *subscription = em_registry_find(&pubsub->subscriptions, name);
    if (!subscription)
        return em_resource_not_found(name, err);
    *ret = subscription;
    return MR_OK;
}

void em_subscription_remove_locked(struct em_pubsub *pubsub, struct em_subscription *subscription)
{
    subscription->deleted = true;
    em_registry_remove(&pubsub->subscriptions, subscription->name);
    if (subscription->topic)
        TAILQ_REMOVE(&subscription->topic->subscriptions, subscription, of_topic);
    subscription->topic = NULL;
    em_timers_cancel(&pubsub->timers, &subscription->resume);
    pthread_cond_broadcast(&subscription->available);
    em_subscription_unref_locked(pubsub, subscription);
}

void em_subscription_unref_locked(struct em_pubsub *pubsub, struct em_subscription *subscription)
{
    if (--subscription->refs > 0)
        return;
    em_timers_cancel(&pubsub->timers, &subscription->resume);
    em_timers_release(&pubsub->timers);
    em_spill_clear(&subscription->spill);
    pthread_cond_destroy(&subscription->available);
    em_subscription_settings_unref(subscription->push_token_settings);
    free(subscription->push_token);
    free(subscription->name);
    em_subscription_settings_unref(subscription->settings);
    free(subscription);
}

void em_subscription_wake_locked(struct em_pubsub *pubsub, struct em_subscription *subscription)
{
    if (subscription->settings->push.endpoint)
        pthread_cond_signal(&pubsub->push_wake);
    else
        pthread_cond_signal(&subscription->available);
}
