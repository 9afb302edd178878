#include "shared/gcp/token_endpoint.h"

#include "shared/base/clock.h"
#include "shared/base/jwt.h"
#include "shared/gcp/answer.h"
#include "shared/gcp/unauthenticated_call.h"

#define TOKEN_AUDIENCE  "https://oauth2.googleapis.com/token"
#define JWT_BEARER_FORM "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion="

enum { ASSERTION_LIFETIME_S = 3600, ASSERTION_MAX = 16 * 1024, TIMEOUT_MS = 10000 };

/* Google's client libraries use the same numbers. */
static const struct mr_retry policy = {.attempts = 5, .base_ms = 200, .cap_ms = 3000, .total_ms = 15000};

static enum mr_status sign_assertion(const struct mr_service_key *key, const char *scope, char **ret,
                                     struct mr_err *err)
{
    json_int_t now = mr_time_now_us() / 1000000;
    MR_AUTO_JSON json_t *claims =
        json_pack("{s:s,s:s,s:s,s:I,s:I}", "iss", key->client_email, "aud", TOKEN_AUDIENCE, "scope", scope,
                  "iat", now, "exp", now + ASSERTION_LIFETIME_S);
    if (!claims)
        return mr_fail_oom(err);
    return mr_jwt_sign_rs256(key->private_key, key->private_key_id, claims, ret, err);
}

/* OAuth reports some transient failures with a 400. */
static bool may_retry(enum mr_status status, const struct mr_http_response *res)
{
    static const char *const transient[] = {"internal_failure", "server_error", "temporarily_unavailable"};
    if (mr_answer_may_retry(status, res))
        return true;
    MR_AUTO_JSON json_t *body = json_loadb(mr_buf_str(&res->body), res->body.len, 0, NULL);
    const char *error = json_string_value(json_object_get(body, "error"));
    for (size_t i = 0; error && i < sizeof transient / sizeof *transient; i++)
        if (strcmp(error, transient[i]) == 0)
            return true;
    return false;
}

enum mr_status mr_token_endpoint_ask(struct mr_http_client *http, const struct mr_service_key *key,
                                     const char *scope, struct mr_http_response *res, struct mr_err *err)
{
    static const char *const headers[] = {"Content-Type: application/x-www-form-urlencoded", NULL};
    MR_AUTO_STR char *assertion = NULL;
    MR_AUTO(mr_buf) struct mr_buf form = MR_BUF_INIT(ASSERTION_MAX);
    MR_TRY(sign_assertion(key, scope, &assertion, err));
    MR_TRY(mr_buf_appendf(&form, err, "%s%s", JWT_BEARER_FORM, assertion));
    struct mr_http_request req = {.method = "POST",
                                  .url = key->token_uri,
                                  .headers = headers,
                                  .body = form.data,
                                  .body_len = form.len,
                                  .timeout_ms = TIMEOUT_MS};
    struct mr_retry_state retry = {0};
    for (;;) {
        enum mr_status status = mr_unauthenticated_once(http, &req, res, err);
        if (status == MR_OK)
            return MR_OK;
        if (!may_retry(status, res) || !mr_retry_again(&policy, &retry))
            return mr_wrap(err, status, "token endpoint");
    }
}
