/* Acknowledge and modifyAckDeadline; the latter with 0 seconds is a nack.
 * Source: https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions/modifyAckDeadline */
#include "infra/local/emulator/api/fields.h"
#include "infra/local/emulator/api/google_request.h"
#include "infra/local/emulator/pubsub/ack_id.h"
#include "infra/local/emulator/pubsub/delivery.h"
#include "infra/local/emulator/pubsub/handlers.h"
#include "infra/local/emulator/pubsub/request.h"

enum { ACK_DEADLINE_MAX = 600 };

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

static enum mr_status check_ack_ids(const json_t *ack_ids, struct mr_err *err)
{
    if (json_array_size(ack_ids) == 0)
        return mr_fail(err, MR_INVALID, "The request needs at least one ack id.");
    size_t index = 0;
    json_t *value = NULL;
    int64_t lease_id = 0;
    json_array_foreach (ack_ids, index, value) {
        if (!em_ack_id_parse(json_string_value(value), &lease_id))
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

/* Applies action to each lease that has not ended; an id whose lease has ended is not an error. */
static enum mr_status for_each_lease(void *app, struct mr_request *req, const struct em_field *fields,
                                     size_t field_count, lease_action *action, struct mr_err *err)
{
    struct em_pubsub *pubsub = em_pubsub_of(app);
    struct ack_body in = {0};
    struct em_subscription *subscription = NULL;
    MR_AUTO_JSON json_t *body = NULL;
    MR_TRY(em_google_body(req, EM_PUBSUB_BODY_MAX, &body, err));
    MR_TRY(em_fields_read(body, "", fields, field_count, &in, err));
    MR_TRY(check_ack_ids(in.ack_ids, err));
    MR_TRY(em_check_range("ackDeadlineSeconds", in.deadline_seconds, 0, ACK_DEADLINE_MAX, err));
    MR_TRY(em_subscription_lock(pubsub, req, &subscription, err));
    for (size_t i = 0; i < json_array_size(in.ack_ids); i++) {
        int64_t lease_id = 0;
        (void)em_ack_id_parse(json_string_value(json_array_get(in.ack_ids, i)),
                              &lease_id); /* checked above */
        struct em_delivery *delivery = em_delivery_by_lease_locked(subscription, lease_id);
        if (delivery)
            action(pubsub, delivery, in.deadline_seconds * 1000000);
    }
    em_pubsub_unlock(pubsub);
    return em_respond_empty_object(req, err);
}

enum mr_status em_subscription_acknowledge(void *app, struct mr_request *req, struct mr_err *err)
{
    return for_each_lease(app, req, acknowledge_fields, EM_COUNT(acknowledge_fields), acknowledge, err);
}

enum mr_status em_subscription_modify_ack_deadline(void *app, struct mr_request *req, struct mr_err *err)
{
    return for_each_lease(app, req, modify_fields, EM_COUNT(modify_fields), modify_deadline, err);
}
