/* Pull: https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions/pull */
#include "infra/local/emulator/api/fields.h"
#include "infra/local/emulator/api/google_request.h"
#include "infra/local/emulator/pubsub/ack_id.h"
#include "infra/local/emulator/pubsub/delivery.h"
#include "infra/local/emulator/pubsub/handlers.h"
#include "infra/local/emulator/pubsub/request.h"
#include "infra/local/emulator/pubsub/subscription.h"
#include "shared/base/clock.h"

enum { PULL_MAX = 1000 };
/* How long a pull without returnImmediately waits for a first message. Production waits "a bounded amount of
 * time" as well, without naming it. It is short enough not to delay the end of the emulator. */
#define PULL_WAIT_US INT64_C(3000000)

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
    char ack_id[EM_ACK_ID_MAX];
    em_ack_id_format(delivery->lease_id, ack_id);
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
           (delivery = em_delivery_lease_locked(pubsub, subscription)) != NULL)
        MR_TRY(append_received(received, delivery, err)); /* on failure the lease expires: a redelivery */
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
        MR_TRY(check_pullable(subscription, err));
        MR_TRY(lease_some_locked(pubsub, subscription, in->max_messages, received, err));
        if (json_array_size(received) > 0 || !waiting || in->return_immediately)
            return MR_OK;
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
    MR_TRY(em_fields_read(body, "", pull_fields, EM_COUNT(pull_fields), &in, err));
    MR_TRY(em_check_range("maxMessages", in.max_messages, 1, INT32_MAX, err));
    MR_TRY(em_subscription_lock(pubsub, req, &subscription, err));
    if (in.max_messages > PULL_MAX)
        in.max_messages = PULL_MAX;
    subscription->refs++;
    enum mr_status status = pull_locked(pubsub, subscription, &in, received, err);
    /* The signal that woke this pull may have meant more messages than it leased. */
    if (!TAILQ_EMPTY(&subscription->ready))
        em_subscription_wake_locked(pubsub, subscription);
    em_subscription_unref_locked(pubsub, subscription);
    em_pubsub_unlock(pubsub);
    if (status != MR_OK)
        return status;
    bool any = json_array_size(received) > 0;
    return mr_respond_json(req, 200, json_pack("{s:O*}", "receivedMessages", any ? received : NULL), err);
}
