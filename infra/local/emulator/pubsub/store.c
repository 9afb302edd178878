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

static void topic_free(struct em_topic *topic)
{
    free(topic->name);
    json_decref(topic->resource);
    free(topic);
}

enum mr_status em_topic_add_locked(struct em_pubsub *pubsub, const char *name, json_t *resource,
                                   struct mr_err *err)
{
    if (em_registry_find(&pubsub->topics, name)) {
        json_decref(resource);
        return exists_already(name, err);
    }
    struct em_topic *topic = calloc(1, sizeof *topic);
    if (!topic) {
        json_decref(resource);
        return mr_fail_oom(err);
    }
    topic->resource = resource;
    TAILQ_INIT(&topic->subscriptions);
    topic->name = strdup(name);
    enum mr_status status =
        topic->name ? em_registry_add(&pubsub->topics, topic->name, topic, err) : mr_fail_oom(err);
    if (status)
        topic_free(topic);
    return status;
}

enum mr_status em_topic_find_locked(struct em_pubsub *pubsub, const char *name, struct em_topic **ret,
                                    struct mr_err *err)
{
    struct em_topic *topic = em_registry_find(&pubsub->topics, name);
    if (!topic)
        return not_found(name, err);
    *ret = topic;
    return MR_OK;
}

/* An orphan's resource says so. Without memory it goes on naming the topic that was. */
static void set_orphan_settings(struct em_subscription *subscription)
{
    MR_AUTO_JSON json_t *resource = json_deep_copy(subscription->settings->resource);
    struct em_subscription_settings *settings = NULL;
    if (!resource || json_object_set_new(resource, "topic", json_string("_deleted-topic_")) != 0 ||
        em_subscription_settings_new(subscription->name, resource, &settings, NULL) != MR_OK)
        return;
    em_subscription_settings_unref(subscription->settings);
    subscription->settings = settings;
}

void em_topic_remove_locked(struct em_pubsub *pubsub, struct em_topic *topic)
{
    struct em_subscription *subscription = NULL;
    while ((subscription = TAILQ_FIRST(&topic->subscriptions)) != NULL) {
        TAILQ_REMOVE(&topic->subscriptions, subscription, of_topic);
        subscription->topic = NULL;
        set_orphan_settings(subscription);
    }
    em_registry_remove(&pubsub->topics, topic->name);
    topic_free(topic);
}

/* ---- subscriptions ---- */

/* Zeroed but for what every subscription has. One reference. */
static struct em_subscription *subscription_new(struct em_subscription_settings *settings,
                                                struct em_topic *topic, struct mr_err *err)
{
    struct em_subscription *subscription = calloc(1, sizeof *subscription);
    if (!subscription)
        return mr_fail_oom(err), NULL;
    subscription->name = strdup(settings->name);
    if (!subscription->name || em_pubsub_cond_init(&subscription->available, NULL) != MR_OK) {
        free(subscription->name);
        free(subscription);
        return mr_fail_oom(err), NULL;
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
        return exists_already(settings->name, err);
    struct em_topic *topic = NULL;
    MR_TRY(em_topic_find_locked(pubsub, settings->topic, &topic, err));
    MR_TRY(em_timers_reserve(&pubsub->timers, err));
    struct em_subscription *subscription = subscription_new(settings, topic, err);
    if (!subscription) {
        em_timers_release(&pubsub->timers);
        return MR_EXHAUSTED;
    }
    enum mr_status status = em_registry_add(&pubsub->subscriptions, subscription->name, subscription, err);
    if (status)
        em_subscription_unref_locked(pubsub, subscription);
    else
        TAILQ_INSERT_TAIL(&topic->subscriptions, subscription, of_topic);
    return status;
}

enum mr_status em_subscription_find_locked(struct em_pubsub *pubsub, const char *name,
                                           struct em_subscription **ret, struct mr_err *err)
{
    struct em_subscription *subscription = em_registry_find(&pubsub->subscriptions, name);
    if (!subscription)
        return not_found(name, err);
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
    pthread_cond_destroy(&subscription->available);
    em_subscription_settings_unref(subscription->push_token_settings);
    free(subscription->push_token);
    free(subscription->name);
    em_subscription_settings_unref(subscription->settings);
    free(subscription);
}

/* ---- the store ---- */

enum mr_status em_pubsub_cond_init(pthread_cond_t *cond, struct mr_err *err)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    int failed = pthread_cond_init(cond, &attributes);
    pthread_condattr_destroy(&attributes);
    return failed ? mr_fail_errno(err, MR_EXHAUSTED, failed, "pthread_cond_init") : MR_OK;
}

bool em_pubsub_wait_locked(struct em_pubsub *pubsub, pthread_cond_t *cond, int64_t due_us)
{
    struct timespec due = {.tv_sec = due_us / 1000000, .tv_nsec = due_us % 1000000 * 1000};
    return pthread_cond_timedwait(cond, &pubsub->lock, &due) != ETIMEDOUT;
}

void em_pubsub_timer_set_locked(struct em_pubsub *pubsub, struct em_timer *timer, int64_t due_us)
{
    em_timers_set(&pubsub->timers, timer, due_us);
    if (em_timers_first(&pubsub->timers) == timer)
        pthread_cond_signal(&pubsub->clock_wake);
}

enum mr_status em_pubsub_state_init(struct em_pubsub *pubsub, struct mr_err *err)
{
    int failed = pthread_mutex_init(&pubsub->lock, NULL);
    if (failed)
        return mr_fail_errno(err, MR_EXHAUSTED, failed, "pthread_mutex_init");
    enum mr_status status = em_pubsub_cond_init(&pubsub->clock_wake, err);
    if (status)
        goto no_clock_wake;
    status = em_pubsub_cond_init(&pubsub->push_wake, err);
    if (status)
        goto no_push_wake;
    /* Ids go on rising over a restart, as a reader that remembers them may expect. */
    pubsub->last_message_id = mr_time_now_us();
    return MR_OK;
no_push_wake:
    pthread_cond_destroy(&pubsub->clock_wake);
no_clock_wake:
    pthread_mutex_destroy(&pubsub->lock);
    return status;
}

void em_pubsub_state_destroy(struct em_pubsub *pubsub)
{
    while (pubsub->subscriptions.count)
        em_subscription_remove_locked(pubsub, pubsub->subscriptions.entries[0].value);
    while (pubsub->topics.count)
        em_topic_remove_locked(pubsub, pubsub->topics.entries[0].value);
    em_registry_free(&pubsub->subscriptions);
    em_registry_free(&pubsub->topics);
    em_timers_free(&pubsub->timers);
    pthread_cond_destroy(&pubsub->push_wake);
    pthread_cond_destroy(&pubsub->clock_wake);
    pthread_mutex_destroy(&pubsub->lock);
}
