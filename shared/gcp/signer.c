#include "shared/gcp/signer.h"

#include "shared/base/encoding.h"
#include "shared/gcp/answer.h"
#include "shared/gcp/authorized_call.h"

#include <pthread.h>

#define GOOGLE_IAM_URL "https://iamcredentials.googleapis.com"

enum { SIGN_TIMEOUT_MS = 10000, URL_MAX = 1024 };

/* Short, because a client waits for the answer. */
static const struct mr_retry sign_policy = {.attempts = 4, .base_ms = 100, .cap_ms = 2000, .total_ms = 10000};

struct mr_signer {
    struct mr_caller caller;
    char *iam_url; /* without a slash at its end */
    pthread_mutex_t lock;
    char *email; /* protected by lock until set, then constant; NULL: not known yet */
};

enum mr_status mr_signer_new(struct mr_http_client *http, const struct mr_signer_options *options,
                             struct mr_signer **ret, struct mr_err *err)
{
    struct mr_signer *created = calloc(1, sizeof *created);
    if (!created)
        return mr_fail_oom(err);
    pthread_mutex_init(&created->lock, NULL);
    MR_AUTO(mr_signer) struct mr_signer *signer = created;
    bool given = options->iam_url && *options->iam_url;
    signer->caller =
        (struct mr_caller){.http = http, .tokens = options->tokens, .refusals = options->refusals};
    signer->iam_url = strdup(given ? options->iam_url : GOOGLE_IAM_URL);
    if (!signer->iam_url)
        return mr_fail_oom(err);
    for (size_t len = strlen(signer->iam_url); len && signer->iam_url[len - 1] == '/'; len--)
        signer->iam_url[len - 1] = '\0';
    *ret = MR_TAKE(signer);
    return MR_OK;
}

void mr_signer_free(struct mr_signer *signer)
{
    if (!signer)
        return;
    pthread_mutex_destroy(&signer->lock);
    free(signer->iam_url);
    free(signer->email);
    free(signer);
}

/* Several threads may ask the metadata server at once; the first answer is kept. */
enum mr_status mr_signer_email(struct mr_signer *signer, const char **ret, struct mr_err *err)
{
    pthread_mutex_lock(&signer->lock);
    const char *known = signer->email;
    pthread_mutex_unlock(&signer->lock);
    if (known) {
        *ret = known;
        return MR_OK;
    }
    MR_AUTO_STR char *asked = NULL;
    enum mr_status status = mr_token_email(signer->caller.tokens, &asked, err);
    if (status != MR_OK)
        return mr_answer_own_fault(mr_wrap(err, status, "signing account"), err);
    pthread_mutex_lock(&signer->lock);
    if (!signer->email)
        signer->email = MR_TAKE(asked);
    *ret = signer->email;
    pthread_mutex_unlock(&signer->lock);
    return MR_OK;
}

/* signBlob: {"payload": base64} is answered by {"signedBlob": base64}. */
static enum mr_status request_text(const void *data, size_t len, char **ret, struct mr_err *err)
{
    MR_AUTO_STR char *payload = NULL;
    MR_TRY(mr_base64_encode(data, len, &payload, err));
    MR_AUTO_JSON json_t *json = json_pack("{s:s}", "payload", payload);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    if (!text)
        return mr_fail_oom(err);
    *ret = text;
    return MR_OK;
}

static enum mr_status read_signature(const struct mr_http_response *res, unsigned char **ret_signature,
                                     size_t *ret_len, struct mr_err *err)
{
    MR_AUTO_JSON json_t *json = NULL;
    MR_TRY(mr_answer_json(res, &json, err));
    const char *blob = json_string_value(json_object_get(json, "signedBlob"));
    if (!blob || !*blob || mr_base64_decode(blob, strlen(blob), ret_signature, ret_len, NULL) != MR_OK)
        return mr_fail(err, MR_UNAVAILABLE, "the answer has no signedBlob");
    return MR_OK;
}

static enum mr_status call_sign_blob(struct mr_signer *signer, const char *email, const char *body,
                                     struct mr_http_response *res, struct mr_err *err)
{
    static const char *const headers[] = {"Content-Type: application/json; charset=UTF-8", NULL};
    MR_AUTO(mr_buf) struct mr_buf url = MR_BUF_INIT(URL_MAX);
    MR_TRY(mr_buf_appendf(&url, err, "%s/v1/projects/-/serviceAccounts/", signer->iam_url));
    MR_TRY(mr_percent_encode(&url, email, false, err));
    MR_TRY(mr_buf_append_str(&url, ":signBlob", err));
    struct mr_http_request req = {.method = "POST",
                                  .url = mr_buf_str(&url),
                                  .headers = headers,
                                  .body = body,
                                  .body_len = strlen(body),
                                  .timeout_ms = SIGN_TIMEOUT_MS};
    const struct mr_need need = {.permission = "iam.serviceAccounts.signBlob", .resource = email};
    struct mr_retry_state retry = {0};
    return mr_authorized_call(&signer->caller, &need, &req, &sign_policy, &retry, res, err);
}

static enum mr_status sign_remotely(struct mr_signer *signer, const void *data, size_t len,
                                    unsigned char **ret_signature, size_t *ret_len, struct mr_err *err)
{
    const char *email = NULL;
    MR_AUTO_STR char *body = NULL;
    MR_AUTO(mr_http_response) struct mr_http_response res = {0};
    MR_TRY(mr_signer_email(signer, &email, err));
    MR_TRY(request_text(data, len, &body, err));
    MR_TRY(call_sign_blob(signer, email, body, &res, err));
    return read_signature(&res, ret_signature, ret_len, err);
}

enum mr_status mr_signer_sign(struct mr_signer *signer, const void *data, size_t len,
                              unsigned char **ret_signature, size_t *ret_len, struct mr_err *err)
{
    const struct mr_service_key *key = mr_token_key(signer->caller.tokens);
    if (key)
        return mr_service_key_sign(key, data, len, ret_signature, ret_len, err);
    enum mr_status status = sign_remotely(signer, data, len, ret_signature, ret_len, err);
    return mr_answer_own_fault(mr_wrap(err, status, "signBlob"), err);
}
