#include "shared/gcp/token.h"
#include "shared/base/encoding.h"
#include "shared/base/jwt.h"
#include "shared/gcp/api.h"

#include <pthread.h>

#define METADATA_HOST   "metadata.google.internal"
#define METADATA_ROOT   "computeMetadata/v1/"
#define TOKEN_AUDIENCE  "https://oauth2.googleapis.com/token"
#define SCOPE           "https://www.googleapis.com/auth/cloud-platform"
#define JWT_BEARER_FORM "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion="

enum {
    /* The metadata server's smallest cache holds a token until 4 minutes before its end: asking earlier gives
     * the same one again. */
    REFRESH_BEFORE_S = 225,
    /* Between two refreshes while the old token still serves. */
    REFRESH_PAUSE_S = 10,
    ASSERTION_LIFETIME_S = 3600,
    MAX_TOKEN = 8 * 1024,
    MAX_ASSERTION = 16 * 1024
};

/* Google's client libraries use the same numbers. */
static const struct mr_retry fetch_policy = {
    .attempts = 5, .base_ms = 200, .cap_ms = 3000, .total_ms = 15000};
enum { METADATA_TIMEOUT_MS = 3000, ENDPOINT_TIMEOUT_MS = 10000 };

struct mr_token_source {
    struct mr_http_client *http;
    char *metadata_host;       /* NULL with a key file */
    struct mr_service_key key; /* all NULL without a key file */
    pthread_mutex_t lock;      /* protects all fields below */
    pthread_cond_t fetched;
    char *token; /* NULL: none yet */
    int64_t expires_us, refresh_us;
    bool fetching;
    unsigned long fetches;  /* how many have ended */
    struct mr_err last_err; /* of the last one, if it failed */
    enum mr_status last_status;
};

/* ---- birth and death ----------------------------------------------------------- */

static bool is_given(const char *text)
{
    return text && *text;
}

enum mr_status mr_token_source_new(struct mr_http_client *http, const struct mr_token_options *options,
                                   struct mr_token_source **ret, struct mr_err *err)
{
    struct mr_token_source *created = calloc(1, sizeof *created);
    if (!created)
        return mr_fail_oom(err);
    created->http = http;
    pthread_mutex_init(&created->lock, NULL);
    pthread_cond_init(&created->fetched, NULL);
    MR_AUTO(mr_token_source) struct mr_token_source *source = created;
    if (is_given(options->credentials_file)) {
        enum mr_status status = mr_service_key_load(options->credentials_file, &source->key, err);
        if (status != MR_OK)
            return status;
    } else {
        source->metadata_host =
            strdup(is_given(options->metadata_host) ? options->metadata_host : METADATA_HOST);
        if (!source->metadata_host)
            return mr_fail_oom(err);
    }
    *ret = MR_TAKE(source);
    return MR_OK;
}

void mr_token_source_free(struct mr_token_source *source)
{
    if (!source)
        return;
    pthread_mutex_destroy(&source->lock);
    pthread_cond_destroy(&source->fetched);
    free(source->metadata_host);
    mr_service_key_free(&source->key);
    free(source->token);
    free(source);
}

/* ---- the metadata server ---------------------------------------------------------- */

/* GETs METADATA_ROOT + path. Whoever answers must prove to be the metadata server by its own header. */
static enum mr_status get_metadata(struct mr_token_source *source, const char *path,
                                   struct mr_http_response *res, struct mr_err *err)
{
    static const char *const headers[] = {"Metadata-Flavor: Google", NULL};
    MR_AUTO(mr_buf) struct mr_buf url = MR_BUF_INIT(1024);
    enum mr_status status =
        mr_buf_appendf(&url, err, "http://%s/" METADATA_ROOT "%s", source->metadata_host, path);
    if (status != MR_OK)
        return status;
    struct mr_api api = {.http = source->http};
    struct mr_http_request req = {.method = "GET",
                                  .url = mr_buf_str(&url),
                                  .headers = headers,
                                  .connect_timeout_ms = METADATA_TIMEOUT_MS,
                                  .timeout_ms = METADATA_TIMEOUT_MS};
    struct mr_retry_state retry = {0};
    status = mr_api_call(&api, &req, &fetch_policy, &retry, res, err);
    if (status != MR_OK)
        return mr_wrap(err, status, "metadata server");
    char flavor[16];
    if (!mr_http_response_header(res, "Metadata-Flavor", flavor, sizeof flavor) ||
        strcmp(flavor, "Google") != 0)
        return mr_fail(err, MR_UNAVAILABLE, "%s is not a metadata server: no Metadata-Flavor: Google",
                       source->metadata_host);
    return MR_OK;
}

