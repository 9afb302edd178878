#include "infra/local/emulator/pubsub/push_request.h"

#include "shared/base/encoding.h"

#include <ctype.h>
#include <inttypes.h>

enum {
    HEADERS_MAX = 128,            /* 100 attributes and our own */
    HEADER_BYTES_MAX = 256 << 10, /* 100 × (key + value) and our own */
};

bool em_push_status_is_ack(int http_status)
{
    static const int ack_codes[] = {102, 200, 201, 202, 204};
    for (size_t i = 0; i < sizeof ack_codes / sizeof *ack_codes; i++)
        if (ack_codes[i] == http_status)
            return true;
    return false;
}

/* ---- the wrapped body ---- */

static enum mr_status make_envelope(const struct em_push_request *push, char **ret_body, size_t *ret_len,
                                    struct mr_err *err)
{
    json_t *body = push->message->body;
    const char *id = json_string_value(json_object_get(body, "messageId"));
    const char *time = json_string_value(json_object_get(body, "publishTime"));
    MR_AUTO_JSON json_t *message = json_deep_copy(body);
    MR_AUTO_JSON json_t *envelope =
        json_pack("{s:O*,s:s}", "message", message, "subscription", push->settings->name);
    /* Both spellings, because production sends both. */
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

/* ---- headers ---- */

/* Lines in one buffer, each ended by NUL, and then pointers to them. */
struct header_list {
    struct mr_buf text;
    size_t count;
    const char *lines[HEADERS_MAX + 1];
};

static enum mr_status add_header(struct header_list *headers, const char *name, const char *value,
                                 struct mr_err *err)
{
    if (headers->count == HEADERS_MAX)
        return mr_fail(err, MR_TOO_LARGE, "too many headers");
    headers->count++;
    MR_TRY(mr_buf_appendf(&headers->text, err, "%s: %s", name, value));
    return mr_buf_append(&headers->text, "", 1, err);
}

static void finish_headers(struct header_list *headers)
{
    const char *line = headers->text.data;
    for (size_t i = 0; i < headers->count; i++) {
        headers->lines[i] = line;
        line += strlen(line) + 1;
    }
    headers->lines[headers->count] = NULL;
}

/* An attribute that is no legal header, or that would change the request itself, is left out. */
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

static enum mr_status add_metadata(struct header_list *headers, const struct em_push_request *push,
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
        enum mr_status status = add_header(headers, metadata[i].name, metadata[i].value, err);
        if (status)
            return status;
    }
    json_t *attributes = json_object_get(message->body, "attributes");
    for (void *i = json_object_iter(attributes); i; i = json_object_iter_next(attributes, i)) {
        const char *key = json_object_iter_key(i);
        const char *value = json_string_value(json_object_iter_value(i));
        if (!attribute_fits_header(key, value))
            continue;
        enum mr_status status = add_header(headers, key, value, err);
        if (status)
            return status;
    }
    return MR_OK;
}

/* True if an attribute will be sent as the request's Content-Type. */
static bool brings_content_type(const struct em_push_request *push)
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

static enum mr_status make_headers(const struct em_push_request *push, struct header_list *headers,
                                   struct mr_err *err)
{
    const struct em_push_settings *settings = &push->settings->push;
    enum mr_status status = add_header(headers, "User-Agent", "CloudPubSub-Google", err);
    if (!status)
        status = add_header(headers, "From", "noreply@google.com", err);
    if (!status && !brings_content_type(push))
        status = add_header(headers, "Content-Type",
                            settings->no_wrapper ? "application/octet-stream" : "application/json", err);
    if (!status && push->token) {
        MR_AUTO_STR char *value = NULL;
        if (asprintf(&value, "Bearer %s", push->token) < 0)
            return mr_fail_oom(err);
        status = add_header(headers, "Authorization", value, err);
    }
    if (!status && settings->no_wrapper && settings->write_metadata)
        status = add_metadata(headers, push, err);
    if (!status)
        finish_headers(headers);
    return status;
}

/* ---- the request ---- */

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

/* What the endpoint says is of no interest, however long: only its status counts. */
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
    struct header_list headers = {.text = MR_BUF_INIT(HEADER_BYTES_MAX)};
    enum mr_status status = make_body(push, &body, &body_len, err);
    if (!status)
        status = make_headers(push, &headers, err);
    if (!status) {
        MR_AUTO(mr_http_response) struct mr_http_response response = {0};
        const struct mr_http_request request = {
            .method = "POST",
            .url = push->settings->push.endpoint,
            .headers = headers.lines,
            .body = body,
            .body_len = body_len,
            .sink = discard,
            .sink_errors_too = true,
            .timeout_ms = (int)(push->settings->ack_deadline_us / 1000),
            .canceled = push->canceled,
            .canceled_ctx = push->canceled_ctx,
        };
        status = mr_http_perform(http, &request, &response, err);
        if (!status && !em_push_status_is_ack(response.status))
            status = mr_fail(err, MR_UNAVAILABLE, "the endpoint answered %d", response.status);
    }
    mr_buf_free(&headers.text);
    return status;
}
