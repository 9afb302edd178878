#include "shared/gcp/oidc.h"

#include "shared/base/jwt.h"
#include "shared/gcp/oidc_keys.h"
#include "shared/gcp/oidc_verified.h"

#include <strings.h>

struct mr_oidc {
    enum mr_oidc_mode mode;
    char *audience, *email;
    struct mr_oidc_keys *keys; /* NULL unless mode is MR_OIDC_VERIFY */
    struct mr_oidc_verified verified;
};

static bool is_given(const char *text)
{
    return text && *text;
}

enum mr_status mr_oidc_new(struct mr_http_client *http, const struct mr_oidc_options *options,
                           struct mr_oidc **ret, struct mr_err *err)
{
    if (options->mode != MR_OIDC_NONE && (!is_given(options->audience) || !is_given(options->email)))
        return mr_fail(err, MR_INVALID, "checking push tokens needs an audience and an account");
    if (options->mode == MR_OIDC_VERIFY && !is_given(options->certs_url))
        return mr_fail(err, MR_INVALID, "verifying push tokens needs the URL of the certificates");
    MR_AUTO(mr_oidc) struct mr_oidc *oidc = calloc(1, sizeof *oidc);
    if (!oidc)
        return mr_fail_oom(err);
    mr_oidc_verified_init(&oidc->verified);
    oidc->mode = options->mode;
    oidc->audience = strdup(options->audience ? options->audience : "");
    oidc->email = strdup(options->email ? options->email : "");
    if (!oidc->audience || !oidc->email)
        return mr_fail_oom(err);
    if (options->mode == MR_OIDC_VERIFY)
        MR_TRY(mr_oidc_keys_new(http, options->certs_url, &oidc->keys, err));
    *ret = MR_TAKE(oidc);
    return MR_OK;
}

void mr_oidc_free(struct mr_oidc *oidc)
{
    if (!oidc)
        return;
    mr_oidc_verified_destroy(&oidc->verified);
    mr_oidc_keys_free(oidc->keys);
    free(oidc->audience);
    free(oidc->email);
    free(oidc);
}

static const char *claim(const json_t *claims, const char *name)
{
    const char *value = json_string_value(json_object_get(claims, name));
    return value ? value : "";
}

static bool claim_is(const json_t *claims, const char *name, const char *expected)
{
    return strcmp(claim(claims, name), expected) == 0;
}

/* Google writes its issuer with and without the scheme. */
static bool is_issued_by_google(const json_t *claims)
{
    return claim_is(claims, "iss", "https://accounts.google.com") ||
           claim_is(claims, "iss", "accounts.google.com");
}

static enum mr_status check_claims(const struct mr_oidc *oidc, const json_t *claims, struct mr_err *err)
{
    if (!is_issued_by_google(claims))
        return mr_fail(err, MR_UNAUTHENTICATED, "token of another issuer");
    if (!claim_is(claims, "aud", oidc->audience))
        return mr_fail_code(err, MR_CODE_WRONG_AUDIENCE,
                            "the token is for the audience %.100s, PUSH_AUDIENCE is %.100s",
                            claim(claims, "aud"), oidc->audience);
    if (!claim_is(claims, "email", oidc->email))
        return mr_fail_code(err, MR_CODE_WRONG_ACCOUNT,
                            "the token is for the account %.100s, PUSH_SERVICE_ACCOUNT is %.100s",
                            claim(claims, "email"), oidc->email);
    if (oidc->mode == MR_OIDC_VERIFY && !json_is_true(json_object_get(claims, "email_verified")))
        return mr_fail(err, MR_DENIED, "token of an unverified account");
    return MR_OK;
}

/* The token of "Bearer TOKEN", or NULL. */
static const char *bearer_token(const char *authorization)
{
    if (!authorization || strncasecmp(authorization, "Bearer ", 7) != 0)
        return NULL;
    const char *token = authorization + 7;
    while (*token == ' ')
        token++;
    return *token ? token : NULL;
}

static enum mr_status verify(struct mr_oidc *oidc, const char *token, struct mr_err *err)
{
    MR_AUTO_JSON json_t *claims = NULL;
    if (mr_oidc_verified_has(&oidc->verified, token))
        return MR_OK;
    MR_TRY(mr_jwt_verify_rs256(token, mr_oidc_keys_find, oidc->keys, &claims, err));
    MR_TRY(check_claims(oidc, claims, err));
    mr_oidc_verified_note(&oidc->verified, token, json_integer_value(json_object_get(claims, "exp")),
                          mr_oidc_keys_fresh_until_us(oidc->keys));
    return MR_OK;
}

enum mr_status mr_oidc_check(struct mr_oidc *oidc, const char *authorization, struct mr_err *err)
{
    if (oidc->mode == MR_OIDC_NONE)
        return MR_OK;
    const char *token = bearer_token(authorization);
    if (!token)
        return mr_fail(err, MR_UNAUTHENTICATED, "bearer token is missing");
    if (oidc->mode == MR_OIDC_VERIFY)
        return verify(oidc, token, err);
    MR_AUTO_JSON json_t *claims = NULL;
    MR_TRY(mr_jwt_read_unverified(token, &claims, err));
    return check_claims(oidc, claims, err);
}

enum mr_status mr_oidc_admit(struct mr_oidc *oidc, const struct mr_request *req, struct mr_err *err)
{
    struct mr_err cause = {0};
    enum mr_status status = mr_oidc_check(oidc, mr_request_header(req, "Authorization"), &cause);
    if (status == MR_OK)
        return MR_OK;
    if (status != MR_DENIED && status != MR_UNAUTHENTICATED)
        return mr_fail_from(err, &cause);
    /* Anyone can send nonsense; a genuine token comes from a caller that meant this service. */
    mr_log_err(mr_request_log(req), status == MR_DENIED ? MR_LOG_ERROR : MR_LOG_WARNING,
               "call refused: compare the OIDC token of the subscription or job with PUSH_AUDIENCE and "
               "PUSH_SERVICE_ACCOUNT",
               &cause, NULL);
    return mr_fail(err, status, "token rejected");
}
