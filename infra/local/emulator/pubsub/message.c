#include "infra/local/emulator/pubsub/message.h"

#include "infra/local/emulator/api/fields.h"
#include "shared/base/clock.h"
#include "shared/base/encoding.h"

#include <inttypes.h>

enum {
    ATTRIBUTES_MAX = 100,
    KEY_MAX = 256,
    VALUE_MAX = 1024,
    ORDERING_KEY_MAX = 1024,
    ID_TEXT_MAX = 24,
    MILLIS_LENGTH = 23, /* of "2021-02-26T19:13:55.749" */
};

struct input {
    const char *data;
    json_t *attributes;
    const char *ordering_key;
};

static const struct em_field input_fields[] = {
    {"data", em_read_string, offsetof(struct input, data)},
    {"attributes", em_read_strings, offsetof(struct input, attributes)},
    {"orderingKey", em_read_string, offsetof(struct input, ordering_key)},
    {"messageId", em_read_ignored, 0},
    {"publishTime", em_read_ignored, 0},
};

static enum mr_status check_attributes(const json_t *attributes, size_t *size, struct mr_err *err)
{
    if (json_object_size(attributes) > ATTRIBUTES_MAX)
        return mr_fail(err, MR_INVALID, "A message has at most %d attributes.", ATTRIBUTES_MAX);
    void *iter = json_object_iter((json_t *)(uintptr_t)attributes);
    for (; iter; iter = json_object_iter_next((json_t *)(uintptr_t)attributes, iter)) {
        const char *key = json_object_iter_key(iter);
        size_t key_len = strlen(key);
        size_t value_len = json_string_length(json_object_iter_value(iter));
        if (key_len == 0 || key_len > KEY_MAX || strncmp(key, "goog", 4) == 0)
            return mr_fail(err, MR_INVALID,
                           "An attribute's key has 1 to %d bytes and does not start with \"goog\".", KEY_MAX);
        if (value_len > VALUE_MAX)
            return mr_fail(err, MR_INVALID, "An attribute's value has at most %d bytes.", VALUE_MAX);
        *size += key_len + value_len;
    }
    return MR_OK;
}

enum mr_status em_message_check(json_t *input, size_t *size, struct mr_err *err)
{
    struct input in = {0};
    MR_TRY(em_fields_read(input, "messages", input_fields, EM_COUNT(input_fields), &in, err));
    size_t data_len = 0;
    if (in.data) {
        unsigned char *decoded = NULL;
        if (mr_base64_decode(in.data, strlen(in.data), &decoded, &data_len, err) != MR_OK)
            return mr_fail(err, MR_INVALID, "Invalid value at 'messages.data': Base64 decoding failed.");
        free(decoded);
    }
    if (data_len == 0 && json_object_size(in.attributes) == 0)
        return mr_fail(err, MR_INVALID, "A message needs non-empty data or at least one attribute.");
    size_t key_len = in.ordering_key ? strlen(in.ordering_key) : 0;
    if (key_len > ORDERING_KEY_MAX)
        return mr_fail(err, MR_INVALID, "An ordering key has at most %d bytes.", ORDERING_KEY_MAX);
    *size += data_len + key_len;
    return check_attributes(in.attributes, size, err);
}

/* The API answers with standard base64, whichever alphabet the publisher used. */
static enum mr_status canonical_data(const char *text, json_t **ret, struct mr_err *err)
{
    unsigned char *decoded = NULL;
    size_t len = 0;
    MR_TRY(mr_base64_decode(text, strlen(text), &decoded, &len, err));
    MR_AUTO_STR char *data = (char *)decoded;
    MR_AUTO_STR char *canonical = NULL;
    MR_TRY(mr_base64_encode(data, len, &canonical, err));
    *ret = json_string(canonical);
    return *ret ? MR_OK : mr_fail_oom(err);
}

/* Takes the reference of body, which may be NULL without memory. */
static enum mr_status message_of(json_t *body, int64_t id, int64_t now_us, struct em_message **ret,
                                 struct mr_err *err)
{
    struct em_message *message = body ? calloc(1, sizeof *message) : NULL;
    if (!message) {
        json_decref(body);
        return mr_fail_oom(err);
    }
    const char *key = json_string_value(json_object_get(body, "orderingKey"));
    *message = (struct em_message){.id = id,
                                   .publish_us = now_us - now_us % 1000,
                                   .size = json_string_length(json_object_get(body, "data")),
                                   .ordering_key = key ? key : "",
                                   .attributes = json_object_get(body, "attributes"),
                                   .body = body};
    atomic_init(&message->refs, 1);
    *ret = message;
    return MR_OK;
}

