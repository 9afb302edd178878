#include "shared/gcp/oidc.h"
#include "shared/base/encoding.h"
#include "shared/base/jwt.h"
#include "shared/gcp/api.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <strings.h>

enum {
    MIN_RSA_BITS = 2048,
    FETCH_TIMEOUT_MS = 5000,
    DEFAULT_MAX_AGE_S = 300, /* without a usable Cache-Control */
    LONGEST_MAX_AGE_S = 86400,
    UNKNOWN_KID_PAUSE_S = 60, /* forged key ids must not become a flood of fetches */
    FAILURE_PAUSE_S = 1
};

struct mr_oidc {
    struct mr_http_client *http;
    enum mr_oidc_mode mode;
    char *certs_url, *audience, *email;
    pthread_mutex_t fetch_lock; /* held while fetching; taken before lock */
    pthread_mutex_t lock;       /* protects all fields below */
    json_t *keys;               /* key id -> PEM public key; NULL before the first fetch */
    int64_t fresh_until_us;
    int64_t unknown_again_us; /* when the next fetch for an unknown key id is due */
    int64_t failed_until_us;  /* a failed fetch is not repeated before */
    struct mr_err failure;    /* of that fetch */
};

/* ---- birth and death ---------------------------------------------------------------- */

enum mr_status mr_oidc_new(struct mr_http_client *http, const struct mr_oidc_options *options,
                           struct mr_oidc **ret, struct mr_err *err)
{
    bool checked = options->mode != MR_OIDC_NONE;
    if (checked && (!options->audience || !*options->audience || !options->email || !*options->email))
        return mr_fail(err, MR_INVALID, "checking push tokens needs an audience and an account");
    if (options->mode == MR_OIDC_VERIFY && (!options->certs_url || !*options->certs_url))
        return mr_fail(err, MR_INVALID, "verifying push tokens needs the URL of the certificates");
    struct mr_oidc *created = calloc(1, sizeof *created);
    if (!created)
        return mr_fail_oom(err);
    created->http = http;
    created->mode = options->mode;
    pthread_mutex_init(&created->fetch_lock, NULL);
    pthread_mutex_init(&created->lock, NULL);
    MR_AUTO(mr_oidc) struct mr_oidc *oidc = created;
    oidc->certs_url = strdup(options->certs_url ? options->certs_url : "");
    oidc->audience = strdup(options->audience ? options->audience : "");
    oidc->email = strdup(options->email ? options->email : "");
    if (!oidc->certs_url || !oidc->audience || !oidc->email)
        return mr_fail_oom(err);
    *ret = MR_TAKE(oidc);
    return MR_OK;
}

void mr_oidc_free(struct mr_oidc *oidc)
{
    if (!oidc)
        return;
    pthread_mutex_destroy(&oidc->fetch_lock);
    pthread_mutex_destroy(&oidc->lock);
    json_decref(oidc->keys);
    free(oidc->certs_url);
    free(oidc->audience);
    free(oidc->email);
    free(oidc);
}

/* ---- certificates ----------------------------------------------------------------------- */

/* The public key of a PEM certificate as PEM, or NULL: only RSA keys of a decent size count. */
static json_t *key_of_certificate(const char *pem)
{
    json_t *key_text = NULL;
    BIO *in = BIO_new_mem_buf(pem, -1);
    BIO *out = BIO_new(BIO_s_mem());
    X509 *certificate = in ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;
    EVP_PKEY *key = certificate ? X509_get0_pubkey(certificate) : NULL;
    bool usable = key && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA && EVP_PKEY_get_bits(key) >= MIN_RSA_BITS;
    if (usable && out && PEM_write_bio_PUBKEY(out, key) == 1) {
        char *text = NULL;
        long len = BIO_get_mem_data(out, &text);
        key_text = json_stringn(text, (size_t)len);
    }
    X509_free(certificate);
    BIO_free(out);
    BIO_free(in);
    return key_text;
}

