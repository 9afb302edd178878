#include "infra/local/emulator/pubsub/pubsub.h"

#include "infra/local/emulator/pubsub/clock.h"
#include "infra/local/emulator/pubsub/delivery.h"
#include "infra/local/emulator/pubsub/fields.h"
#include "infra/local/emulator/pubsub/handlers.h"
#include "infra/local/emulator/pubsub/push.h"

#define TOPICS        "/v1/projects/{p}/topics"
#define SUBSCRIPTIONS "/v1/projects/{p}/subscriptions"

static const struct mr_route routes[] = {
    {"POST", TOPICS "/{t}:publish", em_topic_publish, EM_PUBLISH_BODY_MAX, 0},
    {"POST", TOPICS "/{t}:testIamPermissions", em_topic_test_permissions, EM_PUBSUB_BODY_MAX, 0},
    {"PUT", TOPICS "/{t}", em_topic_put, EM_PUBSUB_BODY_MAX, 0},
    {"GET", TOPICS "/{t}", em_topic_get, EM_PUBSUB_BODY_MAX, 0},
    {"DELETE", TOPICS "/{t}", em_topic_delete, EM_PUBSUB_BODY_MAX, 0},
    {"GET", TOPICS "/{t}/subscriptions", em_topic_subscriptions, EM_PUBSUB_BODY_MAX, 0},
    {"GET", TOPICS, em_topic_list, EM_PUBSUB_BODY_MAX, 0},
    {"POST", SUBSCRIPTIONS "/{s}:pull", em_subscription_pull, EM_PUBSUB_BODY_MAX, 0},
    {"POST", SUBSCRIPTIONS "/{s}:acknowledge", em_subscription_acknowledge, EM_PUBSUB_BODY_MAX, 0},
    {"POST", SUBSCRIPTIONS "/{s}:modifyAckDeadline", em_subscription_modify_ack_deadline, EM_PUBSUB_BODY_MAX,
     0},
    {"POST", SUBSCRIPTIONS "/{s}:modifyPushConfig", em_subscription_modify_push_config, EM_PUBSUB_BODY_MAX,
     0},
    {"POST", SUBSCRIPTIONS "/{s}:seek", em_subscription_seek, EM_PUBSUB_BODY_MAX, 0},
    {"POST", SUBSCRIPTIONS "/{s}:detach", em_subscription_detach, EM_PUBSUB_BODY_MAX, 0},
    {"PUT", SUBSCRIPTIONS "/{s}", em_subscription_put, EM_PUBSUB_BODY_MAX, 0},
    {"GET", SUBSCRIPTIONS "/{s}", em_subscription_get, EM_PUBSUB_BODY_MAX, 0},
    {"PATCH", SUBSCRIPTIONS "/{s}", em_subscription_patch, EM_PUBSUB_BODY_MAX, 0},
    {"DELETE", SUBSCRIPTIONS "/{s}", em_subscription_delete, EM_PUBSUB_BODY_MAX, 0},
    {"GET", SUBSCRIPTIONS, em_subscription_list, EM_PUBSUB_BODY_MAX, 0},
};

const struct mr_route *em_pubsub_routes(size_t *ret_count)
{
    *ret_count = sizeof routes / sizeof *routes;
    return routes;
}

enum mr_status em_pubsub_new(struct mr_http_client *http, struct em_identity *identity,
                             const struct mr_log *log, struct em_pubsub **ret, struct mr_err *err)
{
    struct em_pubsub *pubsub = calloc(1, sizeof *pubsub);
    if (!pubsub)
        return mr_fail_oom(err);
    pubsub->http = http;
    pubsub->identity = identity;
    pubsub->log = log;
    atomic_init(&pubsub->stopping, false);
    enum mr_status status = em_pubsub_state_init(pubsub, err);
    if (status) {
        free(pubsub);
        return status;
    }
    status = em_clock_start(pubsub, err);
    if (!status)
        status = em_pushers_start(pubsub, err);
    if (status)
        em_pubsub_free(pubsub);
    else
        *ret = pubsub;
    return status;
}

void em_pubsub_free(struct em_pubsub *pubsub)
{
    if (!pubsub)
        return;
    atomic_store(&pubsub->stopping, true);
    em_clock_join(pubsub);
    em_pushers_join(pubsub);
    for (size_t i = 0; i < pubsub->subscriptions.count; i++)
        em_subscription_clear_locked(pubsub, pubsub->subscriptions.entries[i].value);
    em_pubsub_state_destroy(pubsub);
    free(pubsub);
}

enum mr_status em_respond_empty_object(struct mr_request *req, struct mr_err *err)
{
    return mr_respond_json(req, 200, json_object(), err);
}

enum mr_status em_topic_lock(struct em_pubsub *pubsub, const struct mr_request *req, struct em_topic **ret,
                             struct mr_err *err)
{
    MR_AUTO_STR char *name = NULL;
    MR_TRY(em_resource_name_of(req, "topics", "t", &name, err));
    em_pubsub_lock(pubsub);
    enum mr_status status = em_topic_find_locked(pubsub, name, ret, err);
    if (status)
        em_pubsub_unlock(pubsub);
    return status;
}

enum mr_status em_subscription_lock(struct em_pubsub *pubsub, const struct mr_request *req,
                                    struct em_subscription **ret, struct mr_err *err)
{
    MR_AUTO_STR char *name = NULL;
    MR_TRY(em_resource_name_of(req, "subscriptions", "s", &name, err));
    em_pubsub_lock(pubsub);
    enum mr_status status = em_subscription_find_locked(pubsub, name, ret, err);
    if (status)
        em_pubsub_unlock(pubsub);
    return status;
}

enum mr_status em_respond_page(struct em_pubsub *pubsub, struct mr_request *req,
                               const struct em_registry *registry, const char *collection,
                               em_resource_of *resource_of, struct mr_err *err)
{
    struct em_page page;
    MR_AUTO_STR char *prefix = NULL;
    MR_TRY(em_page_of(req, &page, err));
    if (asprintf(&prefix, "projects/%s/%s/", mr_request_param(req, "p"), collection) < 0)
        return mr_fail_oom(err);
    json_t *items = json_array();
    const char *last = "";
    json_t *answer = json_pack("{s:o*}", collection, items);
    bool ok = answer != NULL;
    const char *start = strcmp(page.after, prefix) > 0 ? page.after : prefix;

    em_pubsub_lock(pubsub);
    size_t i = em_registry_after(registry, start);
    for (; ok && i < registry->count && json_array_size(items) < page.size; i++) {
        last = registry->entries[i].name;
        if (strncmp(last, prefix, strlen(prefix)) != 0)
            break;
        ok = json_array_append_new(items, json_deep_copy(resource_of(registry->entries[i].value))) == 0;
    }
    if (ok && i < registry->count && json_array_size(items) == page.size &&
        strncmp(registry->entries[i].name, prefix, strlen(prefix)) == 0)
        ok = json_object_set_new(answer, "nextPageToken", json_string(last)) == 0;
    em_pubsub_unlock(pubsub);

    if (!ok) {
        json_decref(answer);
        return mr_fail_oom(err);
    }
    if (json_array_size(items) == 0)
        json_object_del(answer, collection); /* as Google: an empty list is an absent one */
    return mr_respond_json(req, 200, answer, err);
}
