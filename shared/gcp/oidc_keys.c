#include "shared/gcp/oidc_keys.h"

#include "shared/base/clock.h"
#include "shared/base/encoding.h"
#include "shared/gcp/answer.h"
#include "shared/gcp/unauthenticated_call.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <strings.h>

enum {
    MIN_RSA_BITS = 2048,
    FETCH_TIMEOUT_MS = 5000,
    DEFAULT_MAX_AGE_S = 300, /* without a usable Cache-Control */
    LONGEST_MAX_AGE_S = 86400,
    UNKNOWN_KID_PAUSE_S = 60, /* forged key ids must not cause a flood of fetches */
    FAILURE_PAUSE_S = 1
};

struct mr_oidc_keys {
    struct mr_http_client *http;
    char *certs_url;
    pthread_mutex_t fetch_lock; /* held during a fetch; taken before lock */
    pthread_mutex_t lock;
    /* All fields below are protected by lock. */
    json_t *pem_by_id; /* NULL before the first fetch */
    int64_t fresh_until_us;
    int64_t unknown_again_us; /* the next fetch for an unknown key id is due then */
    int64_t failed_until_us;  /* a failed fetch is not repeated before then */
    struct mr_err failure;    /* of that fetch */
};

enum mr_status mr_oidc_keys_new(struct mr_http_client *http, const char *certs_url, struct mr_oidc_keys **ret,
                                struct mr_err *err)
{
    struct mr_oidc_keys *created = calloc(1, sizeof *created);
    if (!created)
        return mr_fail_oom(err);
    created->http = http;
    pthread_mutex_init(&created->fetch_lock, NULL);
    pthread_mutex_init(&created->lock, NULL);
    MR_AUTO(mr_oidc_keys) struct mr_oidc_keys *keys = created;
    keys->certs_url = strdup(certs_url);
    if (!keys->certs_url)
        return mr_fail_oom(err);
    *ret = MR_TAKE(keys);
    return MR_OK;
}

void mr_oidc_keys_free(struct mr_oidc_keys *keys)
{
    if (!keys)
        return;
    pthread_mutex_destroy(&keys->fetch_lock);
    pthread_mutex_destroy(&keys->lock);
    json_decref(keys->pem_by_id);
    free(keys->certs_url);
    free(keys);
}

/* The public key of a PEM certificate, as PEM; NULL unless it is an RSA key of at least MIN_RSA_BITS. */
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
    MR_TRY(mr_answer_json(res, &certificates, err));
    MR_AUTO_JSON json_t *pem_by_id = json_object();
    const char *key_id;
    json_t *pem;
    json_object_foreach (certificates, key_id, pem) {
        json_t *key = json_is_string(pem) ? key_of_certificate(json_string_value(pem)) : NULL;
        if (key && json_object_set_new(pem_by_id, key_id, key) != 0)
            return mr_fail_oom(err);
    }
    if (!json_object_size(pem_by_id))
        return mr_fail(err, MR_UNAVAILABLE, "the answer has no usable certificate");
    *ret = MR_TAKE(pem_by_id);
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

static enum mr_status fetch(const struct mr_oidc_keys *keys, json_t **ret, int64_t *ret_max_age_s,
                            struct mr_err *err)
{
    static const struct mr_retry policy = {.attempts = 3, .base_ms = 100, .cap_ms = 500, .total_ms = 5000};
    struct mr_http_request req = {.method = "GET",
                                  .url = keys->certs_url,
                                  .connect_timeout_ms = FETCH_TIMEOUT_MS,
                                  .timeout_ms = FETCH_TIMEOUT_MS};
    MR_AUTO(mr_http_response) struct mr_http_response res = {0};
    MR_TRY(mr_unauthenticated_call(keys->http, &req, &policy, &res, err));
    MR_TRY(parse_certificates(&res, ret, err));
    *ret_max_age_s = max_age_seconds(&res);
    return MR_OK;
}

enum finding { FOUND, UNKNOWN, FETCH_DUE, FETCH_FAILED };

/* What to do about a key id now. *ret_key is set for FOUND, and borrowed. */
static enum finding find_locked(const struct mr_oidc_keys *keys, const char *key_id, const char **ret_key)
{
    int64_t now_us = mr_time_monotonic_us();
    bool fresh = keys->pem_by_id && now_us < keys->fresh_until_us;
    *ret_key = json_string_value(json_object_get(keys->pem_by_id, key_id));
    if (fresh && *ret_key)
        return FOUND;
    if (now_us < keys->failed_until_us)
        return FETCH_FAILED;
    if (fresh && now_us < keys->unknown_again_us)
        return UNKNOWN;
    return FETCH_DUE;
}

