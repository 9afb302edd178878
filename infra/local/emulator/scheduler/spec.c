#include "infra/local/emulator/scheduler/spec.h"

#include "infra/local/emulator/api/fields.h"
#include "infra/local/emulator/api/mask.h"
#include "infra/local/emulator/api/names.h"
#include "shared/base/encoding.h"

enum {
    ATTEMPT_DEADLINE_MIN = 15,
    ATTEMPT_DEADLINE_MAX = 1800,
    ATTEMPT_DEADLINE_DEFAULT = 180,
    RETRY_COUNT_MAX = 5,
    MIN_BACKOFF_DEFAULT = 5,
    MAX_BACKOFF_DEFAULT = 3600,
    MAX_DOUBLINGS_DEFAULT = 5,
    MAX_DOUBLINGS_MAX = 16,
};
#define MICROS INT64_C(1000000)

/* The fields of the body, borrowed from the JSON. */
struct raw {
    const char *schedule;
    const char *time_zone;
    json_t *target;
    json_t *retry;
    const char *description;
    int64_t attempt_deadline_us;
};
static const struct em_field raw_fields[] = {
    {"name", em_read_ignored, 0},
    {"description", em_read_string, offsetof(struct raw, description)},
    {"schedule", em_read_string, offsetof(struct raw, schedule)},
    {"timeZone", em_read_string, offsetof(struct raw, time_zone)},
    {"httpTarget", em_read_object, offsetof(struct raw, target)},
    {"retryConfig", em_read_object, offsetof(struct raw, retry)},
    {"attemptDeadline", em_read_duration, offsetof(struct raw, attempt_deadline_us)},
    {"pubsubTarget", em_read_unimplemented, 0},
    {"appEngineHttpTarget", em_read_unimplemented, 0},
    {"state", em_read_ignored, 0},
    {"status", em_read_ignored, 0},
    {"userUpdateTime", em_read_ignored, 0},
    {"scheduleTime", em_read_ignored, 0},
    {"lastAttemptTime", em_read_ignored, 0},
};

struct raw_target {
    const char *uri;
    const char *method;
    json_t *headers;
    const char *body;
    json_t *oidc;
};
static const struct em_field target_fields[] = {
    {"uri", em_read_string, offsetof(struct raw_target, uri)},
    {"httpMethod", em_read_string, offsetof(struct raw_target, method)},
    {"headers", em_read_strings, offsetof(struct raw_target, headers)},
    {"body", em_read_string, offsetof(struct raw_target, body)},
    {"oidcToken", em_read_object, offsetof(struct raw_target, oidc)},
    {"oauthToken", em_read_unimplemented, 0},
};
static const struct em_field oidc_fields[] = {
    {"serviceAccountEmail", em_read_string, offsetof(struct em_job_spec, oidc_email)},
    {"audience", em_read_string, offsetof(struct em_job_spec, oidc_audience)},
};
static const struct em_field retry_fields[] = {
    {"retryCount", em_read_int, offsetof(struct em_job_spec, retry_count)},
    {"maxRetryDuration", em_read_duration, offsetof(struct em_job_spec, max_retry_us)},
    {"minBackoffDuration", em_read_duration, offsetof(struct em_job_spec, min_backoff_us)},
    {"maxBackoffDuration", em_read_duration, offsetof(struct em_job_spec, max_backoff_us)},
    {"maxDoublings", em_read_int, offsetof(struct em_job_spec, max_doublings)},
};

/* The methods of a target. */
static const struct method {
    const char *name;
    bool has_body;
} methods[] = {
    {"POST", true},    {"PUT", true},   {"PATCH", true},    {"GET", false},
    {"DELETE", false}, {"HEAD", false}, {"OPTIONS", false},
};

static enum mr_status read_method(struct em_job_spec *spec, const struct raw_target *raw, struct mr_err *err)
{
    const char *name = raw->method && *raw->method ? raw->method : "POST";
    for (size_t i = 0; i < EM_COUNT(methods); i++) {
        if (strcmp(methods[i].name, name) != 0)
            continue;
        if (raw->body && *raw->body && !methods[i].has_body)
            return mr_fail(err, MR_INVALID, "Invalid httpTarget.body: %s requests have no body.", name);
        spec->method = methods[i].name;
        return MR_OK;
    }
    return mr_fail(err, MR_INVALID, "Invalid httpTarget.httpMethod '%s'.", name);
}

