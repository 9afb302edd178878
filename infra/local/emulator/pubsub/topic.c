#include "infra/local/emulator/pubsub/topic.h"

enum mr_status em_resource_exists(const char *name, struct mr_err *err)
{
    return mr_fail(err, MR_CONFLICT, "Resource already exists in the project (resource=%s).",
                   strrchr(name, '/') + 1);
}

enum mr_status em_resource_not_found(const char *name, struct mr_err *err)
{
    const char *slash = strrchr(name, '/');
    return mr_fail(err, MR_NOT_FOUND, "Resource not found (resource=%s).", slash ? slash + 1 : name);
}

static void topic_free(struct em_topic *topic)
{
    if (!topic)
        return;
    free(topic->name);
    json_decref(topic->resource);
    free(topic);
}

static void topic_cleanup(struct em_topic **topic)
{
    topic_free(*topic);
}

enum mr_status em_topic_add_locked(struct em_pubsub *pubsub, const char *name, const json_t *resource,
                                   struct mr_err *err)
{
    if (em_registry_find(&pubsub->topics, name))
        return em_resource_exists(name, err);
    MR_AUTO(topic) struct em_topic *topic = calloc(1, sizeof *topic);
    if (!topic)
        return mr_fail_oom(err);
    TAILQ_INIT(&topic->subscriptions);
    topic->name = strdup(name);
    topic->resource = json_deep_copy(resource);
    if (!topic->name || !topic->resource)
        return mr_fail_oom(err);
    MR_TRY(em_registry_add(&pubsub->topics, topic->name, topic, err));
    (void)MR_TAKE(topic);
    return MR_OK;
}

enum mr_status em_topic_find_locked(struct em_pubsub *pubsub, const char *name, struct em_topic **ret,
                                    struct mr_err *err)
{
    struct em_topic *topic = em_registry_find(&pubsub->topics, name);
    if (!topic)
        return em_resource_not_found(name, err);
    *ret = topic;
    return MR_OK;
}

/* Names "_deleted-topic_" in the resource of an orphaned subscription. Without memory it keeps the old name. */
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
