#include "infra/local/emulator/pubsub/settings.h"

#include "infra/local/emulator/pubsub/fields.h"
#include "infra/local/emulator/pubsub/mask.h"

enum {
    ACK_DEADLINE_MIN = 10,
    ACK_DEADLINE_MAX = 600,
    BACKOFF_MAX = 600,
    BACKOFF_MIN_DEFAULT = 10,
    ATTEMPTS_MIN = 5,
    ATTEMPTS_MAX = 100,
    RETENTION_MIN = 10 * 60,
    RETENTION_MAX = 31 * 24 * 3600,
    RETENTION_DEFAULT = 7 * 24 * 3600,
    EXPIRATION_MIN = 24 * 3600,
};
#define MICROS             INT64_C(1000000)
#define EXPIRATION_DEFAULT "2678400s"

/* The body as it came; durations -1 where absent. Borrowed from the JSON. */
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

#define COUNT(table) (sizeof(table) / sizeof *(table))

/* ---- push ---- */

struct raw_push {
    const char *endpoint;
    json_t *oidc;
    json_t *no_wrapper;
    json_t *attributes;
};
static const struct em_field push_fields[] = {
    {"pushEndpoint", em_read_string, offsetof(struct raw_push, endpoint)},
    {"oidcToken", em_read_object, offsetof(struct raw_push, oidc)},
    {"noWrapper", em_read_object, offsetof(struct raw_push, no_wrapper)},
    {"pubsubWrapper", em_read_ignored, 0}, /* the default, spelled out */
    {"attributes", em_read_strings, offsetof(struct raw_push, attributes)},
};
static const struct em_field oidc_fields[] = {
    {"serviceAccountEmail", em_read_string, offsetof(struct em_push_settings, oidc_email)},
    {"audience", em_read_string, offsetof(struct em_push_settings, oidc_audience)},
};
static const struct em_field no_wrapper_fields[] = {
    {"writeMetadata", em_read_bool, offsetof(struct em_push_settings, write_metadata)},
};

/* The one attribute of a push configuration is the version of the envelope; all versions are the same today.
 */
static enum mr_status check_push_attributes(const json_t *attributes, struct mr_err *err)
{
    const char *version = json_string_value(json_object_get(attributes, "x-goog-version"));
    bool known = !version || strcmp(version, "v1") == 0 || strcmp(version, "v1beta1") == 0 ||
                 strcmp(version, "v1beta2") == 0;
    if (known && json_object_size(attributes) == (version ? 1 : 0))
        return MR_OK;
    return mr_fail(err, MR_INVALID, "Invalid pushConfig.attributes: only x-goog-version (v1) is defined.");
}

static enum mr_status read_push(struct em_subscription_settings *settings, json_t *push, struct mr_err *err)
{
    struct raw_push raw = {0};
    struct em_push_settings *out = &settings->push;
    enum mr_status status =
        em_pubsub_fields_read(push, "pushConfig", push_fields, COUNT(push_fields), &raw, err);
    if (!status && raw.oidc)
        status = em_pubsub_fields_read(raw.oidc, "pushConfig.oidcToken", oidc_fields, COUNT(oidc_fields), out,
                                       err);
    if (!status && raw.no_wrapper)
        status = em_pubsub_fields_read(raw.no_wrapper, "pushConfig.noWrapper", no_wrapper_fields,
                                       COUNT(no_wrapper_fields), out, err);
    if (!status)
        status = check_push_attributes(raw.attributes, err);
    if (status || !raw.endpoint || !*raw.endpoint) {
        settings->push = (struct em_push_settings){0};
        return status;
    }
    if (raw.oidc && (!out->oidc_email || !strchr(out->oidc_email, '@')))
        return mr_fail(err, MR_INVALID,
                       "Invalid pushConfig.oidcToken.serviceAccountEmail: expected an e-mail.");
    if (raw.oidc && (!out->oidc_audience || !*out->oidc_audience))
        out->oidc_audience = raw.endpoint;
    out->endpoint = raw.endpoint;
    out->no_wrapper = raw.no_wrapper != NULL;
    return em_url_check("pushConfig.pushEndpoint", raw.endpoint, err);
}

/* ---- policies ---- */

struct raw_retry {
    int64_t min_us;
    int64_t max_us;
};
static const struct em_field retry_fields[] = {
    {"minimumBackoff", em_read_duration, offsetof(struct raw_retry, min_us)},
    {"maximumBackoff", em_read_duration, offsetof(struct raw_retry, max_us)},
};

static enum mr_status set_duration(json_t *object, const char *key, int64_t us, struct mr_err *err)
{
    char text[EM_DURATION_TEXT_MAX];
    em_duration_format(us, text);
    return json_object_set_new(object, key, json_string(text)) == 0 ? MR_OK : mr_fail_oom(err);
}

