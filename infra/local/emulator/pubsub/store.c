#include "infra/local/emulator/pubsub/store.h"

#include "shared/base/encoding.h"

#include <errno.h>

static enum mr_status exists_already(const char *name, struct mr_err *err)
{
    return mr_fail(err, MR_CONFLICT, "Resource already exists in the project (resource=%s).",
                   strrchr(name, '/') + 1);
}

static enum mr_status not_found(const char *name, struct mr_err *err)
{
    const char *slash = strrchr(name, '/');
    return mr_fail(err, MR_NOT_FOUND, "Resource not found (resource=%s).", slash ? slash + 1 : name);
}

/* ---- topics ---- */

static void topic_free(struct mr_topic *topic)
{
    free(topic->name);
    json_decref(topic->resource);
    free(topic);
}

enum mr_status mr_topic_add_locked(struct mr_pubsub_emulator *emulator, const char *name, json_t *resource,
                                   struct mr_err *err)
{
    if (mr_registry_find(&emulator->topics, name)) {
        json_decref(resource);
        return exists_already(name, err);
    }
    struct mr_topic *topic = calloc(1, sizeof *topic);
    if (!topic) {
        json_decref(resource);
        return mr_fail_oom(err);
    }
    topic->resource = resource;
    TAILQ_INIT(&topic->subscriptions);
    topic->name = strdup(name);
    enum mr_status status =
        topic->name ? mr_registry_add(&emulator->topics, topic->name, topic, err) : mr_fail_oom(err);
    if (status)
        topic_free(topic);
    return status;
}

enum mr_status mr_topic_find_locked(struct mr_pubsub_emulator *emulator, const char *name,
                                    struct mr_topic **ret, struct mr_err *err)
{
    struct mr_topic *topic = mr_registry_find(&emulator->topics, name);
    if (!topic)
        return not_found(name, err);
    *ret = topic;
    return MR_OK;
}

/* An orphan's resource says so. Without memory it goes on naming the topic that was. */
static void set_orphan_settings(struct mr_subscription *subscription)
{
    MR_AUTO_JSON json_t *resource = json_deep_copy(subscription->settings->resource);
    struct mr_subscription_settings *settings = NULL;
    if (!resource || json_object_set_new(resource, "topic", json_string("_deleted-topic_")) != 0 ||
        mr_subscription_settings_new(subscription->name, resource, &settings, NULL) != MR_OK)
        return;
    mr_subscription_settings_unref(subscription->settings);
    subscription->settings = settings;
}

void mr_topic_remove_locked(struct mr_pubsub_emulator *emulator, struct mr_topic *topic)
{
    struct mr_subscription *subscription = NULL;
    while ((subscription = TAILQ_FIRST(&topic->subscriptions)) != NULL) {
        TAILQ_REMOVE(&topic->subscriptions, subscription, of_topic);
        subscription->topic = NULL;
        set_orphan_settings(subscription);
    }
    mr_registry_remove(&emulator->topics, topic->name);
    topic_free(topic);
}

/* ---- subscriptions ---- */

/* Zeroed but for what every subscription has. One reference. */
static struct mr_subscription *subscription_new(struct mr_subscription_settings *settings,
                                                struct mr_topic *topic, struct mr_err *err)
{
    struct mr_subscription *subscription = calloc(1, sizeof *subscription);
    if (!subscription)
        return mr_fail_oom(err), NULL;
    subscription->name = strdup(settings->name);
    if (!subscription->name || mr_store_cond_init(&subscription->available, NULL) != MR_OK) {
        free(subscription->name);
        free(subscription);
        return mr_fail_oom(err), NULL;
    }
    subscription->refs = 1;
    subscription->resume.kind = MR_TIMER_SUBSCRIPTION;
    subscription->settings = mr_subscription_settings_ref(settings);
    subscription->topic = topic;
    TAILQ_INIT(&subscription->all);
    TAILQ_INIT(&subscription->ready);
    mr_push_window_init(&subscription->window);
    return subscription;
}

enum mr_status mr_subscription_add_locked(struct mr_pubsub_emulator *emulator,
                                          struct mr_subscription_settings *settings, struct mr_err *err)
{
    if (mr_registry_find(&emulator->subscriptions, settings->name))
        return exists_already(settings->name, err);
    struct mr_topic *topic = NULL;
    enum mr_status status = mr_topic_find_locked(emulator, settings->topic, &topic, err);
    if (!status)
        status = mr_timers_reserve(&emulator->timers, err);
    if (status)
        return status;
    struct mr_subscription *subscription = subscription_new(settings, topic, err);
    if (!subscription) {
        mr_timers_release(&emulator->timers);
        return MR_EXHAUSTED;
    }
    status = mr_registry_add(&emulator->subscriptions, subscription->name, subscription, err);
    if (status)
        mr_subscription_unref_locked(emulator, subscription);
    else
        TAILQ_INSERT_TAIL(&topic->subscriptions, subscription, of_topic);
    return status;
}

