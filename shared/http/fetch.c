#include "shared/http/fetch.h"

#include "shared/base/clock.h"
#include "shared/base/encoding.h"
#include "shared/base/utf8.h"
#include "shared/http/client_url.h"
#include "shared/http/disposition.h"

#include <ctype.h>

/* One request of the fetch, and its outcome. */
struct hop {
    const struct mr_fetch *fetch;
    struct mr_http_response res;
    int64_t received;
    bool begun;    /* the caller was given the head */
    bool settled;  /* this side ended the transfer: err is complete */
    bool declined; /* the body is not the file: its transfer was ended on purpose */
};

/* The URLs so far; the last one is requested next. */
struct trail {
    char *urls[MR_FETCH_REDIRECTS_MAX + 1];
    size_t count;
};
static void trail_free(struct trail *trail)
{
    for (size_t i = 0; i < trail->count; i++)
        free(trail->urls[i]);
}
MR_DEFINE_VALUE_CLEANUP(trail, trail_free)

static void hop_free(struct hop *hop)
{
    mr_http_response_free(&hop->res);
}
MR_DEFINE_VALUE_CLEANUP(hop, hop_free)

static bool is_success(int http_status)
{
    return http_status >= 200 && http_status < 300;
}

static void read_type(const struct mr_http_response *res, char *out, size_t size)
{
    if (!mr_http_response_header(res, "Content-Type", out, size))
        out[0] = '\0';
    out[strcspn(out, "; \t")] = '\0';
    mr_utf8_storable(out, strlen(out), out, size);
    for (char *c = out; *c; c++)
        *c = (char)tolower((unsigned char)*c);
}

static enum mr_status begin(struct hop *hop, struct mr_err *err)
{
    if (hop->begun)
        return MR_OK;
    hop->begun = true;
    struct mr_fetch_head head = {.size = -1};
    char text[1024];
    read_type(&hop->res, head.content_type, sizeof head.content_type);
    if (mr_http_response_header(&hop->res, "Content-Length", text, sizeof text) &&
        !mr_parse_int64(text, 0, INT64_MAX, &head.size))
        head.size = -1;
    if (mr_http_response_header(&hop->res, "Content-Disposition", text, sizeof text) &&
        !mr_disposition_file_name(text, head.file_name, sizeof head.file_name))
        head.file_name[0] = '\0';
    return hop->fetch->begin(hop->fetch->ctx, &head, err);
}

static enum mr_status too_large(const struct mr_fetch *fetch, struct mr_err *err)
{
    return mr_fail_code(err, MR_CODE_TOO_LARGE, "the file is larger than %lld bytes",
                        (long long)fetch->max_bytes);
}

static enum mr_status take(struct hop *hop, const void *data, size_t len, struct mr_err *err)
{
    const struct mr_fetch *fetch = hop->fetch;
    MR_TRY(begin(hop, err));
    if ((int64_t)len > fetch->max_bytes - hop->received)
        return too_large(fetch, err);
    return fetch->sink(fetch->ctx, data, len, err);
}

static enum mr_status on_data(void *ctx, const void *data, size_t len, struct mr_err *err)
{
    struct hop *hop = ctx;
    if (!is_success(hop->res.status)) { /* the head of a redirect or an error page is enough */
        hop->declined = true;
        return mr_fail(err, MR_CANCELED, "the body is not the file");
    }
    enum mr_status status = take(hop, data, len, err);
    hop->received += (int64_t)len;
    hop->settled = status != MR_OK;
    return status;
}

static enum mr_status explain_failure(const struct hop *hop, enum mr_status status,
                                      const struct mr_err *failure, struct mr_err *err)
{
    if (!hop->settled && status == MR_TOO_LARGE)
        return too_large(hop->fetch, err);
    if (!hop->settled && (status == MR_UNAVAILABLE || status == MR_TIMEOUT))
        return mr_fail_as(err, status, MR_CODE_FETCH_FAILED, "the server of the URL: %s", failure->message);
    return mr_fail_as(err, status, failure->code, "%s", failure->message);
}

static enum mr_status fail_answer(int http_status, struct mr_err *err)
{
    enum mr_status status = mr_http_status_to_status(http_status);
    return mr_fail_as(err, status, MR_CODE_FETCH_FAILED, "the server of the URL answered with status %d",
                      http_status);
}

static bool is_redirect(int http_status)
{
    static const int redirects[] = {301, 302, 303, 307, 308};
    for (size_t i = 0; i < sizeof redirects / sizeof *redirects; i++)
        if (redirects[i] == http_status)
            return true;
    return false;
}

