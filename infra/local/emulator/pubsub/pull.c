#include "infra/local/emulator/pubsub/delivery.h"
#include "infra/local/emulator/pubsub/fields.h"
#include "infra/local/emulator/pubsub/handlers.h"
#include "shared/base/encoding.h"

#include <inttypes.h>

enum {
    PULL_MAX = 1000,
    ACK_DEADLINE_MAX = 600,
    ACK_ID_MAX = 40,
};
/* How long a pull without returnImmediately waits for a first message: production waits too, "a bounded
 * amount of time" that it does not name. Short enough not to hold up the emulator's end. */
#define PULL_WAIT_US INT64_C(3000000)
#define ACK_ID       "ack-%" PRId64

/* ---- pull ---- */

struct pull_body {
    int64_t max_messages;
    bool return_immediately;
};
static const struct em_field pull_fields[] = {
    {"maxMessages", em_read_int, offsetof(struct pull_body, max_messages)},
    {"returnImmediately", em_read_bool, offsetof(struct pull_body, return_immediately)},
};

static enum mr_status append_received(json_t *received, const struct em_delivery *delivery,
                                      struct mr_err *err)
{
    char ack_id[ACK_ID_MAX];
    snprintf(ack_id, sizeof ack_id, ACK_ID, delivery->lease_id);
    json_t *entry =
        json_pack("{s:s,s:o}", "ackId", ack_id, "message", json_deep_copy(delivery->message->body));
    if (entry && delivery->subscription->settings->dead_letter_topic)
        (void)json_object_set_new(entry, "deliveryAttempt", json_integer(delivery->attempts));
    return json_array_append_new(received, entry) == 0 ? MR_OK : mr_fail_oom(err);
}

static enum mr_status lease_some_locked(struct em_pubsub *pubsub, struct em_subscription *subscription,
                                        int64_t max, json_t *received, struct mr_err *err)
{
    struct em_delivery *delivery = NULL;
    while ((int64_t)json_array_size(received) < max &&
           (delivery = em_delivery_lease_locked(pubsub, subscription)) != NULL) {
        enum mr_status status = append_received(received, delivery, err);
        if (status)
            return status; /* the leases run out and the messages come again */
    }
    return MR_OK;
}

static enum mr_status check_pullable(const struct em_subscription *subscription, struct mr_err *err)
{
    if (subscription->deleted)
        return mr_fail(err, MR_NOT_FOUND, "Resource not found (resource=%s).", subscription->name);
    if (subscription->settings->push.endpoint)
        return mr_fail_code(err, MR_CODE_FAILED_PRECONDITION,
                            "Method not supported for this subscription type: it is a push subscription.");
    return MR_OK;
}

static enum mr_status pull_locked(struct em_pubsub *pubsub, struct em_subscription *subscription,
                                  const struct pull_body *in, json_t *received, struct mr_err *err)
{
    int64_t until_us = mr_time_monotonic_us() + (in->return_immediately ? 0 : PULL_WAIT_US);
    for (bool waiting = true;;) {
        enum mr_status status = check_pullable(subscription, err);
        if (!status)
            status = lease_some_locked(pubsub, subscription, in->max_messages, received, err);
        if (status || json_array_size(received) > 0 || !waiting || in->return_immediately)
            return status;
        waiting = em_pubsub_wait_locked(pubsub, &subscription->available, until_us);
    }
}

enum mr_status em_subscription_pull(void *app, struct mr_request *req, struct mr_err *err)
{
    struct em_pubsub *pubsub = em_pubsub_of(app);
    struct pull_body in = {0};
    MR_AUTO_JSON json_t *body = NULL;
    MR_AUTO_JSON json_t *received = json_array();
    struct em_subscription *subscription = NULL;
    if (!received)
        return mr_fail_oom(err);
    MR_TRY(em_google_body(req, EM_PUBSUB_BODY_MAX, &body, err));
    MR_TRY(em_pubsub_fields_read(body, "", pull_fields, sizeof pull_fields / sizeof *pull_fields, &in, err));
    MR_TRY(em_check_range("maxMessages", in.max_messages, 1, INT32_MAX, err));
    MR_TRY(em_subscription_lock(pubsub, req, &subscription, err));
    if (in.max_messages > PULL_MAX)
        in.max_messages = PULL_MAX;
    subscription->refs++;
    enum mr_status status = pull_locked(pubsub, subscription, &in, received, err);
    /* A signal that this pull took may have stood for more than it leased. */
    if (!TAILQ_EMPTY(&subscription->ready))
        em_subscription_wake_locked(pubsub, subscription);
    em_subscription_unref_locked(pubsub, subscription);
    em_pubsub_unlock(pubsub);
    if (status)
        return status;
    bool any = json_array_size(received) > 0;
    return mr_respond_json(req, 200, json_pack("{s:O*}", "receivedMessages", any ? received : NULL), err);
}

