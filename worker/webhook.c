#include "worker/webhook.h"

#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/hmac.h>

enum { SECRET_MAX = 64, SIGNED_MAX = 16 << 20, LINE_MAX_BYTES = 200, ANSWER_MAX = 64 << 10 };

/* ---- signature ------------------------------------------------------------------ */

static enum mr_status append_signed_text(struct mr_buf *out, const char *id, int64_t timestamp,
                                         const char *body, struct mr_err *err)
{
    enum mr_status status = mr_buf_appendf(out, err, "%s.%" PRId64 ".", id, timestamp);
    return status == MR_OK ? mr_buf_append_str(out, body, err) : status;
}

enum mr_status mr_webhook_sign(const char *secret, const char *id, int64_t timestamp, const char *body,
                               char **ret, struct mr_err *err)
{
    unsigned char key[SECRET_MAX], mac[EVP_MAX_MD_SIZE];
    size_t key_len = 0;
    unsigned mac_len = 0;
    MR_AUTO(mr_buf) struct mr_buf text = MR_BUF_INIT(SIGNED_MAX);
    MR_AUTO(mr_buf) struct mr_buf signature = MR_BUF_INIT(LINE_MAX_BYTES);
    MR_AUTO_STR char *base64 = NULL;
    if (OPENSSL_hexstr2buf_ex(key, sizeof key, &key_len, secret, '\0') != 1)
        return mr_fail(err, MR_INTERNAL, "the secret of the webhook is not hexadecimal");
    enum mr_status status = append_signed_text(&text, id, timestamp, body, err);
    if (status == MR_OK && !HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)mr_buf_str(&text),
                                 text.len, mac, &mac_len))
        status = mr_fail(err, MR_INTERNAL, "HMAC failed");
    OPENSSL_cleanse(key, sizeof key);
    if (status == MR_OK)
        status = mr_base64_encode(mac, mac_len, &base64, err);
    if (status == MR_OK)
        status = mr_buf_appendf(&signature, err, "v1,%s", base64);
    if (status == MR_OK)
        *ret = mr_buf_take(&signature);
    return status;
}

/* ---- the answer -------------------------------------------------------------------- */

/* Nobody reads what a receiver has to say, but neither may it talk for ever. */
static enum mr_status ignore_answer(void *ctx, const void *data, size_t len, struct mr_err *err)
{
    size_t *taken = ctx;
    (void)data;
    *taken += len;
    return *taken <= ANSWER_MAX ? MR_OK : mr_fail(err, MR_TOO_LARGE, "the answer is too long");
}

/* An answer has come when its status has: what breaks afterwards does not undo it. */
static enum mr_delivery_end judge(int status, struct mr_err *reason)
{
    if (status >= 200 && status < 300) {
        *reason = (struct mr_err){0};
        return MR_DELIVERY_SENT;
    }
    mr_fail_code(reason, status == 410 ? MR_CODE_RECEIVER_GONE : MR_CODE_RECEIVER_REFUSED,
                 "the receiver answered %d", status);
    return status == 410 ? MR_DELIVERY_FAILED : MR_DELIVERY_RETRY;
}

/* Of an exchange that brought no answer: only an address that is refused stays so. */
static enum mr_delivery_end judge_silence(const struct mr_err *reason)
{
    return reason->code == MR_CODE_ADDRESS_REFUSED ? MR_DELIVERY_FAILED : MR_DELIVERY_RETRY;
}

/* ---- the request --------------------------------------------------------------------- */

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
        mr_fail(reason, MR_UNAVAILABLE, "the receiver gave no answer");
    return judge_silence(reason);
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
