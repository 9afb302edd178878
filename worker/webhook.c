#include "worker/webhook.h"

#include "shared/base/clock.h"
#include "shared/base/encoding.h"

#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/hmac.h>

enum { SECRET_MAX = 64, SIGNED_MAX = 16 << 20, LINE_MAX_BYTES = 200, ANSWER_MAX = 64 << 10 };

static enum mr_status append_signed_text(struct mr_buf *out, const char *id, int64_t timestamp,
                                         const char *body, struct mr_err *err)
{
    MR_TRY(mr_buf_appendf(out, err, "%s.%" PRId64 ".", id, timestamp));
    return mr_buf_append_str(out, body, err);
}

static enum mr_status make_mac(const char *secret, const struct mr_buf *text,
                               unsigned char mac[EVP_MAX_MD_SIZE], unsigned *ret_len, struct mr_err *err)
{
    unsigned char key[SECRET_MAX];
    size_t key_len = 0;
    if (OPENSSL_hexstr2buf_ex(key, sizeof key, &key_len, secret, '\0') != 1)
        return mr_fail(err, MR_INTERNAL, "webhook secret is not hexadecimal");
    bool good = HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)mr_buf_str(text), text->len, mac,
                     ret_len) != NULL;
    OPENSSL_cleanse(key, sizeof key);
    return good ? MR_OK : mr_fail(err, MR_INTERNAL, "HMAC failed");
}

enum mr_status mr_webhook_sign(const char *secret, const char *id, int64_t timestamp, const char *body,
                               char **ret, struct mr_err *err)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned mac_len = 0;
    MR_AUTO(mr_buf) struct mr_buf text = MR_BUF_INIT(SIGNED_MAX);
    MR_AUTO(mr_buf) struct mr_buf signature = MR_BUF_INIT(LINE_MAX_BYTES);
    MR_AUTO_STR char *base64 = NULL;
    MR_TRY(append_signed_text(&text, id, timestamp, body, err));
    MR_TRY(make_mac(secret, &text, mac, &mac_len, err));
    MR_TRY(mr_base64_encode(mac, mac_len, &base64, err));
    MR_TRY(mr_buf_appendf(&signature, err, "v1,%s", base64));
    *ret = mr_buf_take(&signature);
    return MR_OK;
}

/* The body of the answer is not used, but it must end. */
static enum mr_status ignore_answer(void *ctx, const void *data, size_t len, struct mr_err *err)
{
    size_t *taken = ctx;
    (void)data;
    *taken += len;
    return *taken <= ANSWER_MAX
               ? MR_OK
               : mr_fail(err, MR_TOO_LARGE, "answer of the receiver is larger than %d bytes", ANSWER_MAX);
}

/* The status decides: a failure after it does not undo the answer. */
static enum mr_delivery_end judge(int status, struct mr_err *reason)
{
    if (status >= 200 && status < 300) {
        *reason = (struct mr_err){0};
        return MR_DELIVERY_SENT;
    }
    mr_fail_code(reason, status == 410 ? MR_CODE_RECEIVER_GONE : MR_CODE_RECEIVER_REFUSED,
                 "receiver answered with status %d", status);
    return status == 410 ? MR_DELIVERY_FAILED : MR_DELIVERY_RETRY;
}

/* Without an answer: only a refused address is final. */
static enum mr_delivery_end judge_no_answer(const struct mr_err *reason)
{
    return reason->code == MR_CODE_ADDRESS_REFUSED ? MR_DELIVERY_FAILED : MR_DELIVERY_RETRY;
}

static enum mr_delivery_end post(struct mr_http_client *http, const struct mr_webhook *webhook,
                                 const char *const *headers, int *ret_status, struct mr_err *reason)
{
    size_t taken = 0;
    struct mr_http_request request = {.method = "POST",
                                      .url = webhook->url,
                                      .headers = headers,
                                      .body = webhook->body,
                                      .body_len = strlen(webhook->body),
                                      .sink = ignore_answer,
                                      .sink_ctx = &taken,
                                      .sink_errors_too = true,
                                      .timeout_ms = webhook->timeout_ms,
                                      .guard = webhook->guard,
                                      .ca_file = webhook->ca_file,
                                      .canceled = webhook->canceled,
                                      .canceled_ctx = webhook->canceled_ctx};
    MR_AUTO(mr_http_response) struct mr_http_response response = {0};
    enum mr_status status = mr_http_perform(http, &request, &response, reason);
    *ret_status = response.status;
    if (response.status >= 200)
        return judge(response.status, reason);
    if (status == MR_OK)
        mr_fail(reason, MR_UNAVAILABLE, "receiver sent no answer");
    return judge_no_answer(reason);
}

enum mr_delivery_end mr_webhook_send(struct mr_http_client *http, const struct mr_webhook *webhook,
                                     int *ret_status, struct mr_err *reason)
{
    char id[LINE_MAX_BYTES], at[LINE_MAX_BYTES], signature[LINE_MAX_BYTES], event[LINE_MAX_BYTES];
    int64_t now = mr_time_now_us() / 1000000;
    MR_AUTO_STR char *value = NULL;
    *ret_status = 0;
    if (mr_guard_check_url(webhook->guard, webhook->url, MR_GUARD_HTTPS_ONLY, reason) != MR_OK)
        return MR_DELIVERY_FAILED;
    if (mr_webhook_sign(webhook->secret, webhook->id, now, webhook->body, &value, reason) != MR_OK)
        return MR_DELIVERY_RETRY;
    snprintf(id, sizeof id, "webhook-id: %s", webhook->id);
    snprintf(at, sizeof at, "webhook-timestamp: %" PRId64, now);
    snprintf(signature, sizeof signature, "webhook-signature: %s", value);
    snprintf(event, sizeof event, "X-Mediarun-Event: %s", webhook->event);
    const char *const headers[] = {"Content-Type: application/json", id, at, signature, event, NULL};
    return post(http, webhook, headers, ret_status, reason);
}