enum mr_status mr_subscription_find_locked(struct mr_pubsub_emulator *emulator, const char *name,
                                           struct mr_subscription **ret, struct mr_err *err)
{
    struct mr_subscription *subscription = mr_registry_find(&emulator->subscriptions, name);
    if (!subscription)
        return not_found(name, err);
    *ret = subscription;
    return MR_OK;
}

void mr_subscription_remove_locked(struct mr_pubsub_emulator *emulator, struct mr_subscription *subscription)
{
    subscription->deleted = true;
    mr_registry_remove(&emulator->subscriptions, subscription->name);
    if (subscription->topic)
        TAILQ_REMOVE(&subscription->topic->subscriptions, subscription, of_topic);
    subscription->topic = NULL;
    mr_timers_cancel(&emulator->timers, &subscription->resume);
    pthread_cond_broadcast(&subscription->available);
    mr_subscription_unref_locked(emulator, subscription);
}

void mr_subscription_unref_locked(struct mr_pubsub_emulator *emulator, struct mr_subscription *subscription)
{
    if (--subscription->refs > 0)
        return;
    mr_timers_cancel(&emulator->timers, &subscription->resume);
    mr_timers_release(&emulator->timers);
    pthread_cond_destroy(&subscription->available);
    mr_subscription_settings_unref(subscription->push_token_settings);
    free(subscription->push_token);
    free(subscription->name);
    mr_subscription_settings_unref(subscription->settings);
    free(subscription);
}

/* ---- the store ---- */

enum mr_status mr_store_cond_init(pthread_cond_t *cond, struct mr_err *err)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    int failed = pthread_cond_init(cond, &attributes);
    pthread_condattr_destroy(&attributes);
    return failed ? mr_fail_errno(err, MR_EXHAUSTED, failed, "pthread_cond_init") : MR_OK;
}

bool mr_store_wait_locked(struct mr_pubsub_emulator *emulator, pthread_cond_t *cond, int64_t due_us)
{
    struct timespec due = {.tv_sec = due_us / 1000000, .tv_nsec = due_us % 1000000 * 1000};
    return pthread_cond_timedwait(cond, &emulator->lock, &due) != ETIMEDOUT;
}

void mr_store_timer_set_locked(struct mr_pubsub_emulator *emulator, struct mr_timer *timer, int64_t due_us)
{
    mr_timers_set(&emulator->timers, timer, due_us);
    if (mr_timers_first(&emulator->timers) == timer)
        pthread_cond_signal(&emulator->clock_wake);
}

enum mr_status mr_store_init(struct mr_pubsub_emulator *emulator, struct mr_err *err)
{
    int failed = pthread_mutex_init(&emulator->lock, NULL);
    if (failed)
        return mr_fail_errno(err, MR_EXHAUSTED, failed, "pthread_mutex_init");
    enum mr_status status = mr_store_cond_init(&emulator->clock_wake, err);
    if (status)
        goto no_clock_wake;
    status = mr_store_cond_init(&emulator->push_wake, err);
    if (status)
        goto no_push_wake;
    /* Ids go on rising over a restart, as a reader that remembers them may expect. */
    emulator->last_message_id = mr_time_now_us();
    return MR_OK;
no_push_wake:
    pthread_cond_destroy(&emulator->clock_wake);
no_clock_wake:
    pthread_mutex_destroy(&emulator->lock);
    return status;
}

void mr_store_destroy(struct mr_pubsub_emulator *emulator)
{
    while (emulator->subscriptions.count)
        mr_subscription_remove_locked(emulator, emulator->subscriptions.entries[0].value);
    while (emulator->topics.count)
        mr_topic_remove_locked(emulator, emulator->topics.entries[0].value);
    mr_registry_free(&emulator->subscriptions);
    mr_registry_free(&emulator->topics);
    mr_timers_free(&emulator->timers);
    pthread_cond_destroy(&emulator->push_wake);
    pthread_cond_destroy(&emulator->clock_wake);
    pthread_mutex_destroy(&emulator->lock);
}
