#include "shared/gcp/pubsub.h"
#include "shared/base/clock.h"
#include "shared/base/encoding.h"
#include "shared/gcp/answer.h"
#include "shared/gcp/authorized_call.h"
#include "shared/gcp/permissions.h"

#define GOOGLE_BASE_URL "https://pubsub.googleapis.com"

enum {
    BATCH_MESSAGES = 1000,
    BATCH_BYTES = 9 * 1000 * 1000, /* of JSON; the service refuses 10 MB */
    MESSAGE_OVERHEAD = 64,         /* braces, names, commas */
    URL_MAX = 4096,
    CHECK_TIMEOUT_MS = 5000
};

/* Google's own clients use the same waits, 100 ms to 60 s; the caller's timeout sets total_ms. */
static const struct mr_retry publish_policy = {.attempts = 1000, .base_ms = 100, .cap_ms = 60000};

/* gRPC codes that may be retried although their HTTP status does not say so.
 * Source: googleapis pubsub_grpc_service_config.json */
static const char *const retried_codes[] = {
    "ABORTED", "CANCELLED", "UNKNOWN", "INTERNAL", "UNAVAILABLE", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"};

struct mr_pubsub {
    struct mr_caller caller;
    char *topics_url; /* …/v1/projects/P/topics/ */
};

enum mr_status mr_pubsub_new(struct mr_http_client *http, const struct mr_pubsub_options *options,
                             struct mr_pubsub **ret, struct mr_err *err)
{
    bool emulated = options->emulator_host && *options->emulator_host;
    MR_AUTO(mr_buf) struct mr_buf url = MR_BUF_INIT(2048);
    if (emulated)
        MR_TRY(mr_buf_appendf(&url, err, "http://%s/v1/projects/", options->emulator_host));
    else
        MR_TRY(mr_buf_append_str(&url, GOOGLE_BASE_URL "/v1/projects/", err));
    MR_TRY(mr_percent_encode(&url, options->project, false, err));
    MR_TRY(mr_buf_append_str(&url, "/topics/", err));
    struct mr_pubsub *pubsub = calloc(1, sizeof *pubsub);
    if (!pubsub)
        return mr_fail_oom(err);
    pubsub->caller =
        (struct mr_caller){.http = http, .tokens = options->tokens, .refusals = options->refusals};
    pubsub->topics_url = mr_buf_take(&url);
    *ret = pubsub;
    return MR_OK;
}

void mr_pubsub_free(struct mr_pubsub *pubsub)
{
    if (!pubsub)
        return;
    free(pubsub->topics_url);
    free(pubsub);
}

/* URL_OF_THE_TOPIC:method */
static enum mr_status method_url(const struct mr_pubsub *pubsub, const char *topic, const char *method,
                                 struct mr_buf *ret_url, struct mr_err *err)
{
    MR_TRY(mr_buf_append_str(ret_url, pubsub->topics_url, err));
    MR_TRY(mr_percent_encode(ret_url, topic, false, err));
    return mr_buf_appendf(ret_url, err, ":%s", method);
}

static enum mr_status check_access(struct mr_pubsub *pubsub, const char *topic, struct mr_err *err)
{
    static const char *const wanted[] = {"pubsub.topics.publish", NULL};
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    static const char body[] = "{\"permissions\":[\"pubsub.topics.publish\"]}";
    static const struct mr_retry policy = {.attempts = 3, .base_ms = 200, .cap_ms = 1000, .total_ms = 10000};
    MR_AUTO(mr_buf) struct mr_buf url = MR_BUF_INIT(URL_MAX);
    MR_AUTO(mr_http_response) struct mr_http_response res = {0};
    struct mr_retry_state retry = {0};
    MR_TRY(method_url(pubsub, topic, "testIamPermissions", &url, err));
    struct mr_http_request req = {.method = "POST",
                                  .url = mr_buf_str(&url),
                                  .headers = headers,
                                  .body = body,
                                  .body_len = sizeof body - 1,
                                  .timeout_ms = CHECK_TIMEOUT_MS};
    MR_TRY(mr_authorized_call(&pubsub->caller, NULL, &req, &policy, &retry, &res, err));
    return mr_permissions_check(&res, wanted, err);
}

enum mr_status mr_pubsub_check_access(struct mr_pubsub *pubsub, const char *topic, struct mr_err *err)
{
    return mr_wrap(err, check_access(pubsub, topic, err), "topic %s", topic);
}

/* An upper bound of the message's size as JSON: base64 grows by a third, an escape has up to six bytes. */
static size_t json_size(const struct mr_pubsub_message *message)
{
    size_t size = MESSAGE_OVERHEAD + strlen(message->data) / 3 * 4 + 4;
    for (const char *const *text = message->attributes; text && *text; text++)
        size += strlen(*text) * 6 + 4;
    return size;
}

/* How many of the messages go into the next request: at least one. */
static size_t batch_size(const struct mr_pubsub_message *messages, size_t count)
{
    size_t bytes = 0, n = 0;
    while (n < count && n < BATCH_MESSAGES) {
        bytes += json_size(&messages[n]);
        if (n && bytes > BATCH_BYTES)
            break;
        n++;
    }
    return n;
}

static enum mr_status message_json(const struct mr_pubsub_message *message, json_t **ret, struct mr_err *err)
{
    MR_AUTO_STR char *data = NULL;
    MR_TRY(mr_base64_encode(message->data, strlen(message->data), &data, err));
    MR_AUTO_JSON json_t *attributes = json_object();
    for (const char *const *pair = message->attributes; pair && pair[0]; pair += 2)
        if (!pair[1] || json_object_set_new(attributes, pair[0], json_string(pair[1])) != 0)
            return mr_fail(err, MR_INVALID, "message attribute is not UTF-8 text");
    json_t *json = json_pack("{s:s,s:O}", "data", data, "attributes", attributes);
    if (!json)
        return mr_fail_oom(err);
    *ret = json;
    return MR_OK;
}

static enum mr_status request_text(const struct mr_pubsub_message *messages, size_t count, char **ret,
                                   struct mr_err *err)
{
    MR_AUTO_JSON json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *message = NULL;
        MR_TRY(message_json(&messages[i], &message, err));
        if (json_array_append_new(list, message) != 0)
            return mr_fail_oom(err);
    }
    MR_AUTO_JSON json_t *body = json_pack("{s:O}", "messages", list);
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    if (!text)
        return mr_fail_oom(err);
    *ret = text;
    return MR_OK;
}

