#include "infra/local/emulator/api/fields.h"
#include "infra/local/emulator/api/mask.h"
#include "infra/local/emulator/api/names.h"
#include "infra/local/emulator/pubsub/settings_internal.h"

enum {
    ACK_DEADLINE_MIN = 10,
    ACK_DEADLINE_MAX = 600,
    RETENTION_MIN = 10 * 60,
    RETENTION_MAX = 31 * 24 * 3600,
    RETENTION_DEFAULT = 7 * 24 * 3600,
};
#define MICROS             INT64_C(1000000)
#define EXPIRATION_DEFAULT "2678400s"

/* The fields of the body, borrowed from the JSON. */
struct raw {
    const char *topic;
    int64_t ack_deadline;
    json_t *push;
    json_t *retry;
    json_t *dead_letter;
    json_t *expiration;
    json_t *labels;
    int64_t retention_us;
    bool retain_acked;
    bool ordered;
    const char *filter;
};

static const struct em_field raw_fields[] = {
    {"name", em_read_ignored, 0},
    {"topic", em_read_string, offsetof(struct raw, topic)},
    {"pushConfig", em_read_object, offsetof(struct raw, push)},
    {"ackDeadlineSeconds", em_read_int, offsetof(struct raw, ack_deadline)},
    {"retainAckedMessages", em_read_bool, offsetof(struct raw, retain_acked)},
    {"messageRetentionDuration", em_read_duration, offsetof(struct raw, retention_us)},
    {"labels", em_read_strings, offsetof(struct raw, labels)},
    {"enableMessageOrdering", em_read_bool, offsetof(struct raw, ordered)},
    {"expirationPolicy", em_read_object, offsetof(struct raw, expiration)},
    {"filter", em_read_string, offsetof(struct raw, filter)},
    {"deadLetterPolicy", em_read_object, offsetof(struct raw, dead_letter)},
    {"retryPolicy", em_read_object, offsetof(struct raw, retry)},
    {"enableExactlyOnceDelivery", em_read_unimplemented, 0},
    {"bigqueryConfig", em_read_unimplemented, 0},
    {"cloudStorageConfig", em_read_unimplemented, 0},
    {"bigtableConfig", em_read_unimplemented, 0},
    {"tags", em_read_unimplemented, 0},
    {"messageTransforms", em_read_unimplemented, 0},
    {"detached", em_read_ignored, 0},
    {"state", em_read_ignored, 0},
    {"topicMessageRetentionDuration", em_read_ignored, 0},
    {"analyticsHubSubscriptionInfo", em_read_ignored, 0},
};

/* Adds what the body left out, so that answers show it. */
static enum mr_status set_defaults(json_t *resource, const char *name, const struct raw *raw,
                                   struct mr_err *err)
{
    bool ok = json_object_set_new(resource, "name", json_string(name)) == 0 &&
              json_object_set_new(resource, "ackDeadlineSeconds", json_integer(raw->ack_deadline)) == 0 &&
              json_object_set_new(resource, "state", json_string("ACTIVE")) == 0;
    if (!raw->push)
        ok = ok && json_object_set_new(resource, "pushConfig", json_object()) == 0;
    if (!raw->expiration)
        ok = ok && json_object_set_new(resource, "expirationPolicy",
                                       json_pack("{s:s}", "ttl", EXPIRATION_DEFAULT)) == 0;
    return ok ? em_settings_set_duration(resource, "messageRetentionDuration", raw->retention_us, err)
              : mr_fail_oom(err);
}

static enum mr_status check_raw(struct raw *raw, struct mr_err *err)
{
    if (raw->ack_deadline == 0)
        raw->ack_deadline = ACK_DEADLINE_MIN;
    if (!raw->topic)
        return mr_fail(err, MR_INVALID, "A subscription needs a topic.");
    /* The resource of an orphaned subscription names "_deleted-topic_"; a patch passes it here again. */
    if (strcmp(raw->topic, "_deleted-topic_") != 0)
        MR_TRY(em_resource_name_check(raw->topic, "topics", err));
    MR_TRY(em_check_range("ackDeadlineSeconds", raw->ack_deadline, ACK_DEADLINE_MIN, ACK_DEADLINE_MAX, err));
    return em_check_range("messageRetentionDuration (seconds)", raw->retention_us / MICROS, RETENTION_MIN,
                          RETENTION_MAX, err);
}

/* Reads settings->resource, a copy of the body, into the other fields. */
static enum mr_status read_resource(struct em_subscription_settings *settings, const char *name,
                                    struct mr_err *err)
{
    struct raw raw = {.retention_us = RETENTION_DEFAULT * MICROS, .filter = ""};
    MR_TRY(em_fields_read(settings->resource, "subscription", raw_fields, EM_COUNT(raw_fields), &raw, err));
    MR_TRY(check_raw(&raw, err));
    MR_TRY(set_defaults(settings->resource, name, &raw, err));
    if (raw.push)
        MR_TRY(em_settings_read_push(raw.push, &settings->push, err));
    if (raw.retry)
        MR_TRY(em_settings_read_retry(settings, raw.retry, err));
    if (raw.dead_letter)
        MR_TRY(em_settings_read_dead_letter(settings, raw.dead_letter, err));
    if (raw.expiration)
        MR_TRY(em_settings_read_expiration(raw.expiration, err));
    MR_TRY(em_filter_compile(raw.filter, &settings->filter, err));
    settings->name = json_string_value(json_object_get(settings->resource, "name"));
    settings->topic = raw.topic;
    settings->ack_deadline_us = raw.ack_deadline * MICROS;
    settings->retention_us = raw.retention_us;
    settings->retain_acked = raw.retain_acked;
    settings->ordered = raw.ordered;
    return MR_OK;
}

enum mr_status em_subscription_settings_new(const char *name, const json_t *body,
                                            struct em_subscription_settings **ret, struct mr_err *err)
{
    MR_AUTO(em_subscription_settings) struct em_subscription_settings *settings = calloc(1, sizeof *settings);
    if (!settings)
        return mr_fail_oom(err);
    atomic_init(&settings->refs, 1);
    settings->resource = json_deep_copy(body);
    if (!settings->resource)
        return mr_fail_oom(err);
    MR_TRY(read_resource(settings, name, err));
    *ret = MR_TAKE(settings);
    return MR_OK;
}

static const char *const mutable_fields[] = {
    "pushConfig",       "ackDeadlineSeconds", "retainAckedMessages", "messageRetentionDuration",  "labels",
    "expirationPolicy", "deadLetterPolicy",   "retryPolicy",         "enableExactlyOnceDelivery",
};

enum mr_status em_subscription_settings_patch(const struct em_subscription_settings *old, const json_t *body,
                                              const char *mask, struct em_subscription_settings **ret,
                                              struct mr_err *err)
{
    MR_AUTO_JSON json_t *resource = json_deep_copy(old->resource);
    if (!resource)
        return mr_fail_oom(err);
    MR_TRY(em_mask_apply(resource, body, mask, mutable_fields, EM_COUNT(mutable_fields), err));
    return em_subscription_settings_new(old->name, resource, ret, err);
}

struct em_subscription_settings *em_subscription_settings_ref(struct em_subscription_settings *settings)
{
    atomic_fetch_add_explicit(&settings->refs, 1, memory_order_relaxed);
    return settings;
}

void em_subscription_settings_unref(struct em_subscription_settings *settings)
{
    if (!settings || atomic_fetch_sub_explicit(&settings->refs, 1, memory_order_acq_rel) != 1)
        return;
    em_filter_free(settings->filter);
    json_decref(settings->resource);
    free(settings);
}