/* Takes the references of data and attributes (both may be NULL). */
static enum mr_status message_make(json_t *data, json_t *attributes, const char *ordering_key, int64_t id,
                                   int64_t now_us, struct em_message **ret, struct mr_err *err)
{
    char id_text[ID_TEXT_MAX];
    char time_text[MR_TIME_TEXT_MAX];
    snprintf(id_text, sizeof id_text, "%" PRId64, id);
    mr_time_format(now_us, time_text);
    snprintf(time_text + MILLIS_LENGTH, sizeof time_text - MILLIS_LENGTH, "Z");

    json_t *body = json_pack("{s:o*,s:o*,s:s,s:s,s:s*}", "data", data, "attributes", attributes, "messageId",
                             id_text, "publishTime", time_text, "orderingKey",
                             ordering_key && *ordering_key ? ordering_key : NULL);
    return message_of(body, id, now_us, ret, err);
}

enum mr_status em_message_restore(const char *text, int64_t publish_us, struct em_message **ret,
                                  struct mr_err *err)
{
    json_t *body = json_loads(text, 0, NULL);
    int64_t id = 0;
    const char *id_text = json_string_value(json_object_get(body, "messageId"));
    if (id_text && !mr_parse_int64(id_text, 0, INT64_MAX, &id))
        id = 0;
    return message_of(body, id, publish_us, ret, err);
}

enum mr_status em_message_new(const json_t *input, int64_t id, int64_t now_us, struct em_message **ret,
                              struct mr_err *err)
{
    const char *text = json_string_value(json_object_get(input, "data"));
    json_t *data = NULL;
    if (text && *text)
        MR_TRY(canonical_data(text, &data, err));
    json_t *attributes = json_object_get(input, "attributes");
    const char *ordering_key = json_string_value(json_object_get(input, "orderingKey"));
    return message_make(data, json_object_size(attributes) ? json_deep_copy(attributes) : NULL, ordering_key,
                        id, now_us, ret, err);
}

/* Splits "projects/P/subscriptions/S"; the project is malloc'ed, the id borrowed. */
static char *split_subscription(const char *name, const char **ret_id)
{
    const char *project = strchr(name, '/') + 1;
    *ret_id = strrchr(name, '/') + 1;
    return strndup(project, (size_t)(strchr(project, '/') - project));
}

enum mr_status em_message_new_dead_letter(const struct em_message *from,
                                          const struct em_dead_letter_source *source, int64_t id,
                                          int64_t now_us, struct em_message **ret, struct mr_err *err)
{
    char count[ID_TEXT_MAX];
    char published[MR_TIME_TEXT_MAX + sizeof "+00:00"];
    snprintf(count, sizeof count, "%" PRId64, source->delivery_count);
    mr_time_format(from->publish_us, published);
    snprintf(published + MILLIS_LENGTH, sizeof published - MILLIS_LENGTH, "+00:00");
    const char *subscription = NULL;
    MR_AUTO_STR char *project = split_subscription(source->subscription, &subscription);

    MR_AUTO_JSON json_t *added =
        json_pack("{s:s,s:s,s:s,s:s}", "CloudPubSubDeadLetterSourceDeliveryCount", count,
                  "CloudPubSubDeadLetterSourceSubscription", subscription,
                  "CloudPubSubDeadLetterSourceSubscriptionProject", project ? project : "",
                  "CloudPubSubDeadLetterSourceTopicPublishTime", published);
    json_t *attributes = from->attributes ? json_deep_copy(from->attributes) : json_object();
    if (!project || !added || !attributes || json_object_update(attributes, added) != 0) {
        json_decref(attributes);
        return mr_fail_oom(err);
    }
    json_t *data = json_object_get(from->body, "data");
    return message_make(json_deep_copy(data), attributes, from->ordering_key, id, now_us, ret, err);
}

struct em_message *em_message_ref(struct em_message *message)
{
    atomic_fetch_add_explicit(&message->refs, 1, memory_order_relaxed);
    return message;
}

void em_message_unref(struct em_message *message)
{
    if (!message || atomic_fetch_sub_explicit(&message->refs, 1, memory_order_acq_rel) != 1)
        return;
    json_decref(message->body);
    free(message);
}