static enum mr_status read_body(struct em_job_spec *spec, const char *text, struct mr_err *err)
{
    if (!text)
        return MR_OK;
    if (mr_base64_decode(text, strlen(text), &spec->body, &spec->body_len, err) == MR_OK)
        return MR_OK;
    return mr_fail(err, MR_INVALID, "Invalid value at 'httpTarget.body': Base64 decoding failed.");
}

static enum mr_status read_oidc(struct em_job_spec *spec, json_t *oidc, struct mr_err *err)
{
    MR_TRY(em_fields_read(oidc, "httpTarget.oidcToken", oidc_fields, EM_COUNT(oidc_fields), spec, err));
    if (!spec->oidc_email || !strchr(spec->oidc_email, '@'))
        return mr_fail(err, MR_INVALID,
                       "Invalid httpTarget.oidcToken.serviceAccountEmail: expected an e-mail.");
    if (!spec->oidc_audience || !*spec->oidc_audience)
        spec->oidc_audience = spec->uri;
    return MR_OK;
}

static enum mr_status read_headers(struct em_job_spec *spec, json_t *headers, struct mr_err *err)
{
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach (headers, name, value) {
        if (!*name || strpbrk(name, ": \t\r\n") || strpbrk(json_string_value(value), "\r\n"))
            return mr_fail(err, MR_INVALID, "Invalid httpTarget.headers: '%s'.", name);
    }
    spec->headers = headers;
    return MR_OK;
}

static enum mr_status read_target(struct em_job_spec *spec, json_t *target, struct mr_err *err)
{
    struct raw_target raw = {0};
    MR_TRY(em_fields_read(target, "httpTarget", target_fields, EM_COUNT(target_fields), &raw, err));
    MR_TRY(em_url_check("httpTarget.uri", raw.uri ? raw.uri : "", err));
    spec->uri = raw.uri;
    MR_TRY(read_method(spec, &raw, err));
    MR_TRY(read_body(spec, raw.body, err));
    MR_TRY(read_headers(spec, raw.headers, err));
    if (raw.oidc)
        MR_TRY(read_oidc(spec, raw.oidc, err));
    if (json_object_set_new(target, "httpMethod", json_string(spec->method)) != 0)
        return mr_fail_oom(err);
    return MR_OK;
}

static enum mr_status read_retry(struct em_job_spec *spec, json_t *retry, struct mr_err *err)
{
    MR_TRY(em_fields_read(retry, "retryConfig", retry_fields, EM_COUNT(retry_fields), spec, err));
    MR_TRY(em_check_range("retryConfig.retryCount", spec->retry_count, 0, RETRY_COUNT_MAX, err));
    MR_TRY(em_check_range("retryConfig.maxDoublings", spec->max_doublings, 0, MAX_DOUBLINGS_MAX, err));
    if (spec->min_backoff_us > spec->max_backoff_us)
        return mr_fail(err, MR_INVALID,
                       "Invalid retryConfig: minBackoffDuration exceeds maxBackoffDuration.");
    return MR_OK;
}

static enum mr_status check_time_zone(const char *zone, struct mr_err *err)
{
    static const char *const same_as_utc[] = {"UTC", "Etc/UTC", "GMT", "Etc/GMT", "Etc/Universal", "Zulu"};
    for (size_t i = 0; i < EM_COUNT(same_as_utc); i++)
        if (strcmp(zone, same_as_utc[i]) == 0)
            return MR_OK;
    return mr_fail_code(err, MR_CODE_UNIMPLEMENTED, "The emulator runs schedules in UTC only, not in '%s'.",
                        zone);
}

static enum mr_status set_defaults(const struct em_job_spec *spec, const char *name, const struct raw *raw,
                                   struct mr_err *err)
{
    char deadline[EM_DURATION_TEXT_MAX];
    em_duration_format(spec->attempt_deadline_us, deadline);
    MR_AUTO_JSON json_t *defaults =
        json_pack("{s:s,s:s,s:s}", "name", name, "timeZone", raw->time_zone, "attemptDeadline", deadline);
    return defaults && json_object_update(spec->resource, defaults) == 0 ? MR_OK : mr_fail_oom(err);
}

