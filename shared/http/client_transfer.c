#include "shared/http/client_transfer.h"

#include "shared/base/clock.h"
#include "shared/http/client_url.h"
#include "shared/http/public_address.h"

/* The guard's second check: called for each address that libcurl is about to connect to. A host with several
 * addresses is reached through those that are public. */
static curl_socket_t on_open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)purpose;
    struct mr_transfer *t = ctx;
    if (!t->exempt && !mr_address_is_public(&address->addr, (socklen_t)address->addrlen)) {
        t->address_refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/*
 * Called each time a request is about to be sent on an open connection. libcurl sends any request again, even a
 * POST, when a reused connection breaks before the first byte of an answer. The server may have acted on it by
 * then, so only the caller can decide to repeat it: sending such a request twice is refused.
 */
static int on_send(void *ctx, char *local_ip, char *remote_ip, int local_port, int remote_port)
{
    (void)local_ip, (void)remote_ip, (void)local_port, (void)remote_port;
    struct mr_transfer *t = ctx;
    if (t->res->request_sent && !t->repeatable) {
        t->callback_status = mr_fail(t->err, MR_UNAVAILABLE,
                                     "the connection broke before an answer to %s arrived", t->req->method);
        return CURL_PREREQFUNC_ABORT;
    }
    t->res->request_sent = true;
    t->source_given = 0;
    return CURL_PREREQFUNC_OK;
}

static size_t on_head(char *line, size_t size, size_t count, void *ctx)
{
    struct mr_transfer *t = ctx;
    size_t len = size * count;
    if (t->body_begun) /* a trailer must not override a header */
        return len;
    if (len >= 5 && memcmp(line, "HTTP/", 5) == 0) /* 1xx heads come before the final one */
        mr_buf_clear(&t->res->head);
    t->callback_status = mr_buf_append(&t->res->head, line, len, t->err);
    return t->callback_status == MR_OK ? len : 0;
}

void mr_transfer_note_status(struct mr_transfer *t)
{
    long status = 0;
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
    t->res->status = (int)status;
}

static bool wants_sink(const struct mr_transfer *t)
{
    bool good = t->res->status >= 200 && t->res->status < 300;
    return t->req->sink && (t->req->sink_errors_too || good);
}

static enum mr_status give_to_sink(struct mr_transfer *t, const char *data, size_t len)
{
    if (!t->req->min_bytes_per_s)
        return t->req->sink(t->req->sink_ctx, data, len, t->err);
    int64_t began_us = mr_time_monotonic_us();
    enum mr_status status = t->req->sink(t->req->sink_ctx, data, len, t->err);
    t->pace.in_sink_us += mr_time_monotonic_us() - began_us;
    return status;
}

static size_t on_body(char *data, size_t size, size_t count, void *ctx)
{
    struct mr_transfer *t = ctx;
    size_t len = size * count;
    t->body_begun = true;
    mr_transfer_note_status(t);
    if (wants_sink(t)) {
        t->callback_status = give_to_sink(t, data, len);
        if (t->callback_status != MR_OK)
            return CURL_WRITEFUNC_ERROR;
        t->res->received += (int64_t)len;
        return len;
    }
    struct mr_buf *body = &t->res->body;
    size_t keep = len;
    if (t->req->sink && keep > body->max - body->len) /* the beginning of an error's text is enough */
        keep = body->max - body->len;
    t->callback_status = mr_buf_append(body, data, keep, t->err);
    return t->callback_status == MR_OK ? len : CURL_WRITEFUNC_ERROR;
}

static size_t on_read(char *data, size_t size, size_t count, void *ctx)
{
    struct mr_transfer *t = ctx;
    const struct mr_http_request *req = t->req;
    size_t got = 0;
    t->callback_status = req->source(req->source_ctx, data, size * count, &got, t->err);
    if (t->callback_status != MR_OK)
        return CURL_READFUNC_ABORT;
    if (!got && !req->source_length_unknown && t->source_given < req->body_len) {
        /* libcurl would wait for an answer that never arrives. */
        t->callback_status =
            mr_fail(t->err, MR_INVALID, "request body: %zu of %zu bytes", t->source_given, req->body_len);
        return CURL_READFUNC_ABORT;
    }
    t->source_given += got;
    return got;
}

/* False if a window has ended in which too little arrived. */
static bool keeps_pace(struct mr_pace *pace, int64_t received, int64_t min_bytes_per_s)
{
    int64_t waited_us = mr_time_monotonic_us() - pace->began_us - pace->in_sink_us;
    if (!min_bytes_per_s || waited_us - pace->window_began_us < pace->window_s * INT64_C(1000000))
        return true;
    bool enough = received - pace->window_bytes >= min_bytes_per_s * pace->window_s;
    pace->window_began_us = waited_us;
    pace->window_bytes = received;
    return enough;
}

static int on_progress(void *ctx, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
    (void)down_total, (void)up_total, (void)up;
    struct mr_transfer *t = ctx;
    if (t->req->canceled && t->req->canceled(t->req->canceled_ctx))
        t->callback_status = mr_fail(t->err, MR_CANCELED, "%s was canceled", t->req->method);
    else if (!keeps_pace(&t->pace, down, t->req->min_bytes_per_s))
        t->callback_status = mr_fail(t->err, MR_TIMEOUT, "less than %lld bytes/s arrived for %d s",
                                     (long long)t->req->min_bytes_per_s, t->pace.window_s);
    return t->callback_status != MR_OK;
}

/* The connection is new and is not kept: each one is checked. */
static enum mr_status set_guard(CURL *curl, struct mr_transfer *t)
{
    struct mr_url url;
    MR_TRY(mr_url_parse(t->req->url, &url, t->err));
    t->exempt = mr_guard_names_host(t->req->guard, url.host, url.port) && !url.has_zone;
    curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, t);
    return MR_OK;
}

enum mr_status mr_transfer_set_callbacks(struct mr_transfer *t)
{
    CURL *curl = t->curl;
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, t->reason);
    curl_easy_setopt(curl, CURLOPT_PREREQFUNCTION, on_send);
    curl_easy_setopt(curl, CURLOPT_PREREQDATA, t);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_head);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, t);
    if (t->req->source) {
        curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_read);
        curl_easy_setopt(curl, CURLOPT_READDATA, t);
    }
    if (t->req->canceled || t->req->min_bytes_per_s) {
        curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
        curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
        curl_easy_setopt(curl, CURLOPT_XFERINFODATA, t);
    }
    return t->req->guard ? set_guard(curl, t) : MR_OK;
}