/* ---- the token endpoint, for key files (RFC 7523 §2.1) ------------------------------ */

static enum mr_status sign_assertion(const struct mr_service_key *key, char **ret, struct mr_err *err)
{
    json_int_t now = mr_time_now_us() / 1000000;
    MR_AUTO_JSON json_t *claims =
        json_pack("{s:s,s:s,s:s,s:I,s:I}", "iss", key->client_email, "aud", TOKEN_AUDIENCE, "scope", SCOPE,
                  "iat", now, "exp", now + ASSERTION_LIFETIME_S);
    if (!claims)
        return mr_fail_oom(err);
    return mr_jwt_sign_rs256(key->private_key, key->private_key_id, claims, ret, err);
}

/* OAuth names some transient failures in a 400. */
static bool endpoint_may_retry(enum mr_status status, const struct mr_http_response *res)
{
    static const char *const transient[] = {"internal_failure", "server_error", "temporarily_unavailable"};
    if (mr_api_may_retry(status, res))
        return true;
    MR_AUTO_JSON json_t *body = json_loadb(mr_buf_str(&res->body), res->body.len, 0, NULL);
    const char *error = json_string_value(json_object_get(body, "error"));
    for (size_t i = 0; error && i < sizeof transient / sizeof *transient; i++)
        if (strcmp(error, transient[i]) == 0)
            return true;
    return false;
}

static enum mr_status ask_endpoint(struct mr_token_source *source, struct mr_http_response *res,
                                   struct mr_err *err)
{
    static const char *const headers[] = {"Content-Type: application/x-www-form-urlencoded", NULL};
    MR_AUTO_STR char *assertion = NULL;
    enum mr_status status = sign_assertion(&source->key, &assertion, err);
    MR_AUTO(mr_buf) struct mr_buf form = MR_BUF_INIT(MAX_ASSERTION);
    if (status == MR_OK)
        status = mr_buf_appendf(&form, err, "%s%s", JWT_BEARER_FORM, assertion);
    if (status != MR_OK)
        return status;
    struct mr_api api = {.http = source->http};
    struct mr_http_request req = {.method = "POST",
                                  .url = source->key.token_uri,
                                  .headers = headers,
                                  .body = form.data,
                                  .body_len = form.len,
                                  .timeout_ms = ENDPOINT_TIMEOUT_MS};
    struct mr_retry_state retry = {0};
    do
        status = mr_api_once(&api, &req, res, err);
    while (status != MR_OK && endpoint_may_retry(status, res) && mr_retry_again(&fetch_policy, &retry));
    return status == MR_OK ? MR_OK : mr_wrap(err, status, "token endpoint");
}

/* ---- fetching and caching ------------------------------------------------------------ */

/* {"access_token":…, "expires_in": seconds as number or string}. */
static enum mr_status parse_token(const struct mr_http_response *res, char **ret_token, int64_t *ret_seconds,
                                  struct mr_err *err)
{
    MR_AUTO_JSON json_t *json = NULL;
    enum mr_status status = mr_api_json(res, &json, err);
    if (status != MR_OK)
        return status;
    const char *token = json_string_value(json_object_get(json, "access_token"));
    const json_t *expires = json_object_get(json, "expires_in");
    int64_t seconds = json_integer_value(expires);
    if (json_is_string(expires) && !mr_parse_int64(json_string_value(expires), 0, INT32_MAX, &seconds))
        seconds = 0;
    if (!token || !*token || strlen(token) > MAX_TOKEN || seconds <= 0 || seconds > INT32_MAX)
        return mr_fail(err, MR_UNAVAILABLE, "the token server's answer holds no usable token");
    char *copy = strdup(token);
    if (!copy)
        return mr_fail_oom(err);
    *ret_token = copy;
    *ret_seconds = seconds;
    return MR_OK;
}