/* MR_OK for a complete file, and for a redirect. */
static enum mr_status request(struct mr_http_client *http, struct hop *hop, const char *url,
                              int64_t deadline_us, struct mr_err *err)
{
    static const char *const headers[] = {"Accept-Encoding: identity", NULL};
    const struct mr_fetch *fetch = hop->fetch;
    int64_t left_ms = (deadline_us - mr_time_monotonic_us()) / 1000;
    if (left_ms <= 0)
        return mr_fail_as(err, MR_TIMEOUT, MR_CODE_FETCH_FAILED, "the server of the URL took too long");
    struct mr_http_request req = {.method = "GET",
                                  .url = url,
                                  .headers = headers,
                                  .sink = on_data,
                                  .sink_ctx = hop,
                                  .sink_errors_too = true,
                                  .timeout_ms = left_ms < INT32_MAX ? (int)left_ms : INT32_MAX,
                                  .stall_seconds = fetch->stall_seconds,
                                  .min_bytes_per_s = fetch->min_bytes_per_s,
                                  .max_announced = fetch->max_bytes,
                                  .guard = fetch->guard,
                                  .ca_file = fetch->ca_file,
                                  .canceled = fetch->canceled,
                                  .canceled_ctx = fetch->canceled_ctx};
    struct mr_err failure = {0};
    enum mr_status status = mr_http_perform(http, &req, &hop->res, &failure);
    if (status == MR_TOO_LARGE && !is_success(hop->res.status)) /* an error page, which is not read */
        hop->declined = true;
    if (status != MR_OK && !hop->declined)
        return explain_failure(hop, status, &failure, err);
    if (is_success(hop->res.status))
        return begin(hop, err);
    return is_redirect(hop->res.status) ? MR_OK : fail_answer(hop->res.status, err);
}

/* Takes the URL over, also on failure. */
static enum mr_status add_url(struct trail *trail, char *url, struct mr_err *err)
{
    MR_AUTO_STR char *target = url;
    for (size_t i = 0; i < trail->count; i++)
        if (strcmp(trail->urls[i], target) == 0)
            return mr_fail_code(err, MR_CODE_REDIRECT_LOOP, "the URL redirects in a loop");
    if (trail->count > MR_FETCH_REDIRECTS_MAX)
        return mr_fail_code(err, MR_CODE_TOO_MANY_REDIRECTS, "the URL redirects more than %d times",
                            MR_FETCH_REDIRECTS_MAX);
    trail->urls[trail->count++] = MR_TAKE(target);
    return MR_OK;
}

static enum mr_status follow(const struct mr_fetch *fetch, const struct mr_http_response *res,
                             struct trail *trail, struct mr_err *err)
{
    char location[MR_URL_MAX + 1];
    if (!mr_http_response_header(res, "Location", location, sizeof location) || !location[0])
        return mr_fail_code(err, MR_CODE_URL_MALFORMED, "the URL redirects without a Location");
    MR_AUTO_STR char *target = NULL;
    enum mr_status status = mr_url_resolve(trail->urls[trail->count - 1], location, &target, err);
    if (status != MR_OK)
        return mr_wrap(err, status, "redirect");
    status = mr_guard_check_url(fetch->guard, target, 0, err);
    if (status != MR_OK)
        return mr_wrap(err, status, "redirect");
    return add_url(trail, MR_TAKE(target), err);
}

static enum mr_status start(const struct mr_fetch *fetch, struct trail *trail, struct mr_err *err)
{
    char *url = NULL;
    MR_TRY(mr_guard_check_url(fetch->guard, fetch->url, 0, err));
    MR_TRY(mr_url_resolve(fetch->url, fetch->url, &url, err));
    return add_url(trail, url, err);
}

enum mr_status mr_fetch(struct mr_http_client *http, const struct mr_fetch *fetch, struct mr_err *err)
{
    int64_t deadline_us = mr_time_monotonic_us() + fetch->timeout_ms * 1000;
    MR_AUTO(trail) struct trail trail = {0};
    MR_TRY(start(fetch, &trail, err));
    for (;;) {
        MR_AUTO(hop) struct hop hop = {.fetch = fetch};
        MR_TRY(request(http, &hop, trail.urls[trail.count - 1], deadline_us, err));
        if (is_success(hop.res.status))
            return MR_OK;
        MR_TRY(follow(fetch, &hop.res, &trail, err));
    }
}