static enum mr_status answer_locked(const struct mr_oidc_keys *keys, enum finding finding, const char *key,
                                    char **ret, struct mr_err *err)
{
    if (finding == FETCH_FAILED)
        return mr_fail_from(err, &keys->failure);
    if (finding == UNKNOWN || !key)
        return mr_fail(err, MR_NOT_FOUND, "unknown key id");
    char *copy = strdup(key);
    if (!copy)
        return mr_fail_oom(err);
    *ret = copy;
    return MR_OK;
}

/* Answers from the keys at hand; *ret_fetch is true if they must be fetched first. */
static enum mr_status look_up(struct mr_oidc_keys *keys, const char *key_id, bool *ret_fetch, char **ret,
                              struct mr_err *err)
{
    const char *key = NULL;
    pthread_mutex_lock(&keys->lock);
    enum finding finding = find_locked(keys, key_id, &key);
    *ret_fetch = finding == FETCH_DUE;
    enum mr_status status = *ret_fetch ? MR_OK : answer_locked(keys, finding, key, ret, err);
    pthread_mutex_unlock(&keys->lock);
    return status;
}

static void store_locked(struct mr_oidc_keys *keys, json_t *pem_by_id, int64_t max_age_s)
{
    int64_t now_us = mr_time_monotonic_us();
    if (keys->pem_by_id && now_us < keys->fresh_until_us) /* fetched for an unknown id */
        keys->unknown_again_us = now_us + UNKNOWN_KID_PAUSE_S * INT64_C(1000000);
    json_decref(keys->pem_by_id);
    keys->pem_by_id = pem_by_id;
    keys->fresh_until_us = now_us + max_age_s * 1000000;
}

static enum mr_status fetch_and_find(struct mr_oidc_keys *keys, const char *key_id, char **ret,
                                     struct mr_err *err)
{
    json_t *pem_by_id = NULL;
    int64_t max_age_s = 0;
    struct mr_err failure = {0};
    enum mr_status fetched = fetch(keys, &pem_by_id, &max_age_s, &failure);
    pthread_mutex_lock(&keys->lock);
    enum finding finding = FETCH_FAILED;
    const char *key = NULL;
    if (fetched == MR_OK) {
        store_locked(keys, pem_by_id, max_age_s);
        key = json_string_value(json_object_get(keys->pem_by_id, key_id));
        finding = key ? FOUND : UNKNOWN;
    } else {
        /* A refusal there says nothing about the token in hand. */
        mr_wrap(&failure, fetched, "certificates of the token's signer");
        failure.status = mr_status_is_transient(fetched) ? fetched : MR_UNAVAILABLE;
        keys->failed_until_us = mr_time_monotonic_us() + FAILURE_PAUSE_S * INT64_C(1000000);
        keys->failure = failure;
    }
    enum mr_status status = answer_locked(keys, finding, key, ret, err);
    pthread_mutex_unlock(&keys->lock);
    return status;
}

static enum mr_status find_with_fetch_lock(struct mr_oidc_keys *keys, const char *key_id, char **ret,
                                           struct mr_err *err)
{
    bool must_fetch = false;
    MR_TRY(look_up(keys, key_id, &must_fetch, ret, err)); /* another thread may have fetched meanwhile */
    return must_fetch ? fetch_and_find(keys, key_id, ret, err) : MR_OK;
}

enum mr_status mr_oidc_keys_find(void *ctx, const char *key_id, char **ret_public_key, struct mr_err *err)
{
    struct mr_oidc_keys *keys = ctx;
    bool must_fetch = false;
    MR_TRY(look_up(keys, key_id, &must_fetch, ret_public_key, err));
    if (!must_fetch)
        return MR_OK;
    pthread_mutex_lock(&keys->fetch_lock);
    enum mr_status status = find_with_fetch_lock(keys, key_id, ret_public_key, err);
    pthread_mutex_unlock(&keys->fetch_lock);
    return status;
}

int64_t mr_oidc_keys_fresh_until_us(struct mr_oidc_keys *keys)
{
    pthread_mutex_lock(&keys->lock);
    const int64_t until_us = keys->fresh_until_us;
    pthread_mutex_unlock(&keys->lock);
    return until_us;
}