static enum mr_status parse_certificates(const struct mr_http_response *res, json_t **ret, struct mr_err *err)
{
    MR_AUTO_JSON json_t *certificates = NULL;
    enum mr_status status = mr_api_json(res, &certificates, err);
    if (status != MR_OK)
        return status;
    MR_AUTO_JSON json_t *keys = json_object();
    const char *key_id;
    json_t *pem;
    json_object_foreach (certificates, key_id, pem) {
        json_t *key = json_is_string(pem) ? key_of_certificate(json_string_value(pem)) : NULL;
        if (key && json_object_set_new(keys, key_id, key) != 0)
            return mr_fail_oom(err);
    }
    if (!json_object_size(keys))
        return mr_fail(err, MR_UNAVAILABLE, "the answer holds no usable certificate");
    *ret = MR_TAKE(keys);
    return MR_OK;
}

static int64_t max_age_seconds(const struct mr_http_response *res)
{
    char control[256];
    if (!mr_http_response_header(res, "Cache-Control", control, sizeof control))
        return DEFAULT_MAX_AGE_S;
    char *rest = NULL;
    int64_t seconds = DEFAULT_MAX_AGE_S;
    for (char *item = strtok_r(control, ", ", &rest); item; item = strtok_r(NULL, ", ", &rest))
        if (strncasecmp(item, "max-age=", 8) == 0)
            (void)!mr_parse_int64(item + 8, 0, LONGEST_MAX_AGE_S, &seconds);
    return seconds;
}

static enum mr_status fetch_keys(struct mr_oidc *oidc, json_t **ret, int64_t *ret_max_age_s,
                                 struct mr_err *err)
{
    static const struct mr_retry policy = {.attempts = 3, .base_ms = 100, .cap_ms = 500, .total_ms = 5000};
    struct mr_api api = {.http = oidc->http};
    struct mr_http_request req = {.method = "GET",
                                  .url = oidc->certs_url,
                                  .connect_timeout_ms = FETCH_TIMEOUT_MS,
                                  .timeout_ms = FETCH_TIMEOUT_MS};
    MR_AUTO(mr_http_response) struct mr_http_response res = {0};
    struct mr_retry_state retry = {0};
    enum mr_status status = mr_api_call(&api, &req, &policy, &retry, &res, err);
    if (status == MR_OK)
        status = parse_certificates(&res, ret, err);
    if (status == MR_OK) {
        *ret_max_age_s = max_age_seconds(&res);
        return MR_OK;
    }
    mr_wrap(err, status, "certificates of the token's signer");
    /* A refusal there says nothing about the token in hand. */
    err->status = mr_status_is_transient(status) ? status : MR_UNAVAILABLE;
    return err->status;
}

/* ---- keys by id ---------------------------------------------------------------------------- */

enum finding { FOUND, NOT_THERE, FETCH, FAILED };

/* What is to be done for a key id now. *ret_key is borrowed, for FOUND. */
static enum finding find_locked(struct mr_oidc *oidc, const char *key_id, const char **ret_key)
{
    int64_t now_us = mr_time_monotonic_us();
    bool fresh = oidc->keys && now_us < oidc->fresh_until_us;
    *ret_key = json_string_value(json_object_get(oidc->keys, key_id));
    if (fresh && *ret_key)
        return FOUND;
    if (now_us < oidc->failed_until_us)
        return FAILED;
    if (fresh && now_us < oidc->unknown_again_us)
        return NOT_THERE;
    return FETCH;
}

static enum mr_status answer_locked(struct mr_oidc *oidc, enum finding finding, const char *key, char **ret,
                                    struct mr_err *err)
{
    if (finding == FAILED) {
        *err = oidc->failure;
        return oidc->failure.status;
    }
    if (finding == NOT_THERE)
        return mr_fail(err, MR_NOT_FOUND, "unknown key id");
    char *copy = strdup(key);
    if (!copy)
        return mr_fail_oom(err);
    *ret = copy;
    return MR_OK;
}

static void take_over_locked(struct mr_oidc *oidc, json_t *keys, int64_t max_age_s)
{
    int64_t now_us = mr_time_monotonic_us();
    if (oidc->keys && now_us < oidc->fresh_until_us) /* fresh, so that an unknown id asked for it */
        oidc->unknown_again_us = now_us + UNKNOWN_KID_PAUSE_S * INT64_C(1000000);
    json_decref(oidc->keys);
    oidc->keys = keys;
    oidc->fresh_until_us = now_us + max_age_s * 1000000;
}