static bool may_retry(enum mr_status status, const struct mr_http_response *res)
{
    if (mr_answer_may_retry(status, res))
        return true;
    MR_AUTO_JSON json_t *body = json_loadb(mr_buf_str(&res->body), res->body.len, 0, NULL);
    const char *code = json_string_value(json_object_get(json_object_get(body, "error"), "status"));
    for (size_t i = 0; code && i < sizeof retried_codes / sizeof *retried_codes; i++)
        if (strcmp(code, retried_codes[i]) == 0)
            return true;
    return false;
}

static enum mr_status check_ids(const struct mr_http_response *res, size_t count, struct mr_err *err)
{
    MR_AUTO_JSON json_t *json = NULL;
    MR_TRY(mr_answer_json(res, &json, err));
    size_t ids = json_array_size(json_object_get(json, "messageIds"));
    if (ids != count)
        return mr_fail(err, MR_UNAVAILABLE, "%zu message ids for %zu messages", ids, count);
    return MR_OK;
}

/* One request: MR_OK if each of count messages got its id. */
static enum mr_status send_once(struct mr_pubsub *pubsub, const char *topic,
                                const struct mr_http_request *req, size_t count, struct mr_http_response *res,
                                struct mr_err *err)
{
    const struct mr_need need = {.permission = "pubsub.topics.publish", .resource = topic};
    MR_TRY(mr_authorized_once(&pubsub->caller, &need, req, res, err));
    return check_ids(res, count, err);
}

static enum mr_status send_batch(struct mr_pubsub *pubsub, const char *topic, const char *url,
                                 const char *body, size_t count, int64_t deadline_us,
                                 struct mr_retry_state *retry, struct mr_err *err)
{
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    struct mr_retry policy = publish_policy;
    for (;;) {
        int64_t now_us = mr_time_monotonic_us();
        int64_t left_ms = (deadline_us - now_us) / 1000;
        struct mr_http_request req = {.method = "POST",
                                      .url = url,
                                      .headers = headers,
                                      .body = body,
                                      .body_len = strlen(body),
                                      .timeout_ms = left_ms > 1 ? (int)left_ms : 1};
        MR_AUTO(mr_http_response) struct mr_http_response res = {0};
        enum mr_status status = send_once(pubsub, topic, &req, count, &res, err);
        policy.total_ms = (deadline_us - retry->started_us) / 1000;
        if (status == MR_OK || !may_retry(status, &res) || !mr_retry_again(&policy, retry))
            return status;
    }
}

static enum mr_status publish(struct mr_pubsub *pubsub, const char *topic,
                              const struct mr_pubsub_message *messages, size_t count, int timeout_ms,
                              struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf url = MR_BUF_INIT(URL_MAX);
    MR_TRY(method_url(pubsub, topic, "publish", &url, err));
    struct mr_retry_state retry = {.started_us = mr_time_monotonic_us()};
    int64_t deadline_us = retry.started_us + timeout_ms * INT64_C(1000);
    while (count) {
        size_t n = batch_size(messages, count);
        if (n == 1 && json_size(messages) > BATCH_BYTES)
            return mr_fail(err, MR_TOO_LARGE, "message of %zu bytes", strlen(messages->data));
        MR_AUTO_STR char *body = NULL;
        MR_TRY(request_text(messages, n, &body, err));
        MR_TRY(send_batch(pubsub, topic, mr_buf_str(&url), body, n, deadline_us, &retry, err));
        messages += n;
        count -= n;
    }
    return MR_OK;
}

enum mr_status mr_pubsub_publish(struct mr_pubsub *pubsub, const char *topic,
                                 const struct mr_pubsub_message *messages, size_t count, int timeout_ms,
                                 struct mr_err *err)
{
    enum mr_status status = publish(pubsub, topic, messages, count, timeout_ms, err);
    return mr_wrap(err, status, "publish to %s", topic);
}
