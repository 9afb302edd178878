#include "infra/local/emulator/pubsub/delivery.h"
#include "infra/local/emulator/pubsub/fields.h"
#include "infra/local/emulator/pubsub/handlers.h"
#include "shared/base/encoding.h"

#include <inttypes.h>

enum {
    MESSAGES_MAX = 1000,
    PUBLISH_BYTES_MAX = 10 * 1000 * 1000,
    ID_TEXT_MAX = 24,
};

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
    MR_TRY(
        em_pubsub_fields_read(body, "", topic_fields, sizeof topic_fields / sizeof *topic_fields, &in, err));
    MR_AUTO_JSON json_t *given = json_pack("{s:s,s:O*}", "name", name, "labels", in.labels);
    json_t *resource = json_deep_copy(given);
    if (!resource)
        return mr_fail_oom(err);
    json_t *answer = json_deep_copy(given);
    em_pubsub_lock(pubsub);
    enum mr_status status = em_topic_add_locked(pubsub, name, resource, err);
    em_pubsub_unlock(pubsub);
    if (!status)
        return mr_respond_json(req, 200, answer, err);
    json_decref(answer);
    return status;
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

/* Everybody may do everything here. Of a topic that does not exist nobody may anything, as with Google. */
enum mr_status em_topic_test_permissions(void *app, struct mr_request *req, struct mr_err *err)
{
    static const struct em_field fields[] = {{"permissions", em_read_array, 0}};
    struct em_pubsub *pubsub = em_pubsub_of(app);
    struct em_topic *topic = NULL;
    MR_AUTO_JSON json_t *body = NULL;
    json_t *asked = NULL;
    MR_TRY(em_google_body(req, EM_PUBSUB_BODY_MAX, &body, err));
    MR_TRY(em_pubsub_fields_read(body, "", fields, 1, &asked, err));
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

/* All of them on one page: a topic of this emulator has few. */
enum mr_status em_topic_subscriptions(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_pubsub *pubsub = em_pubsub_of(app);
    struct em_topic *topic = NULL;
    MR_TRY(em_topic_lock(pubsub, req, &topic, err));
    json_t *names = json_array();
    bool ok = names != NULL;
    struct em_subscription *subscription = NULL;
    TAILQ_FOREACH(subscription, &topic->subscriptions, of_topic)
    {
        ok = ok && json_array_append_new(names, json_string(subscription->name)) == 0;
    }
    em_pubsub_unlock(pubsub);
    json_t *answer = ok ? json_pack("{s:O}", "subscriptions", names) : NULL;
    json_decref(names);
    return answer ? mr_respond_json(req, 200, answer, err) : mr_fail_oom(err);
}

/* ---- publish ---- */

struct publish_body {
    json_t *messages;
};
static const struct em_field publish_fields[] = {
    {"messages", em_read_array, offsetof(struct publish_body, messages)},
};

static const char *ordering_key_of(const json_t *input)
{
    const char *key = json_string_value(json_object_get(input, "orderingKey"));
    return key ? key : "";
}

/* The whole request is checked before anything of it is published. */
static enum mr_status check_publish(json_t *body, json_t **ret_messages, struct mr_err *err)
{
    struct publish_body in = {0};
    enum mr_status status = em_pubsub_fields_read(body, "", publish_fields, 1, &in, err);
    if (!status)
        status =
            em_check_range("number of messages", (int64_t)json_array_size(in.messages), 1, MESSAGES_MAX, err);
    size_t size = 0;
    for (size_t i = 0; !status && i < json_array_size(in.messages); i++) {
        json_t *message = json_array_get(in.messages, i);
        status = em_message_check(message, &size, err);
        if (!status && strcmp(ordering_key_of(message), ordering_key_of(json_array_get(in.messages, 0))) != 0)
            status = mr_fail(err, MR_INVALID, "All messages of one request need the same ordering key.");
    }
    if (!status && size > PUBLISH_BYTES_MAX)
        status =
            mr_fail(err, MR_INVALID, "Request payload size exceeds the limit: %d bytes.", PUBLISH_BYTES_MAX);
    if (!status)
        *ret_messages = in.messages;
    return status;
}

static enum mr_status publish_one_locked(struct em_pubsub *pubsub, struct em_topic *topic,
                                         const json_t *input, json_t *ids, struct mr_err *err)
{
    MR_AUTO(em_message) struct em_message *message = NULL;
    MR_TRY(em_message_new(input, ++pubsub->last_message_id, mr_time_now_us(), &message, err));
    MR_TRY(em_topic_deliver_locked(pubsub, topic, message, err));
    if (json_array_append(ids, json_object_get(message->body, "messageId")) != 0)
        return mr_fail_oom(err);
    return MR_OK;
}

enum mr_status em_topic_publish(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_pubsub *pubsub = em_pubsub_of(app);
    MR_AUTO_JSON json_t *body = NULL;
    json_t *messages = NULL;
    struct em_topic *topic = NULL;
    MR_TRY(em_google_body(req, EM_PUBLISH_BODY_MAX, &body, err));
    MR_TRY(check_publish(body, &messages, err));
    json_t *ids = json_array();
    json_t *answer = json_pack("{s:o*}", "messageIds", ids);
    if (!ids || !answer) {
        json_decref(answer);
        return mr_fail_oom(err);
    }
    enum mr_status status = em_topic_lock(pubsub, req, &topic, err);
    if (!status) {
        for (size_t i = 0; !status && i < json_array_size(messages); i++)
            status = publish_one_locked(pubsub, topic, json_array_get(messages, i), ids, err);
        em_pubsub_unlock(pubsub);
    }
    if (!status)
        return mr_respond_json(req, 200, answer, err);
    json_decref(answer);
    return status;
}
