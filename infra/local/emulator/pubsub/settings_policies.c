/* The policies of a subscription: retries, dead letters, expiration. */
#include "infra/local/emulator/api/fields.h"
#include "infra/local/emulator/api/names.h"
#include "infra/local/emulator/pubsub/settings_internal.h"

enum {
    BACKOFF_MAX = 600,
    BACKOFF_MIN_DEFAULT = 10,
    ATTEMPTS_MIN = 5,
    ATTEMPTS_MAX = 100,
    EXPIRATION_MIN = 24 * 3600,
};
#define MICROS INT64_C(1000000)

struct raw_retry {
    int64_t min_us;
    int64_t max_us;
};
static const struct em_field retry_fields[] = {
    {"minimumBackoff", em_read_duration, offsetof(struct raw_retry, min_us)},
    {"maximumBackoff", em_read_duration, offsetof(struct raw_retry, max_us)},
};

enum mr_status em_settings_set_duration(json_t *object, const char *key, int64_t us, struct mr_err *err)
{
    char text[EM_DURATION_TEXT_MAX];
    em_duration_format(us, text);
    return json_object_set_new(object, key, json_string(text)) == 0 ? MR_OK : mr_fail_oom(err);
}

enum mr_status em_settings_read_retry(struct em_subscription_settings *settings, json_t *retry,
                                      struct mr_err *err)
{
    struct raw_retry raw = {BACKOFF_MIN_DEFAULT * MICROS, BACKOFF_MAX * MICROS};
    MR_TRY(em_fields_read(retry, "retryPolicy", retry_fields, EM_COUNT(retry_fields), &raw, err));
    if (raw.min_us > BACKOFF_MAX * MICROS || raw.max_us > BACKOFF_MAX * MICROS)
        return mr_fail(err, MR_INVALID, "Invalid retryPolicy: backoffs are 0 to %d seconds.", BACKOFF_MAX);
    if (raw.min_us > raw.max_us)
        return mr_fail(err, MR_INVALID, "Invalid retryPolicy: minimumBackoff exceeds maximumBackoff.");
    MR_TRY(em_settings_set_duration(retry, "minimumBackoff", raw.min_us, err));
    MR_TRY(em_settings_set_duration(retry, "maximumBackoff", raw.max_us, err));
    settings->has_retry_policy = true;
    settings->min_backoff_us = raw.min_us;
    settings->max_backoff_us = raw.max_us;
    return MR_OK;
}

static const struct em_field dead_letter_fields[] = {
    {"deadLetterTopic", em_read_string, offsetof(struct em_subscription_settings, dead_letter_topic)},
    {"maxDeliveryAttempts", em_read_int, offsetof(struct em_subscription_settings, max_delivery_attempts)},
};

enum mr_status em_settings_read_dead_letter(struct em_subscription_settings *settings, json_t *policy,
                                            struct mr_err *err)
{
    MR_TRY(em_fields_read(policy, "deadLetterPolicy", dead_letter_fields, EM_COUNT(dead_letter_fields),
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

/* Only checked: subscriptions of the emulator never expire, because they do not live that long. */
enum mr_status em_settings_read_expiration(json_t *policy, struct mr_err *err)
{
    int64_t ttl_us = EXPIRATION_MIN * MICROS;
    MR_TRY(em_fields_read(policy, "expirationPolicy", expiration_fields, EM_COUNT(expiration_fields), &ttl_us,
                          err));
    if (ttl_us >= EXPIRATION_MIN * MICROS)
        return MR_OK;
    return mr_fail(err, MR_INVALID, "Invalid expirationPolicy.ttl: at least %d seconds.", EXPIRATION_MIN);
}
