#include "infra/local/emulator/pubsub/pubsub.h"

#include "infra/local/emulator/pubsub/backlog.h"
#include "infra/local/emulator/pubsub/clock.h"
#include "infra/local/emulator/pubsub/handlers.h"
#include "infra/local/emulator/pubsub/pushers.h"
#include "infra/local/emulator/pubsub/subscription.h"
#include "infra/local/emulator/pubsub/topic.h"

#define TOPICS        "/v1/projects/{p}/topics"
#define SUBSCRIPTIONS "/v1/projects/{p}/subscriptions"

static const struct em_spoken rows[] = {
    {"pubsub.projects.topics.publish", "POST", TOPICS "/{t}:publish", em_topic_publish, EM_PUBLISH_BODY_MAX,
     EM_JSON_PARAMETERS},
    {"pubsub.projects.topics.testIamPermissions", "POST", TOPICS "/{t}:testIamPermissions",
     em_topic_test_permissions, EM_PUBSUB_BODY_MAX, EM_JSON_PARAMETERS},
    {"pubsub.projects.topics.create", "PUT", TOPICS "/{t}", em_topic_put, EM_PUBSUB_BODY_MAX,
     EM_JSON_PARAMETERS},
    {"pubsub.projects.topics.get", "GET", TOPICS "/{t}", em_topic_get, EM_PUBSUB_BODY_MAX,
     EM_JSON_PARAMETERS},
    {"pubsub.projects.topics.delete", "DELETE", TOPICS "/{t}", em_topic_delete, EM_PUBSUB_BODY_MAX,
     EM_JSON_PARAMETERS},
    {"pubsub.projects.topics.subscriptions.list", "GET", TOPICS "/{t}/subscriptions", em_topic_subscriptions,
     EM_PUBSUB_BODY_MAX, "pageSize pageToken " EM_JSON_PARAMETERS},
    {"pubsub.projects.topics.list", "GET", TOPICS, em_topic_list, EM_PUBSUB_BODY_MAX,
     "pageSize pageToken " EM_JSON_PARAMETERS},
    {"pubsub.projects.subscriptions.pull", "POST", SUBSCRIPTIONS "/{s}:pull", em_subscription_pull,
     EM_PUBSUB_BODY_MAX, EM_JSON_PARAMETERS},
    {"pubsub.projects.subscriptions.acknowledge", "POST", SUBSCRIPTIONS "/{s}:acknowledge",
     em_subscription_acknowledge, EM_PUBSUB_BODY_MAX, EM_JSON_PARAMETERS},
    {"pubsub.projects.subscriptions.modifyAckDeadline", "POST", SUBSCRIPTIONS "/{s}:modifyAckDeadline",
     em_subscription_modify_ack_deadline, EM_PUBSUB_BODY_MAX, EM_JSON_PARAMETERS},
    {"pubsub.projects.subscriptions.modifyPushConfig", "POST", SUBSCRIPTIONS "/{s}:modifyPushConfig",
     em_subscription_modify_push_config, EM_PUBSUB_BODY_MAX, EM_JSON_PARAMETERS},
    {"pubsub.projects.subscriptions.seek", "POST", SUBSCRIPTIONS "/{s}:seek", em_subscription_seek,
     EM_PUBSUB_BODY_MAX, EM_JSON_PARAMETERS},
    {"pubsub.projects.subscriptions.detach", "POST", SUBSCRIPTIONS "/{s}:detach", em_subscription_detach,
     EM_PUBSUB_BODY_MAX, EM_JSON_PARAMETERS},
    {"pubsub.projects.subscriptions.create", "PUT", SUBSCRIPTIONS "/{s}", em_subscription_put,
     EM_PUBSUB_BODY_MAX, EM_JSON_PARAMETERS},
    {"pubsub.projects.subscriptions.get", "GET", SUBSCRIPTIONS "/{s}", em_subscription_get,
     EM_PUBSUB_BODY_MAX, EM_JSON_PARAMETERS},
    {"pubsub.projects.subscriptions.patch", "PATCH", SUBSCRIPTIONS "/{s}", em_subscription_patch,
     EM_PUBSUB_BODY_MAX, EM_JSON_PARAMETERS},
    {"pubsub.projects.subscriptions.delete", "DELETE", SUBSCRIPTIONS "/{s}", em_subscription_delete,
     EM_PUBSUB_BODY_MAX, EM_JSON_PARAMETERS},
    {"pubsub.projects.subscriptions.list", "GET", SUBSCRIPTIONS, em_subscription_list, EM_PUBSUB_BODY_MAX,
     "pageSize pageToken " EM_JSON_PARAMETERS},
};

const struct em_spoken *em_pubsub_rows(size_t *ret_count)
{
    *ret_count = sizeof rows / sizeof *rows;
    return rows;
}

enum mr_status em_pubsub_new(const char *directory, struct mr_http_client *http, struct em_identity *identity,
                             const struct mr_log *log, struct em_pubsub **ret, struct mr_err *err)
{
    struct em_pubsub *pubsub = calloc(1, sizeof *pubsub);
    if (!pubsub)
        return mr_fail_oom(err);
    pubsub->directory = directory;
    pubsub->http = http;
    pubsub->identity = identity;
    pubsub->log = log;
    atomic_init(&pubsub->stopping, false);
    enum mr_status status = em_pubsub_state_init(pubsub, err);
    if (status != MR_OK) {
        free(pubsub);
        return status;
    }
    MR_AUTO(em_pubsub) struct em_pubsub *initialised = pubsub;
    MR_TRY(em_clock_start(pubsub, err));
    MR_TRY(em_pushers_start(pubsub, err));
    *ret = MR_TAKE(initialised);
    return MR_OK;
}

void em_pubsub_free(struct em_pubsub *pubsub)
{
    if (!pubsub)
        return;
    atomic_store(&pubsub->stopping, true);
    em_clock_join(pubsub);
    em_pushers_join(pubsub);
    while (pubsub->subscriptions.count) {
        struct em_subscription *subscription = pubsub->subscriptions.entries[0].value;
        em_subscription_clear_locked(pubsub, subscription);
        em_subscription_remove_locked(pubsub, subscription);
    }
    while (pubsub->topics.count)
        em_topic_remove_locked(pubsub, pubsub->topics.entries[0].value);
    em_pubsub_state_destroy(pubsub);
    free(pubsub);
}
