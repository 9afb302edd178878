#include "shared/http/server_request.h"

#include "shared/base/encoding.h"

/* Decodes one "name=value"; a pair with a broken escape is left out. */
static void add_query_pair(struct mr_request *req, char *pair)
{
    char *value = strchr(pair, '=');
    if (value)
        *value++ = '\0';
    else
        value = pair + strlen(pair);
    if (!*pair || mr_percent_decode(pair, true, NULL) != MR_OK ||
        mr_percent_decode(value, true, NULL) != MR_OK)
        return;
    req->query[req->query_count].name = pair;
    req->query[req->query_count].value = value;
    req->query_count++;
}

static enum mr_status prepare_query(struct mr_request *req, struct mr_err *err)
{
    if (!*req->head->query)
        return MR_OK;
    req->query_text = strdup(req->head->query);
    if (!req->query_text)
        return mr_fail_oom(err);
    char *rest = NULL;
    for (char *pair = strtok_r(req->query_text, "&", &rest); pair && req->query_count < MR_QUERY_MAX;
         pair = strtok_r(NULL, "&", &rest))
        add_query_pair(req, pair);
    return MR_OK;
}

static bool is_host(const char *text)
{
    return text && *text && mr_head_is_host(text);
}

static void prepare_base_url(struct mr_request *req)
{
    const char *scheme = mr_request_header(req, "X-Forwarded-Proto");
    const char *host = mr_request_header(req, "X-Forwarded-Host");
    if (!is_host(host))
        host = mr_request_header(req, "Host");
    bool secure = scheme && strcasecmp(scheme, "https") == 0;
    if (is_host(host) && strlen(host) < sizeof req->base_url - sizeof "https://")
        snprintf(req->base_url, sizeof req->base_url, "%s://%s", secure ? "https" : "http", host);
    else
        snprintf(req->base_url, sizeof req->base_url, "http://localhost:%d", req->server->port);
}

enum mr_status mr_request_prepare(struct mr_request *req, struct mr_err *err)
{
    mr_log_set_trace(&req->log, mr_request_header(req, "traceparent"),
                     mr_request_header(req, "X-Cloud-Trace-Context"));
    prepare_base_url(req);
    enum mr_status status = mr_path_parse(req->head->path, &req->path, err);
    if (status != MR_OK) {
        req->path.text[0] = '\0'; /* it must not reach the log */
        return status;
    }
    return prepare_query(req, err);
}

bool mr_request_header_has(const struct mr_request *req, const char *name, const char *token)
{
    const char *value = mr_request_header(req, name);
    size_t token_len = strlen(token);
    while (value && *value) {
        value += strspn(value, " \t,");
        size_t len = strcspn(value, " \t,");
        if (len == token_len && strncasecmp(value, token, len) == 0)
            return true;
        value += len;
    }
    return false;
}

const char *mr_request_method(const struct mr_request *req)
{
    return req->head->method;
}

const char *mr_request_path(const struct mr_request *req)
{
    return req->path.text;
}

const char *mr_request_query_string(const struct mr_request *req)
{
    return req->head->query;
}

const struct mr_route *mr_request_route(const struct mr_request *req)
{
    return req->match.route;
}

const char *mr_request_param(const struct mr_request *req, const char *name)
{
    return mr_route_param(&req->match, name);
}

bool mr_request_query_at(const struct mr_request *req, size_t n, const char **ret_name,
                         const char **ret_value)
{
    if (n >= req->query_count)
        return false;
    *ret_name = req->query[n].name;
    *ret_value = req->query[n].value;
    return true;
}

const char *mr_request_query(const struct mr_request *req, const char *name)
{
    for (size_t i = 0; i < req->query_count; i++)
        if (strcmp(req->query[i].name, name) == 0)
            return req->query[i].value;
    return NULL;
}

const char *mr_request_header(const struct mr_request *req, const char *name)
{
    return mr_head_find(req->head, name);
}

bool mr_request_header_at(const struct mr_request *req, size_t n, const char **ret_name,
                          const char **ret_value)
{
    if (n >= req->head->header_count)
        return false;
    *ret_name = req->head->headers[n].name;
    *ret_value = req->head->headers[n].value;
    return true;
}

const char *mr_request_base_url(const struct mr_request *req)
{
    return req->base_url;
}

const char *mr_request_remote(const struct mr_request *req)
{
    return req->conn->remote;
}

void mr_request_note_user(const struct mr_request *req, int64_t user_id)
{
    req->conn->user_id = user_id;
}

const struct mr_log *mr_request_log(const struct mr_request *req)
{
    return &req->log;
}

void mr_request_set_trace(struct mr_request *req, const struct mr_log *of)
{
    memcpy(req->log.trace, of->trace, sizeof req->log.trace);
    memcpy(req->log.span, of->span, sizeof req->log.span);
    req->log.is_unsampled = of->is_unsampled;
}

int64_t mr_request_content_length(const struct mr_request *req)
{
    return req->conn->framing.length;
}

bool mr_request_is_type(const struct mr_request *req, const char *type)
{
    const char *value = mr_request_header(req, "Content-Type");
    if (!value)
        return false;
    size_t len = strcspn(value, "; \t");
    return len == strlen(type) && strncasecmp(value, type, len) == 0;
}
