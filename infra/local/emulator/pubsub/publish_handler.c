/* Publish: https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.topics/publish */
#include "infra/local/emulator/api/fields.h"
#include "infra/local/emulator/api/google_request.h"
#include "infra/local/emulator/pubsub/delivery.h"
#include "infra/local/emulator/pubsub/handlers.h"
#include "infra/local/emulator/pubsub/request.h"
#include "shared/base/clock.h"

enum { MESSAGES_MAX = 1000, PUBLISH_BYTES_MAX = 10 * 1000 * 1000 };

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

/* Checks the whole request, so that nothing is published if any of it is wrong. */
static enum mr_status check_publish(json_t *body, json_t **ret_messages, struct mr_err *err)
{
    struct publish_body in = {0};
    MR_TRY(em_fields_read(body, "", publish_fields, EM_COUNT(publish_fields), &in, err));
    size_t count = json_array_size(in.messages), size = 0;
    MR_TRY(em_check_range("number of messages", (int64_t)count, 1, MESSAGES_MAX, err));
    const char *ordering_key = ordering_key_of(json_array_get(in.messages, 0));
    for (size_t i = 0; i < count; i++) {
        json_t *message = json_array_get(in.messages, i);
        MR_TRY(em_message_check(message, &size, err));
        if (strcmp(ordering_key_of(message), ordering_key) != 0)
            return mr_fail(err, MR_INVALID, "All messages of one request need the same ordering key.");
    }
    if (size > PUBLISH_BYTES_MAX)
        return mr_fail(err, MR_INVALID, "Request payload size exceeds the limit: %d bytes.",
                       PUBLISH_BYTES_MAX);
    *ret_messages = in.messages;
    return MR_OK;
}

static enum mr_status publish_one_locked(struct em_pubsub *pubsub, struct em_topic *topic,
                                         const json_t *input, json_t *ids, struct mr_err *err)
{
    MR_AUTO(em_message) struct em_message *message = NULL;
    MR_TRY(em_message_new(input, ++pubsub->last_message_id, mr_time_now_us(), &message, err));
    MR_TRY(em_topic_deliver_locked(pubsub, topic, message, err));
    /* A copy: the message belongs to the pushers from here on. */
    if (json_array_append_new(ids, json_copy(json_object_get(message->body, "messageId"))) != 0)
        return mr_fail_oom(err);
    return MR_OK;
}

static enum mr_status publish_all_locked(struct em_pubsub *pubsub, struct em_topic *topic,
                                         const json_t *messages, json_t *ids, struct mr_err *err)
{
    for (size_t i = 0; i < json_array_size(messages); i++)
        MR_TRY(publish_one_locked(pubsub, topic, json_array_get(messages, i), ids, err));
    return MR_OK;
}

enum mr_status em_topic_publish(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_pubsub *pubsub = em_pubsub_of(app);
    MR_AUTO_JSON json_t *body = NULL;
    MR_AUTO_JSON json_t *ids = json_array();
    json_t *messages = NULL;
    struct em_topic *topic = NULL;
    if (!ids)
        return mr_fail_oom(err);
    MR_TRY(em_google_body(req, EM_PUBLISH_BODY_MAX, &body, err));
    MR_TRY(check_publish(body, &messages, err));
    MR_TRY(em_topic_lock(pubsub, req, &topic, err));
    enum mr_status status = publish_all_locked(pubsub, topic, messages, ids, err);
    em_pubsub_unlock(pubsub);
    if (status != MR_OK)
        return status;
    json_t *answer = json_pack("{s:O}", "messageIds", ids);
    return answer ? mr_respond_json(req, 200, answer, err) : mr_fail_oom(err);
}
