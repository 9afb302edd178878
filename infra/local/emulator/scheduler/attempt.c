#include "infra/local/emulator/scheduler/attempt.h"

#include "infra/local/emulator/api/header_list.h"
#include "infra/local/emulator/identity.h"
#include "shared/base/clock.h"

/* True for the headers that Scheduler sets itself. As in production, a job's own headers of these names are left
 * out. */
static bool is_reserved(const char *name)
{
    static const char *const reserved[] = {
        "host", "content-length", "user-agent", "authorization", "transfer-encoding", "connection", "expect"};
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (strcasecmp(reserved[i], name) == 0)
            return true;
    return strncasecmp(name, "x-cloudscheduler", 16) == 0 || strncasecmp(name, "x-google-", 9) == 0;
}

static enum mr_status add_own_headers(struct em_header_list *headers, const struct em_job_spec *spec,
                                      struct mr_err *err)
{
    bool has_type = false;
    json_t *own = (json_t *)(uintptr_t)spec->headers;
    for (void *i = json_object_iter(own); i; i = json_object_iter_next(own, i)) {
        const char *name = json_object_iter_key(i);
        has_type = has_type || strcasecmp(name, "content-type") == 0;
        if (!is_reserved(name))
            MR_TRY(em_header_list_add(headers, name, json_string_value(json_object_iter_value(i)), err));
    }
    if (!has_type && spec->body_len > 0)
        return em_header_list_add(headers, "Content-Type", "application/octet-stream", err);
    return MR_OK;
}

static enum mr_status add_token(struct em_header_list *headers, const struct em_identity *identity,
                                const struct em_job_spec *spec, struct mr_err *err)
{
    MR_AUTO_STR char *token = NULL;
    if (!spec->oidc_email)
        return MR_OK;
    MR_TRY(em_identity_mint(identity, spec->oidc_email, spec->oidc_audience, &token, err));
    return em_header_list_add_bearer(headers, token, err);
}

static enum mr_status make_headers(const struct em_attempt *attempt, struct em_header_list *headers,
                                   struct mr_err *err)
{
    const struct em_job_spec *spec = attempt->spec;
    char time[MR_TIME_TEXT_MAX];
    mr_time_format(attempt->schedule_us, time);
    MR_TRY(em_header_list_add(headers, "User-Agent", "Google-Cloud-Scheduler", err));
    MR_TRY(em_header_list_add(headers, "X-CloudScheduler", "true", err));
    MR_TRY(em_header_list_add(headers, "X-CloudScheduler-JobName", strrchr(spec->name, '/') + 1, err));
    MR_TRY(em_header_list_add(headers, "X-CloudScheduler-ScheduleTime", time, err));
    MR_TRY(add_own_headers(headers, spec, err));
    return add_token(headers, attempt->identity, spec, err);
}

static enum mr_status discard(void *ctx, const void *data, size_t len, struct mr_err *err)
{
    (void)ctx;
    (void)data;
    (void)len;
    (void)err;
    return MR_OK;
}

enum mr_status em_attempt_send(struct mr_http_client *http, const struct em_attempt *attempt,
                               struct mr_err *err)
{
    const struct em_job_spec *spec = attempt->spec;
    MR_AUTO(em_header_list) struct em_header_list headers = EM_HEADER_LIST_INIT;
    MR_AUTO(mr_http_response) struct mr_http_response response = {0};
    MR_TRY(make_headers(attempt, &headers, err));
    const struct mr_http_request request = {
        .method = spec->method,
        .url = spec->uri,
        .headers = em_header_list_lines(&headers),
        .body = spec->body,
        .body_len = spec->body_len,
        .sink = discard,
        .sink_errors_too = true,
        .timeout_ms = (int)(spec->attempt_deadline_us / 1000),
        .canceled = attempt->canceled,
        .canceled_ctx = attempt->canceled_ctx,
    };
    MR_TRY(mr_http_perform(http, &request, &response, err));
    if (response.status < 200 || response.status > 299)
        return mr_fail(err, MR_UNAVAILABLE, "the target answered %d", response.status);
    return MR_OK;
}
