#include "infra/local/emulator/pubsub/push_request.h"

#include "infra/local/emulator/api/header_list.h"
#include "shared/base/encoding.h"

#include <ctype.h>
#include <inttypes.h>

bool em_push_status_is_ack(int http_status)
{
    static const int ack_codes[] = {102, 200, 201, 202, 204};
    for (size_t i = 0; i < sizeof ack_codes / sizeof *ack_codes; i++)
        if (ack_codes[i] == http_status)
            return true;
    return false;
}

static enum mr_status make_envelope(const struct em_push_request *push, char **ret_body, size_t *ret_len,
                                    struct mr_err *err)
{
    json_t *body = push->message->body;
    const char *id = json_string_value(json_object_get(body, "messageId"));
    const char *time = json_string_value(json_object_get(body, "publishTime"));
    MR_AUTO_JSON json_t *message = json_deep_copy(body);
    MR_AUTO_JSON json_t *envelope =
        json_pack("{s:O*,s:s}", "message", message, "subscription", push->settings->name);
    /* Both spellings, as in production. */
    bool ok = message && envelope && json_object_set_new(message, "message_id", json_string(id)) == 0 &&
              json_object_set_new(message, "publish_time", json_string(time)) == 0;
    if (ok && push->settings->dead_letter_topic)
        ok = json_object_set_new(envelope, "deliveryAttempt", json_integer(push->attempt)) == 0;
    char *text = ok ? json_dumps(envelope, JSON_COMPACT) : NULL;
    if (!text)
        return mr_fail_oom(err);
    *ret_body = text;
    *ret_len = strlen(text);
    return MR_OK;
}

/* False for an attribute that is not a legal header, or that would change the request itself: it is left out. */
static bool attribute_fits_header(const char *key, const char *value)
{
    static const char *const reserved[] = {"host",       "content-length", "transfer-encoding",
                                           "connection", "authorization",  "expect",
                                           "te",         "upgrade"};
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (strcasecmp(reserved[i], key) == 0)
            return false;
    for (const char *c = key; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("!#$%&'*+-.^_`|~", *c))
            return false;
    for (const char *c = value; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return false;
    return *key != '\0';
}

static enum mr_status add_metadata(struct em_header_list *headers, const struct em_push_request *push,
                                   struct mr_err *err)
{
    const struct em_message *message = push->message;
    char attempt[24];
    snprintf(attempt, sizeof attempt, "%" PRId64, push->attempt);
    const struct {
        const char *name;
        const char *value; /* NULL: left out */
    } metadata[] = {
        {"x-goog-pubsub-subscription-name", push->settings->name},
        {"x-goog-pubsub-message-id", json_string_value(json_object_get(message->body, "messageId"))},
        {"x-goog-pubsub-publish-time", json_string_value(json_object_get(message->body, "publishTime"))},
        {"x-goog-pubsub-ordering-key", *message->ordering_key ? message->ordering_key : NULL},
        {"x-goog-pubsub-delivery-attempt", push->settings->dead_letter_topic ? attempt : NULL},
    };
    for (size_t i = 0; i < sizeof metadata / sizeof *metadata; i++) {
        if (!metadata[i].value || !attribute_fits_header(metadata[i].name, metadata[i].value))
            continue;
        MR_TRY(em_header_list_add(headers, metadata[i].name, metadata[i].value, err));
    }
    json_t *attributes = json_object_get(message->body, "attributes");
    for (void *i = json_object_iter(attributes); i; i = json_object_iter_next(attributes, i)) {
        const char *key = json_object_iter_key(i);
        const char *value = json_string_value(json_object_iter_value(i));
        if (!attribute_fits_header(key, value))
            continue;
        MR_TRY(em_header_list_add(headers, key, value, err));
    }
    return MR_OK;
}

/* True if an attribute is sent as the request's Content-Type. */
static bool has_content_type(const struct em_push_request *push)
{
    const struct em_push_settings *settings = &push->settings->push;
    if (!settings->no_wrapper || !settings->write_metadata)
        return false;
    json_t *attributes = json_object_get(push->message->body, "attributes");
    for (void *i = json_object_iter(attributes); i; i = json_object_iter_next(attributes, i))
        if (strcasecmp(json_object_iter_key(i), "content-type") == 0)
            return attribute_fits_header(json_object_iter_key(i),
                                         json_string_value(json_object_iter_value(i)));
    return false;
}

static enum mr_status make_headers(const struct em_push_request *push, struct em_header_list *headers,
                                   struct mr_err *err)
{
    const struct em_push_settings *settings = &push->settings->push;
    MR_TRY(em_header_list_add(headers, "User-Agent", "CloudPubSub-Google", err));
    MR_TRY(em_header_list_add(headers, "From", "noreply@google.com", err));
    if (!has_content_type(push))
        MR_TRY(em_header_list_add(headers, "Content-Type",
                                  settings->no_wrapper ? "application/octet-stream" : "application/json",
                                  err));
    if (push->token)
        MR_TRY(em_header_list_add_bearer(headers, push->token, err));
    if (settings->no_wrapper && settings->write_metadata)
        MR_TRY(add_metadata(headers, push, err));
    return MR_OK;
}

static enum mr_status make_body(const struct em_push_request *push, char **ret_body, size_t *ret_len,
                                struct mr_err *err)
{
    if (!push->settings->push.no_wrapper)
        return make_envelope(push, ret_body, ret_len, err);
    const char *data = json_string_value(json_object_get(push->message->body, "data"));
    if (!data)
        data = "";
    unsigned char *decoded = NULL;
    MR_TRY(mr_base64_decode(data, strlen(data), &decoded, ret_len, err));
    *ret_body = (char *)decoded;
    return MR_OK;
}

/* Only the status of the answer counts, so its body is discarded, however long. */
static enum mr_status discard(void *ctx, const void *data, size_t len, struct mr_err *err)
{
    (void)ctx;
    (void)data;
    (void)len;
    (void)err;
    return MR_OK;
}

enum mr_status em_push_request_send(struct mr_http_client *http, const struct em_push_request *push,
                                    struct mr_err *err)
{
    MR_AUTO_STR char *body = NULL;
    size_t body_len = 0;
    MR_AUTO(em_header_list) struct em_header_list headers = EM_HEADER_LIST_INIT;
    MR_AUTO(mr_http_response) struct mr_http_response response = {0};
    MR_TRY(make_body(push, &body, &body_len, err));
    MR_TRY(make_headers(push, &headers, err));
    const struct mr_http_request request = {
        .method = "POST",
        .url = push->settings->push.endpoint,
        .headers = em_header_list_lines(&headers),
        .body = body,
        .body_len = body_len,
        .sink = discard,
        .sink_errors_too = true,
        .timeout_ms = (int)(push->settings->ack_deadline_us / 1000),
        .canceled = push->canceled,
        .canceled_ctx = push->canceled_ctx,
    };
    MR_TRY(mr_http_perform(http, &request, &response, err));
    if (!em_push_status_is_ack(response.status))
        return mr_fail(err, MR_UNAVAILABLE, "the endpoint answered %d", response.status);
    return MR_OK;
}
