#include "shared/gcp/token.h"

#include "shared/base/clock.h"
#include "shared/base/encoding.h"
#include "shared/gcp/answer.h"
#include "shared/gcp/metadata.h"
#include "shared/gcp/token_endpoint.h"

#include <pthread.h>

#define METADATA_HOST "metadata.google.internal"
#define SCOPE         "https://www.googleapis.com/auth/cloud-platform"

enum {
    /* The metadata server's smallest cache keeps a token until 4 minutes before it expires: asking earlier
     * returns the same one. */
    REFRESH_BEFORE_S = 225,
    /* Between two refreshes while the old token is still valid. */
    REFRESH_PAUSE_S = 10,
    MAX_TOKEN = 8 * 1024,
};

struct mr_token_source {
    struct mr_http_client *http;
    char *metadata_host;       /* NULL with a key file */
    struct mr_service_key key; /* all NULL without a key file */
    pthread_mutex_t lock;
    pthread_cond_t fetched;
    /* All fields below are protected by lock. */
    char *token; /* NULL: none yet */
    int64_t expires_us, refresh_us;
    bool fetching;
    unsigned long fetches; /* fetches that have ended */
    enum mr_status last_status;
    struct mr_err last_err; /* of the last fetch, if it failed */
};

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
        MR_TRY(mr_service_key_load(options->credentials_file, &source->key, err));
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

/* {"access_token":…, "expires_in": seconds, as a number or a string}. */
static enum mr_status parse_token(const struct mr_http_response *res, char **ret_token, int64_t *ret_seconds,
                                  struct mr_err *err)
{
    MR_AUTO_JSON json_t *json = NULL;
    MR_TRY(mr_answer_json(res, &json, err));
    const char *token = json_string_value(json_object_get(json, "access_token"));
    const json_t *expires = json_object_get(json, "expires_in");
    int64_t seconds = json_integer_value(expires);
    if (json_is_string(expires) && !mr_parse_int64(json_string_value(expires), 0, INT32_MAX, &seconds))
        seconds = 0;
    if (!token || !*token || strlen(token) > MAX_TOKEN || seconds <= 0 || seconds > INT32_MAX)
        return mr_fail(err, MR_UNAVAILABLE, "the token server's answer has no usable token");
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
    static const char path[] = "instance/service-accounts/default/token?scopes=" SCOPE;
    MR_AUTO(mr_http_response) struct mr_http_response res = {0};
    if (source->metadata_host)
        MR_TRY(mr_metadata_get(source->http, source->metadata_host, path, &res, err));
    else
        MR_TRY(mr_token_endpoint_ask(source->http, &source->key, SCOPE, &res, err));
    return parse_token(&res, ret_token, ret_seconds, err);
}

static bool is_usable_locked(const struct mr_token_source *source, int64_t now_us)
{
    return source->token && now_us < source->expires_us;
}

/* Releases the lock during the fetch. A refresh may fail as long as the old token is valid. */
static void refresh_locked(struct mr_token_source *source)
{
    char *token = NULL;
    int64_t seconds = 0;
    struct mr_err err = {0};
    source->fetching = true;
    pthread_mutex_unlock(&source->lock);
    enum mr_status status = mr_answer_own_fault(fetch(source, &token, &seconds, &err), &err);
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

/* Returns with a usable token, or with the failure of a fetch that ended after this call began. */
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
            if (source->last_status != MR_OK)
                return mr_fail_from(err, &source->last_err);
        }
        if (source->fetching)
            pthread_cond_wait(&source->fetched, &source->lock);
        else
            refresh_locked(source);
    }
}

static enum mr_status append_header_locked(struct mr_token_source *source, struct mr_buf *out,
                                           struct mr_err *err)
{
    MR_TRY(provide_locked(source, err));
    return mr_buf_appendf(out, err, "Authorization: Bearer %s", source->token);
}

enum mr_status mr_token_header(struct mr_token_source *source, struct mr_buf *out, struct mr_err *err)
{
    pthread_mutex_lock(&source->lock);
    enum mr_status status = append_header_locked(source, out, err);
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

/* The first word of the metadata server's answer, or of in_key with a key file; malloc'ed. */
static enum mr_status read_word(struct mr_token_source *source, const char *path, const char *in_key,
                                char **ret, struct mr_err *err)
{
    MR_AUTO(mr_http_response) struct mr_http_response res = {0};
    const char *word = in_key;
    if (source->metadata_host) {
        MR_TRY(mr_metadata_get(source->http, source->metadata_host, path, &res, err));
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
    return read_word(source, "project/project-id", source->key.project_id, ret, err);
}

enum mr_status mr_token_email(struct mr_token_source *source, char **ret, struct mr_err *err)
{
    return read_word(source, "instance/service-accounts/default/email", source->key.client_email, ret, err);
}

const struct mr_service_key *mr_token_key(const struct mr_token_source *source)
{
    return source->metadata_host ? NULL : &source->key;
}
