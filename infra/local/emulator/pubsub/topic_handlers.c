/* Handlers of topics: https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.topics */
#include "infra/local/emulator/api/fields.h"
#include "infra/local/emulator/api/google_request.h"
#include "infra/local/emulator/api/names.h"
#include "infra/local/emulator/pubsub/handlers.h"
#include "infra/local/emulator/pubsub/request.h"
#include "infra/local/emulator/pubsub/topic.h"

struct topic_body {
    json_t *labels;
};
static const struct em_field topic_fields[] = {
    {"name", em_read_ignored, 0},
    {"labels", em_read_strings, offsetof(struct topic_body, labels)},
    {"tags", em_read_unimplemented, 0},
    {"messageStoragePolicy", em_read_unimplemented, 0},
    {"kmsKeyName", em_read_unimplemented, 0},
    {"schemaSettings", em_read_unimplemented, 0},
    {"messageRetentionDuration", em_read_unimplemented, 0},
    {"ingestionDataSourceSettings", em_read_unimplemented, 0},
    {"messageTransforms", em_read_unimplemented, 0},
    {"state", em_read_ignored, 0},
    {"satisfiesPzs", em_read_ignored, 0},
};

static json_t *topic_resource(const void *value)
{
    return ((const struct em_topic *)value)->resource;
}

enum mr_status em_topic_put(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_pubsub *pubsub = em_pubsub_of(app);
    struct topic_body in = {0};
    MR_AUTO_JSON json_t *body = NULL;
    MR_AUTO_STR char *name = NULL;
    MR_TRY(em_resource_id_check(mr_request_param(req, "t"), err));
    MR_TRY(em_resource_name_of(req, "topics", "t", &name, err));
    MR_TRY(em_google_body(req, EM_PUBSUB_BODY_MAX, &body, err));
    MR_TRY(em_fields_read(body, "", topic_fields, EM_COUNT(topic_fields), &in, err));
    MR_AUTO_JSON json_t *resource = json_pack("{s:s,s:O*}", "name", name, "labels", in.labels);
    if (!resource)
        return mr_fail_oom(err);
    em_pubsub_lock(pubsub);
    enum mr_status status = em_topic_add_locked(pubsub, name, resource, err);
    em_pubsub_unlock(pubsub);
    if (status != MR_OK)
        return status;
    return mr_respond_json(req, 200, MR_TAKE(resource), err);
}

enum mr_status em_topic_get(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_pubsub *pubsub = em_pubsub_of(app);
    struct em_topic *topic = NULL;
    MR_TRY(em_topic_lock(pubsub, req, &topic, err));
    json_t *answer = json_deep_copy(topic->resource);
    em_pubsub_unlock(pubsub);
    return mr_respond_json(req, 200, answer, err);
}

/* Every caller has every permission on a topic that exists and, as with Google, none on one that does not. */
enum mr_status em_topic_test_permissions(void *app, struct mr_request *req, struct mr_err *err)
{
    static const struct em_field fields[] = {{"permissions", em_read_array, 0}};
    struct em_pubsub *pubsub = em_pubsub_of(app);
    struct em_topic *topic = NULL;
    MR_AUTO_JSON json_t *body = NULL;
    json_t *asked = NULL;
    MR_TRY(em_google_body(req, EM_PUBSUB_BODY_MAX, &body, err));
    MR_TRY(em_fields_read(body, "", fields, 1, &asked, err));
    bool exists = em_topic_lock(pubsub, req, &topic, NULL) == MR_OK;
    if (exists)
        em_pubsub_unlock(pubsub);
    return mr_respond_json(req, 200, json_pack("{s:O*}", "permissions", exists ? asked : NULL), err);
}

enum mr_status em_topic_list(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_pubsub *pubsub = em_pubsub_of(app);
    return em_respond_page(pubsub, req, &pubsub->topics, "topics", topic_resource, err);
}

enum mr_status em_topic_delete(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_pubsub *pubsub = em_pubsub_of(app);
    struct em_topic *topic = NULL;
    MR_TRY(em_topic_lock(pubsub, req, &topic, err));
    em_topic_remove_locked(pubsub, topic);
    em_pubsub_unlock(pubsub);
    return em_respond_empty_object(req, err);
}

/* Lists all on one page: a topic of this emulator has few subscriptions. */
enum mr_status em_topic_subscriptions(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_pubsub *pubsub = em_pubsub_of(app);
    struct em_topic *topic = NULL;
    MR_TRY(em_topic_lock(pubsub, req, &topic, err));
    MR_AUTO_JSON json_t *names = json_array();
    bool complete = names != NULL;
    struct em_subscription *subscription = NULL;
    TAILQ_FOREACH(subscription, &topic->subscriptions, of_topic)
    {
        complete = complete && json_array_append_new(names, json_string(subscription->name)) == 0;
    }
    em_pubsub_unlock(pubsub);
    if (!complete)
        return mr_fail_oom(err);
    return mr_respond_json(req, 200, json_pack("{s:O}", "subscriptions", names), err);
}