/* ---- acknowledge, modifyAckDeadline ---- */

struct ack_body {
    json_t *ack_ids;
    int64_t deadline_seconds;
};
static const struct em_field acknowledge_fields[] = {
    {"ackIds", em_read_array, offsetof(struct ack_body, ack_ids)},
};
static const struct em_field modify_fields[] = {
    {"ackIds", em_read_array, offsetof(struct ack_body, ack_ids)},
    {"ackDeadlineSeconds", em_read_int, offsetof(struct ack_body, deadline_seconds)},
};

static bool parse_ack_id(const json_t *value, int64_t *ret_lease_id)
{
    const char *text = json_string_value(value);
    return text && strncmp(text, "ack-", 4) == 0 && mr_parse_int64(text + 4, 1, INT64_MAX, ret_lease_id);
}

static enum mr_status check_ack_ids(const json_t *ack_ids, struct mr_err *err)
{
    if (json_array_size(ack_ids) == 0)
        return mr_fail(err, MR_INVALID, "The request needs at least one ack id.");
    size_t index = 0;
    json_t *value = NULL;
    int64_t lease_id = 0;
    json_array_foreach (ack_ids, index, value) {
        if (!parse_ack_id(value, &lease_id))
            return mr_fail(err, MR_INVALID, "Some acknowledgement ids in the request were invalid.");
    }
    return MR_OK;
}

typedef void lease_action(struct em_pubsub *pubsub, struct em_delivery *delivery, int64_t deadline_us);

static void acknowledge(struct em_pubsub *pubsub, struct em_delivery *delivery, int64_t deadline_us)
{
    (void)deadline_us;
    em_delivery_ack_locked(pubsub, delivery);
}

static void modify_deadline(struct em_pubsub *pubsub, struct em_delivery *delivery, int64_t deadline_us)
{
    if (deadline_us == 0)
        em_delivery_nack_locked(pubsub, delivery);
    else
        em_delivery_extend_locked(pubsub, delivery, deadline_us);
}

/* Does it to each lease that has not ended; an id whose lease has is no error. */
static enum mr_status for_each_lease(void *app, struct mr_request *req, const struct em_field *fields,
                                     size_t field_count, lease_action *action, struct mr_err *err)
{
    struct em_pubsub *pubsub = em_pubsub_of(app);
    struct ack_body in = {0};
    struct em_subscription *subscription = NULL;
    MR_AUTO_JSON json_t *body = NULL;
    MR_TRY(em_google_body(req, EM_PUBSUB_BODY_MAX, &body, err));
    MR_TRY(em_pubsub_fields_read(body, "", fields, field_count, &in, err));
    MR_TRY(check_ack_ids(in.ack_ids, err));
    MR_TRY(em_check_range("ackDeadlineSeconds", in.deadline_seconds, 0, ACK_DEADLINE_MAX, err));
    MR_TRY(em_subscription_lock(pubsub, req, &subscription, err));
    for (size_t i = 0; i < json_array_size(in.ack_ids); i++) {
        int64_t lease_id = 0;
        (void)parse_ack_id(json_array_get(in.ack_ids, i), &lease_id); /* checked above */
        struct em_delivery *delivery = em_delivery_by_lease_locked(subscription, lease_id);
        if (delivery)
            action(pubsub, delivery, in.deadline_seconds * 1000000);
    }
    em_pubsub_unlock(pubsub);
    return em_respond_empty_object(req, err);
}

enum mr_status em_subscription_acknowledge(void *app, struct mr_request *req, struct mr_err *err)
{
    return for_each_lease(app, req, acknowledge_fields,
                          sizeof acknowledge_fields / sizeof *acknowledge_fields, acknowledge, err);
}

enum mr_status em_subscription_modify_ack_deadline(void *app, struct mr_request *req, struct mr_err *err)
{
    return for_each_lease(app, req, modify_fields, sizeof modify_fields / sizeof *modify_fields,
                          modify_deadline, err);
}
