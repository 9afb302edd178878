#include "infra/local/emulator/pubsub/pubsub.h"

#include "infra/local/emulator/pubsub/clock.h"
#include "infra/local/emulator/pubsub/delivery.h"
#include "infra/local/emulator/pubsub/fields.h"
#include "infra/local/emulator/pubsub/handlers.h"
#include "infra/local/emulator/pubsub/push.h"

#define TOPICS        "/v1/projects/{p}/topics"
#define SUBSCRIPTIONS "/v1/projects/{p}/subscriptions"

static const struct mr_route routes[] = {
    {"POST", TOPICS "/{t}:publish", mr_topic_publish, MR_PUBLISH_BODY_MAX, 0},
    {"POST", TOPICS "/{t}:testIamPermissions", mr_topic_test_permissions, MR_PUBSUB_BODY_MAX, 0},
    {"PUT", TOPICS "/{t}", mr_topic_put, MR_PUBSUB_BODY_MAX, 0},
    {"GET", TOPICS "/{t}", mr_topic_get, MR_PUBSUB_BODY_MAX, 0},
    {"DELETE", TOPICS "/{t}", mr_topic_delete, MR_PUBSUB_BODY_MAX, 0},
    {"GET", TOPICS "/{t}/subscriptions", mr_topic_subscriptions, MR_PUBSUB_BODY_MAX, 0},
    {"GET", TOPICS, mr_topic_list, MR_PUBSUB_BODY_MAX, 0},
    {"POST", SUBSCRIPTIONS "/{s}:pull", mr_subscription_pull, MR_PUBSUB_BODY_MAX, 0},
    {"POST", SUBSCRIPTIONS "/{s}:acknowledge", mr_subscription_acknowledge, MR_PUBSUB_BODY_MAX, 0},
    {"POST", SUBSCRIPTIONS "/{s}:modifyAckDeadline", mr_subscription_modify_ack_deadline, MR_PUBSUB_BODY_MAX,
     0},
    {"POST", SUBSCRIPTIONS "/{s}:modifyPushConfig", mr_subscription_modify_push_config, MR_PUBSUB_BODY_MAX,
     0},
    {"POST", SUBSCRIPTIONS "/{s}:seek", mr_subscription_seek, MR_PUBSUB_BODY_MAX, 0},
    {"POST", SUBSCRIPTIONS "/{s}:detach", mr_subscription_detach, MR_PUBSUB_BODY_MAX, 0},
    {"PUT", SUBSCRIPTIONS "/{s}", mr_subscription_put, MR_PUBSUB_BODY_MAX, 0},
    {"GET", SUBSCRIPTIONS "/{s}", mr_subscription_get, MR_PUBSUB_BODY_MAX, 0},
    {"PATCH", SUBSCRIPTIONS "/{s}", mr_subscription_patch, MR_PUBSUB_BODY_MAX, 0},
    {"DELETE", SUBSCRIPTIONS "/{s}", mr_subscription_delete, MR_PUBSUB_BODY_MAX, 0},
    {"GET", SUBSCRIPTIONS, mr_subscription_list, MR_PUBSUB_BODY_MAX, 0},
};

const struct mr_route *mr_pubsub_emulator_routes(size_t *ret_count)
{
    *ret_count = sizeof routes / sizeof *routes;
    return routes;
}

enum mr_status mr_pubsub_emulator_new(struct mr_http_client *http, struct mr_identity *identity,
                                      const struct mr_log *log, struct mr_pubsub_emulator **ret,
                                      struct mr_err *err)
{
    struct mr_pubsub_emulator *emulator = calloc(1, sizeof *emulator);
    if (!emulator)
        return mr_fail_oom(err);
    emulator->http = http;
    emulator->identity = identity;
    emulator->log = log;
    atomic_init(&emulator->stopping, false);
    enum mr_status status = mr_store_init(emulator, err);
    if (status) {
        free(emulator);
        return status;
    }
    status = mr_clock_start(emulator, err);
    if (!status)
        status = mr_pushers_start(emulator, err);
    if (status)
        mr_pubsub_emulator_free(emulator);
    else
        *ret = emulator;
    return status;
}

void mr_pubsub_emulator_free(struct mr_pubsub_emulator *emulator)
{
    if (!emulator)
        return;
    atomic_store(&emulator->stopping, true);
    mr_clock_join(emulator);
    mr_pushers_join(emulator);
    for (size_t i = 0; i < emulator->subscriptions.count; i++)
        mr_subscription_clear_locked(emulator, emulator->subscriptions.entries[i].value);
    mr_store_destroy(emulator);
    free(emulator);
}

enum mr_status mr_respond_empty_object(struct mr_request *req, struct mr_err *err)
{
    return mr_respond_json(req, 200, json_object(), err);
}

enum mr_status mr_topic_lock(struct mr_pubsub_emulator *emulator, const struct mr_request *req,
                             struct mr_topic **ret, struct mr_err *err)
{
    MR_AUTO_STR char *name = NULL;
    enum mr_status status = mr_resource_name_of(req, "topics", "t", &name, err);
    if (status)
        return status;
    mr_store_lock(emulator);
    status = mr_topic_find_locked(emulator, name, ret, err);
    if (status)
        mr_store_unlock(emulator);
    return status;
}

enum mr_status mr_subscription_lock(struct mr_pubsub_emulator *emulator, const struct mr_request *req,
                                    struct mr_subscription **ret, struct mr_err *err)
{
    MR_AUTO_STR char *name = NULL;
    enum mr_status status = mr_resource_name_of(req, "subscriptions", "s", &name, err);
    if (status)
        return status;
    mr_store_lock(emulator);
    status = mr_subscription_find_locked(emulator, name, ret, err);
    if (status)
        mr_store_unlock(emulator);
    return status;
}

enum mr_status mr_respond_page(struct mr_pubsub_emulator *emulator, struct mr_request *req,
                               const struct mr_registry *registry, const char *collection,
                               mr_resource_of *resource_of, struct mr_err *err)
{
    struct mr_page page;
    MR_AUTO_STR char *prefix = NULL;
    enum mr_status status = mr_page_of(req, &page, err);
    if (status)
        return status;
    if (asprintf(&prefix, "projects/%s/%s/", mr_request_param(req, "p"), collection) < 0)
        return mr_fail_oom(err);
    json_t *items = json_array();
    const char *last = "";
    json_t *answer = json_pack("{s:o*}", collection, items);
    bool ok = answer != NULL;
    const char *start = strcmp(page.after, prefix) > 0 ? page.after : prefix;

    mr_store_lock(emulator);
    size_t i = mr_registry_after(registry, start);
    for (; ok && i < registry->count && json_array_size(items) < page.size; i++) {
        last = registry->entries[i].name;
        if (strncmp(last, prefix, strlen(prefix)) != 0)
            break;
        ok = json_array_append_new(items, json_deep_copy(resource_of(registry->entries[i].value))) == 0;
    }
    if (ok && i < registry->count && json_array_size(items) == page.size &&
        strncmp(registry->entries[i].name, prefix, strlen(prefix)) == 0)
        ok = json_object_set_new(answer, "nextPageToken", json_string(last)) == 0;
    mr_store_unlock(emulator);

    if (!ok) {
        json_decref(answer);
        return mr_fail_oom(err);
    }
    if (json_array_size(items) == 0)
        json_object_del(answer, collection); /* as Google: an empty list is an absent one */
    return mr_respond_json(req, 200, answer, err);
}
