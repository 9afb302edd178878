#include "shared/base/encoding.h"
#include "web/api/task_request.h"

#include <ctype.h>
#include <openssl/evp.h>

enum { KEY_MAX = 255 };

/* Version 00 of https://www.w3.org/TR/trace-context/: lower-case hexadecimal digits and three dashes. */
static bool is_traceparent(const char *text)
{
    if (strlen(text) != MR_TRACEPARENT_MAX - 1 || strncmp(text, "00-", 3) != 0)
        return false;
    for (int i = 3; text[i]; i++) {
        bool dash = i == 35 || i == 52;
        if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i]) || isupper((unsigned char)text[i]))
            return false;
    }
    return true;
}

static bool is_key(const char *text)
{
    size_t len = strlen(text);
    for (const char *p = text; *p; p++)
        if (*p <= ' ' || *p > '~')
            return false;
    return len >= 1 && len <= KEY_MAX;
}

/* With a tracer, what follows is below a span of our own, which continues the trace of the client. */
static void begin_span(struct mr_task_request *wanted, struct mr_request *req)
{
    struct mr_log log = *mr_request_log(req);
    wanted->span = mr_span_begin(wanted->web->tracer, &log, "create task", MR_SPAN_SERVER);
    if (!mr_span_is_recorded(&wanted->span))
        return;
    mr_span_set_text(&wanted->span, "http.route", mr_request_route(req)->pattern);
    mr_span_enter(&wanted->span, &log);
    mr_request_set_trace(req, &log);
    mr_span_traceparent(&wanted->span, wanted->traceparent);
}

enum mr_status mr_task_request_take_headers(struct mr_task_request *wanted, struct mr_request *req,
                                            struct mr_err *err)
{
    const char *trace = mr_request_header(req, "traceparent");
    if (trace && is_traceparent(trace))
        snprintf(wanted->traceparent, sizeof wanted->traceparent, "%s", trace);
    begin_span(wanted, req);
    const char *key = mr_request_header(req, "Idempotency-Key");
    if (key && !is_key(key))
        return mr_fail_code(err, MR_CODE_INVALID_IDEMPOTENCY_KEY,
                            "Idempotency-Key must be 1 to %d visible ASCII characters", KEY_MAX);
    wanted->idempotency_key = key;
    return MR_OK;
}

/* What the hash is computed from; NULL without memory. */
static json_t *hashed_parts(const struct mr_task_request *wanted)
{
    json_t *all = json_pack("{s:O}", "fields", wanted->fields);
    if (!wanted->file.is_stored)
        return all;
    json_t *file = json_pack("{s:s,s:s}", "name", wanted->file.name.text, "sha256", wanted->file.sha256);
    if (json_object_set_new(all, "file", file) == 0)
        return all;
    json_decref(all);
    return NULL;
}

enum mr_status mr_task_request_hash(struct mr_task_request *wanted, struct mr_err *err)
{
    if (!wanted->idempotency_key)
        return MR_OK;
    MR_AUTO_JSON json_t *all = hashed_parts(wanted);
    MR_AUTO_STR char *text = all ? json_dumps(all, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    if (!text)
        return mr_fail_oom(err);
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (EVP_Digest(text, strlen(text), bytes, &len, EVP_sha256(), NULL) != 1)
        return mr_fail(err, MR_INTERNAL, "SHA-256 failed");
    mr_hex_encode(bytes, len, wanted->request_hash);
    return MR_OK;
}