static enum mr_status fetch(struct mr_token_source *source, char **ret_token, int64_t *ret_seconds,
                            struct mr_err *err)
{
    MR_AUTO(mr_http_response) struct mr_http_response res = {0};
    enum mr_status status =
        source->metadata_host
            ? get_metadata(source, "instance/service-accounts/default/token?scopes=" SCOPE, &res, err)
            : ask_endpoint(source, &res, err);
    if (status == MR_OK)
        status = parse_token(&res, ret_token, ret_seconds, err);
    if (status == MR_OK || mr_status_is_transient(status))
        return status;
    /* Refused credentials are our own fault, not that of the client whose request needed them. */
    if (err)
        err->status = MR_INTERNAL;
    return MR_INTERNAL;
}

static bool is_usable_locked(const struct mr_token_source *source, int64_t now_us)
{
    return source->token && now_us < source->expires_us;
}

/* Fetches with the lock released meanwhile. A failed refresh does no harm while the old token lasts. */
static void refresh_locked(struct mr_token_source *source)
{
    char *token = NULL;
    int64_t seconds = 0;
    struct mr_err err = {0};
    source->fetching = true;
    pthread_mutex_unlock(&source->lock);
    enum mr_status status = fetch(source, &token, &seconds, &err);
    pthread_mutex_lock(&source->lock);
    int64_t now_us = mr_time_monotonic_us();
    int64_t pause_us = now_us + REFRESH_PAUSE_S * INT64_C(1000000);
    source->refresh_us = pause_us;
    if (status == MR_OK) {
        free(source->token);
        source->token = token;
        source->expires_us = now_us + seconds * 1000000;
        int64_t due_us = now_us + (seconds - REFRESH_BEFORE_S) * 1000000;
        source->refresh_us = due_us > pause_us ? due_us : pause_us;
    }
    source->last_status = status;
    source->last_err = err;
    source->fetching = false;
    source->fetches++;
    pthread_cond_broadcast(&source->fetched);
}

/* Leaves with a usable token, or with the status of a fetch that ended after this call began. */
static enum mr_status provide_locked(struct mr_token_source *source, struct mr_err *err)
{
    unsigned long fetches_before = source->fetches;
    for (;;) {
        int64_t now_us = mr_time_monotonic_us();
        bool usable = is_usable_locked(source, now_us);
        if (usable && (source->fetching || now_us < source->refresh_us))
            return MR_OK;
        if (source->fetches != fetches_before) {
            if (usable)
                return MR_OK;
            if (source->last_status != MR_OK) {
                if (err)
                    *err = source->last_err;
                return source->last_status;
            }
        }
        if (source->fetching)
            pthread_cond_wait(&source->fetched, &source->lock);
        else
            refresh_locked(source);
    }
}

enum mr_status mr_token_header(struct mr_token_source *source, struct mr_buf *out, struct mr_err *err)
{
    pthread_mutex_lock(&source->lock);
    enum mr_status status = provide_locked(source, err);
    if (status == MR_OK)
        status = mr_buf_appendf(out, err, "Authorization: Bearer %s", source->token);
    pthread_mutex_unlock(&source->lock);
    return status;
}

void mr_token_invalidate(struct mr_token_source *source)
{
    pthread_mutex_lock(&source->lock);
    free(source->token);
    source->token = NULL;
    pthread_mutex_unlock(&source->lock);
}

/* ---- who we are ------------------------------------------------------------------------ */

/* One line of text from the metadata server, or what the key file says instead; malloc'ed. */
static enum mr_status ask_for_word(struct mr_token_source *source, const char *path, const char *in_key,
                                   char **ret, struct mr_err *err)
{
    MR_AUTO(mr_http_response) struct mr_http_response res = {0};
    const char *word = in_key;
    if (source->metadata_host) {
        enum mr_status status = get_metadata(source, path, &res, err);
        if (status != MR_OK)
            return status;
        word = mr_buf_str(&res.body);
    }
    size_t len = strcspn(word, " \r\n");
    if (!len)
        return mr_fail(err, MR_UNAVAILABLE, "the metadata server has no %s", path);
    char *copy = strndup(word, len);
    if (!copy)
        return mr_fail_oom(err);
    *ret = copy;
    return MR_OK;
}

enum mr_status mr_token_project(struct mr_token_source *source, char **ret, struct mr_err *err)
{
    return ask_for_word(source, "project/project-id", source->key.project_id, ret, err);
}

enum mr_status mr_token_email(struct mr_token_source *source, char **ret, struct mr_err *err)
{
    return ask_for_word(source, "instance/service-accounts/default/email", source->key.client_email, ret,
                        err);
}

const struct mr_service_key *mr_token_key(const struct mr_token_source *source)
{
    return source->metadata_host ? NULL : &source->key;
}