static enum mr_status read_retry(struct em_subscription_settings *settings, json_t *retry, struct mr_err *err)
{
    struct raw_retry raw = {BACKOFF_MIN_DEFAULT * MICROS, BACKOFF_MAX * MICROS};
    MR_TRY(em_pubsub_fields_read(retry, "retryPolicy", retry_fields, COUNT(retry_fields), &raw, err));
    if (raw.min_us > BACKOFF_MAX * MICROS || raw.max_us > BACKOFF_MAX * MICROS)
        return mr_fail(err, MR_INVALID, "Invalid retryPolicy: backoffs are 0 to %d seconds.", BACKOFF_MAX);
    if (raw.min_us > raw.max_us)
        return mr_fail(err, MR_INVALID, "Invalid retryPolicy: minimumBackoff exceeds maximumBackoff.");
    MR_TRY(set_duration(retry, "minimumBackoff", raw.min_us, err));
    MR_TRY(set_duration(retry, "maximumBackoff", raw.max_us, err));
    settings->has_retry_policy = true;
    settings->min_backoff_us = raw.min_us;
    settings->max_backoff_us = raw.max_us;
    return MR_OK;
}

static const struct em_field dead_letter_fields[] = {
    {"deadLetterTopic", em_read_string, offsetof(struct em_subscription_settings, dead_letter_topic)},
    {"maxDeliveryAttempts", em_read_int, offsetof(struct em_subscription_settings, max_delivery_attempts)},
};

static enum mr_status read_dead_letter(struct em_subscription_settings *settings, json_t *policy,
                                       struct mr_err *err)
{
    MR_TRY(em_pubsub_fields_read(policy, "deadLetterPolicy", dead_letter_fields, COUNT(dead_letter_fields),
                                 settings, err));
    if (!settings->dead_letter_topic)
        return mr_fail(err, MR_INVALID, "deadLetterPolicy.deadLetterTopic is missing.");
    MR_TRY(em_resource_name_check(settings->dead_letter_topic, "topics", err));
    if (settings->max_delivery_attempts == 0)
        settings->max_delivery_attempts = ATTEMPTS_MIN;
    if (json_object_set_new(policy, "maxDeliveryAttempts", json_integer(settings->max_delivery_attempts)) !=
        0)
        return mr_fail_oom(err);
    return em_check_range("deadLetterPolicy.maxDeliveryAttempts", settings->max_delivery_attempts,
                          ATTEMPTS_MIN, ATTEMPTS_MAX, err);
}

static const struct em_field expiration_fields[] = {
    {"ttl", em_read_duration, 0},
};

/* Kept and shown. Nothing expires here: a process that lives a day in memory at most has no 24 h of idleness
 * to watch for. */
static enum mr_status read_expiration(json_t *policy, struct mr_err *err)
{
    int64_t ttl_us = EXPIRATION_MIN * MICROS;
    enum mr_status status = em_pubsub_fields_read(policy, "expirationPolicy", expiration_fields,
                                                  COUNT(expiration_fields), &ttl_us, err);
    if (status || ttl_us >= EXPIRATION_MIN * MICROS)
        return status;
    return mr_fail(err, MR_INVALID, "Invalid expirationPolicy.ttl: at least %d seconds.", EXPIRATION_MIN);
}

/* ---- the whole ---- */

/* Fills in what the body left out, so that the answer shows it and the readers see it. */
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
    return ok ? set_duration(resource, "messageRetentionDuration", raw->retention_us, err) : mr_fail_oom(err);
}

static enum mr_status check_raw(struct raw *raw, struct mr_err *err)
{
    if (raw->ack_deadline == 0)
        raw->ack_deadline = ACK_DEADLINE_MIN;
    enum mr_status status = MR_OK;
    if (!raw->topic)
        return mr_fail(err, MR_INVALID, "A subscription needs a topic.");
    /* "_deleted-topic_" is what the resource of an orphan says; it comes back here with a patch. */
    if (strcmp(raw->topic, "_deleted-topic_") != 0)
        status = em_resource_name_check(raw->topic, "topics", err);
    if (!status)
        status =
            em_check_range("ackDeadlineSeconds", raw->ack_deadline, ACK_DEADLINE_MIN, ACK_DEADLINE_MAX, err);
    if (!status)
        status = em_check_range("messageRetentionDuration (seconds)", raw->retention_us / MICROS,
                                RETENTION_MIN, RETENTION_MAX, err);
    return status;
}

/* Reads settings->resource, which is its own copy of the body, into the other fields. */
static enum mr_status read_resource(struct em_subscription_settings *settings, const char *name,
                                    struct mr_err *err)
{
    struct raw raw = {.retention_us = RETENTION_DEFAULT * MICROS, .filter = ""};
    MR_TRY(
        em_pubsub_fields_read(settings->resource, "subscription", raw_fields, COUNT(raw_fields), &raw, err));
    MR_TRY(check_raw(&raw, err));
    MR_TRY(set_defaults(settings->resource, name, &raw, err));
    if (raw.push)
        MR_TRY(read_push(settings, raw.push, err));
    if (raw.retry)
        MR_TRY(read_retry(settings, raw.retry, err));
    if (raw.dead_letter)
        MR_TRY(read_dead_letter(settings, raw.dead_letter, err));
    if (raw.expiration)
        MR_TRY(read_expiration(raw.expiration, err));
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

/* ---- patches ---- */

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
    MR_TRY(em_mask_apply(resource, body, mask, mutable_fields, COUNT(mutable_fields), err));
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