/* Reads spec->resource, a copy of the body, into the other fields. */
static enum mr_status read_resource(struct em_job_spec *spec, const char *name, struct mr_err *err)
{
    struct raw raw = {.time_zone = "Etc/UTC", .attempt_deadline_us = ATTEMPT_DEADLINE_DEFAULT * MICROS};
    MR_TRY(em_fields_read(spec->resource, "", raw_fields, EM_COUNT(raw_fields), &raw, err));
    if (!raw.schedule || !raw.target)
        return mr_fail(err, MR_INVALID, "A job needs a schedule and an httpTarget.");
    MR_TRY(em_cron_parse(raw.schedule, &spec->schedule, err));
    MR_TRY(check_time_zone(raw.time_zone, err));
    MR_TRY(em_check_range("attemptDeadline (seconds)", raw.attempt_deadline_us / MICROS, ATTEMPT_DEADLINE_MIN,
                          ATTEMPT_DEADLINE_MAX, err));
    MR_TRY(read_target(spec, raw.target, err));
    if (raw.retry)
        MR_TRY(read_retry(spec, raw.retry, err));
    spec->attempt_deadline_us = raw.attempt_deadline_us;
    MR_TRY(set_defaults(spec, name, &raw, err));
    spec->name = json_string_value(json_object_get(spec->resource, "name"));
    return MR_OK;
}

enum mr_status em_job_spec_new(const char *name, const json_t *body, struct em_job_spec **ret,
                               struct mr_err *err)
{
    MR_AUTO(em_job_spec) struct em_job_spec *spec = calloc(1, sizeof *spec);
    if (!spec)
        return mr_fail_oom(err);
    atomic_init(&spec->refs, 1);
    spec->min_backoff_us = MIN_BACKOFF_DEFAULT * MICROS;
    spec->max_backoff_us = MAX_BACKOFF_DEFAULT * MICROS;
    spec->max_doublings = MAX_DOUBLINGS_DEFAULT;
    spec->resource = json_deep_copy(body);
    if (!spec->resource)
        return mr_fail_oom(err);
    MR_TRY(read_resource(spec, name, err));
    *ret = MR_TAKE(spec);
    return MR_OK;
}

static const char *const mutable_fields[] = {"description", "schedule",    "timeZone",
                                             "httpTarget",  "retryConfig", "attemptDeadline"};

enum mr_status em_job_spec_patch(const struct em_job_spec *old, const json_t *body, const char *mask,
                                 struct em_job_spec **ret, struct mr_err *err)
{
    MR_AUTO_JSON json_t *resource = json_deep_copy(old->resource);
    if (!resource)
        return mr_fail_oom(err);
    if (mask)
        MR_TRY(em_mask_apply(resource, body, mask, mutable_fields, EM_COUNT(mutable_fields), err));
    else if (json_object_update(resource, (json_t *)(uintptr_t)body) != 0)
        return mr_fail_oom(err);
    return em_job_spec_new(old->name, resource, ret, err);
}

struct em_job_spec *em_job_spec_ref(struct em_job_spec *spec)
{
    atomic_fetch_add_explicit(&spec->refs, 1, memory_order_relaxed);
    return spec;
}

void em_job_spec_unref(struct em_job_spec *spec)
{
    if (!spec || atomic_fetch_sub_explicit(&spec->refs, 1, memory_order_acq_rel) != 1)
        return;
    json_decref(spec->resource);
    free(spec->body);
    free(spec);
}

int64_t em_job_spec_backoff(const struct em_job_spec *spec, int64_t retry)
{
    int64_t doublings = retry - 1 < spec->max_doublings ? retry - 1 : spec->max_doublings;
    int64_t delay = spec->min_backoff_us * (INT64_C(1) << doublings);
    if (retry - 1 > doublings)
        delay *= retry - doublings;
    return delay < spec->max_backoff_us ? delay : spec->max_backoff_us;
}
