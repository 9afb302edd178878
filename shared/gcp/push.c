#include "shared/gcp/push.h"

#include "shared/base/encoding.h"

#include <time.h>

static enum mr_status bad(struct mr_err *err, const char *what)
{
    return mr_fail_code(err, MR_CODE_NOT_AN_ENVELOPE, "body must be a Pub/Sub push envelope: %s", what);
}

static enum mr_status read_data(const json_t *message, struct mr_push *push, struct mr_err *err)
{
    const json_t *data = json_object_get(message, "data");
    if (data && !json_is_string(data))
        return bad(err, "message.data must be a string");
    unsigned char *bytes = NULL;
    const char *text = data ? json_string_value(data) : "";
    if (mr_base64_decode(text, strlen(text), &bytes, &push->data_len, err) != MR_OK)
        return err && err->status == MR_EXHAUSTED ? MR_EXHAUSTED : bad(err, "message.data is not base64");
    push->data = (char *)bytes;
    return MR_OK;
}

static enum mr_status read_attributes(const json_t *message, struct mr_push *push, struct mr_err *err)
{
    json_t *attributes = json_object_get(message, "attributes"), *value = NULL;
    const char *name = NULL;
    if (attributes && !json_is_object(attributes))
        return bad(err, "message.attributes must be an object");
    json_object_foreach (attributes, name, value)
        if (!json_is_string(value))
            return bad(err, "message.attributes must have strings as values");
    push->attributes = attributes ? json_incref(attributes) : json_object();
    return push->attributes ? MR_OK : mr_fail_oom(err);
}

/* "2021-02-26T19:13:55.749Z": always UTC. */
static int64_t seconds_of(const json_t *publish_time)
{
    struct tm time = {0};
    const char *text = json_string_value(publish_time);
    return text && strptime(text, "%Y-%m-%dT%H:%M:%S", &time) ? (int64_t)timegm(&time) : 0;
}

static enum mr_status read_message(const json_t *message, struct mr_push *push, struct mr_err *err)
{
    const json_t *id = json_object_get(message, "messageId");
    if (!id)
        id = json_object_get(message, "message_id");
    if (!json_is_string(id))
        return bad(err, "message.messageId is missing");
    push->message_id = strdup(json_string_value(id));
    if (!push->message_id)
        return mr_fail_oom(err);
    push->published_s = seconds_of(json_object_get(message, "publishTime"));
    MR_TRY(read_data(message, push, err));
    return read_attributes(message, push, err);
}

enum mr_status mr_push_parse(const json_t *envelope, struct mr_push *ret, struct mr_err *err)
{
    const json_t *message = json_object_get(envelope, "message");
    if (!json_is_object(message))
        return bad(err, "message must be an object");
    MR_AUTO(mr_push)
    struct mr_push push = {.delivery_attempt =
                               json_integer_value(json_object_get(envelope, "deliveryAttempt"))};
    MR_TRY(read_message(message, &push, err));
    *ret = push;
    push = (struct mr_push){0};
    return MR_OK;
}

void mr_push_free(struct mr_push *push)
{
    free(push->data);
    free(push->message_id);
    json_decref(push->attributes);
    *push = (struct mr_push){0};
}
