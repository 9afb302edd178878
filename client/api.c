#include "client/api.h"

#include "client/retry.h"

#include <openssl/crypto.h>

enum {
    CALL_TIMEOUT_MS = 60000,
    ANSWER_MAX = 64 << 20, /* a page of tasks is about 1 MiB, a task with all its parts less */
    HEADERS_MAX = 5,
};

const char *mr_cli_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

static bool is_canceled(void *cli)
{
    return mr_cli_interrupted(cli);
}

struct mr_http_request mr_cli_request(struct mr_cli *cli, const char *method, const char *url)
{
    return (struct mr_http_request){.method = method,
                                    .url = url,
                                    .uses_proxy = true,
                                    .ca_file = cli->settings->ca_file,
                                    .canceled = is_canceled,
                                    .canceled_ctx = cli};
}

enum mr_status mr_cli_authorization(const struct mr_cli *cli, const char *token, char **ret,
                                    struct mr_err *err)
{
    const char *secret = token ? token : cli->key;
    if (!secret)
        return mr_fail(err, MR_UNAUTHENTICATED, "key for %s is missing", cli->settings->server);
    if (asprintf(ret, "Authorization: Bearer %s", secret) < 0) {
        *ret = NULL;
        return mr_fail_oom(err);
    }
    return MR_OK;
}

enum mr_status mr_cli_problem(const struct mr_http_response *res, struct mr_err *err)
{
    MR_AUTO_JSON json_t *body = json_loadb(mr_buf_str(&res->body), res->body.len, 0, NULL);
    const char *detail = mr_cli_text(body, "detail");
    enum mr_status status = res->status == 401 ? MR_UNAUTHENTICATED : mr_http_status_to_status(res->status);
    enum mr_code code = mr_code_find(mr_cli_text(body, "code"));
    if (res->status < 400)
        return mr_fail(err, MR_UNAVAILABLE, "the answer is HTTP %d: MEDIARUN_URL must be a mediarun server",
                       res->status);
    if (code == MR_CODE_NONE)
        code = mr_code_of_status(status);
    if (detail[0])
        return mr_fail_as(err, status, code, "%s", detail);
    return mr_fail_as(err, status, code, "the server answers HTTP %d", res->status);
}

struct secret {
    char *text;
};
static void secret_free(struct secret *secret)
{
    if (secret->text)
        OPENSSL_cleanse(secret->text, strlen(secret->text));
    free(secret->text);
}
MR_DEFINE_VALUE_CLEANUP(secret, secret_free)

static enum mr_status send_once(struct mr_cli *cli, const struct mr_cli_call *call, const char *body,
                                struct mr_http_response *res, struct mr_err *err)
{
    MR_AUTO(secret) struct secret authorization = {0};
    MR_AUTO_STR char *url = NULL, *key = NULL;
    const char *headers[HEADERS_MAX];
    int count = 0;
    if (!call->is_anonymous) {
        MR_TRY(mr_cli_authorization(cli, call->token, &authorization.text, err));
        headers[count++] = authorization.text;
    }
    if (call->idempotency_key) {
        if (asprintf(&key, "Idempotency-Key: %s", call->idempotency_key) < 0)
            return mr_fail_oom(err);
        headers[count++] = key;
    }
    if (body)
        headers[count++] = "Content-Type: application/json";
    headers[count++] = "Accept: application/json";
    headers[count] = NULL;
    if (asprintf(&url, "%s%s", cli->settings->server, call->path) < 0)
        return mr_fail_oom(err);
    struct mr_http_request request = mr_cli_request(cli, call->method, url);
    request.headers = headers;
    request.body = body;
    request.body_len = body ? strlen(body) : 0;
    request.max_response = ANSWER_MAX;
    request.timeout_ms = CALL_TIMEOUT_MS;
    return mr_http_perform(cli->http, &request, res, err);
}

/* An answer that says that nothing was done, or one that may be asked for again. */
static bool may_retry(const struct mr_cli *cli, const struct mr_cli_call *call,
                      const struct mr_http_response *res)
{
    if (!res->status)
        return cli->is_answered && (!call->once || !res->request_sent);
    return res->status == 429 || (!call->once && mr_http_status_is_transient(res->status));
}

/* Sends until there is an answer that stands, or none is to be expected. */
static enum mr_status send_call(struct mr_cli *cli, const struct mr_cli_call *call, const char *body,
                                struct mr_http_response *res, bool *ret_repeated, struct mr_err *err)
{
    struct mr_cli_retry retry = {0};
    while (true) {
        struct mr_err failure = {0};
        bool again = false;
        enum mr_status status = send_once(cli, call, body, res, &failure);
        bool is_transient =
            status == MR_OK ? mr_http_status_is_transient(res->status) : mr_status_is_transient(status);
        cli->is_answered |= res->status != 0;
        if (is_transient && may_retry(cli, call, res))
            MR_TRY(mr_cli_retry_again(cli, &retry, res, &again, err));
        if (!again && status == MR_OK)
            return MR_OK;
        if (!again)
            return mr_wrap(err, mr_fail_from(err, &failure), "%s", cli->settings->server);
        *ret_repeated = true;
    }
}

static enum mr_status read_answer(const struct mr_http_response *res, json_t **ret, struct mr_err *err)
{
    json_t *document = NULL;
    if (res->status < 200 || res->status > 299)
        return mr_cli_problem(res, err);
    if (!ret)
        return MR_OK;
    if (res->body.len &&
        mr_json_parse(mr_buf_str(&res->body), res->body.len, JSON_DECODE_ANY, &document, err) != MR_OK)
        return mr_fail(err, MR_UNAVAILABLE,
                       "the answer must be JSON: MEDIARUN_URL must be a mediarun server");
    *ret = document ? document : json_null();
    return MR_OK;
}

enum mr_status mr_cli_call(struct mr_cli *cli, const struct mr_cli_call *call, json_t **ret,
                           struct mr_err *err)
{
    MR_AUTO(mr_http_response) struct mr_http_response res = {0};
    MR_AUTO(secret) struct secret body = {0};
    bool repeated = false;
    if (call->body && !(body.text = json_dumps(call->body, MR_JSON_FLAGS)))
        return mr_fail_oom(err);
    MR_TRY(send_call(cli, call, body.text, &res, &repeated, err));
    /* The first one deleted it, and its answer was lost. */
    if (repeated && res.status == 404 && strcmp(call->method, "DELETE") == 0 && !ret)
        return MR_OK;
    return read_answer(&res, ret, err);
}