/* With fetch_lock held: looks again, because another thread may have fetched, and fetches if still due. */
static enum mr_status fetch_and_find(struct mr_oidc *oidc, const char *key_id, char **ret, struct mr_err *err)
{
    const char *key = NULL;
    pthread_mutex_lock(&oidc->lock);
    enum finding finding = find_locked(oidc, key_id, &key);
    enum mr_status status = finding == FETCH ? MR_OK : answer_locked(oidc, finding, key, ret, err);
    pthread_mutex_unlock(&oidc->lock);
    if (finding != FETCH)
        return status;
    json_t *keys = NULL;
    int64_t max_age_s = 0;
    struct mr_err failure = {0};
    status = fetch_keys(oidc, &keys, &max_age_s, &failure);
    pthread_mutex_lock(&oidc->lock);
    if (status == MR_OK) {
        take_over_locked(oidc, keys, max_age_s);
        key = json_string_value(json_object_get(oidc->keys, key_id));
        finding = key ? FOUND : NOT_THERE;
    } else {
        oidc->failed_until_us = mr_time_monotonic_us() + FAILURE_PAUSE_S * INT64_C(1000000);
        oidc->failure = failure;
        finding = FAILED;
    }
    status = answer_locked(oidc, finding, key, ret, err);
    pthread_mutex_unlock(&oidc->lock);
    return status;
}

/* A mr_jwt_key_lookup. */
static enum mr_status lookup_key(void *ctx, const char *key_id, char **ret_public_key, struct mr_err *err)
{
    struct mr_oidc *oidc = ctx;
    const char *key = NULL;
    struct mr_err failure = {0};
    pthread_mutex_lock(&oidc->lock);
    enum finding finding = find_locked(oidc, key_id, &key);
    enum mr_status status =
        finding == FETCH ? MR_OK : answer_locked(oidc, finding, key, ret_public_key, &failure);
    pthread_mutex_unlock(&oidc->lock);
    if (finding == FETCH) {
        pthread_mutex_lock(&oidc->fetch_lock);
        status = fetch_and_find(oidc, key_id, ret_public_key, &failure);
        pthread_mutex_unlock(&oidc->fetch_lock);
    }
    if (status != MR_OK && err)
        *err = failure;
    return status;
}

/* ---- the check ---------------------------------------------------------------------------------- */

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
                            "the token is of the account %.100s, PUSH_SERVICE_ACCOUNT is %.100s",
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

enum mr_status mr_oidc_check(struct mr_oidc *oidc, const char *authorization, struct mr_err *err)
{
    if (oidc->mode == MR_OIDC_NONE)
        return MR_OK;
    const char *token = bearer_token(authorization);
    if (!token)
        return mr_fail(err, MR_UNAUTHENTICATED, "no bearer token");
    MR_AUTO_JSON json_t *claims = NULL;
    enum mr_status status = oidc->mode == MR_OIDC_IAM
                                ? mr_jwt_read_unverified(token, &claims, err)
                                : mr_jwt_verify_rs256(token, lookup_key, oidc, &claims, err);
    return status == MR_OK ? check_claims(oidc, claims, err) : status;
}

enum mr_status mr_oidc_admit(struct mr_oidc *oidc, const struct mr_request *req, struct mr_err *err)
{
    struct mr_err cause = {0};
    enum mr_status status = mr_oidc_check(oidc, mr_request_header(req, "Authorization"), &cause);
    if (status == MR_OK)
        return MR_OK;
    if (status != MR_DENIED && status != MR_UNAUTHENTICATED) {
        *err = cause;
        return status;
    }
    /* Anybody can send nonsense; a genuine token comes from somebody who meant us. */
    mr_log_err(mr_request_log(req), status == MR_DENIED ? MR_LOG_ERROR : MR_LOG_WARNING,
               "call refused: compare the OIDC token of the subscription or job with PUSH_AUDIENCE and "
               "PUSH_SERVICE_ACCOUNT",
               &cause, NULL);
    return mr_fail(err, status, "no token of ours");
}
