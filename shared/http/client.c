/* One request: its options for libcurl, and its outcome. */
#include "shared/http/client.h"

#include "shared/base/clock.h"
#include "shared/http/client_handles.h"
#include "shared/http/client_transfer.h"

#include <strings.h>

enum {
    DEFAULT_CONNECT_TIMEOUT_MS = 10000,
    STALL_SECONDS = 30,
    DEFAULT_MAX_RESPONSE = 1024 * 1024,
    MAX_ERROR_BODY = 64 * 1024,
    PIECE_BYTES =
        256 * 1024, /* of large bodies, for each call of the system and of a sink; during the transfer only */
    MAX_HEAD = 64 * 1024
};

struct curl_slist_owner {
    struct curl_slist *list;
};
static void curl_slist_owner_free(struct curl_slist_owner *owner)
{
    curl_slist_free_all(owner->list);
}
MR_DEFINE_VALUE_CLEANUP(curl_slist_owner, curl_slist_owner_free)

static bool is_one_of(const char *method, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(*list, method) == 0)
            return true;
    return false;
}

/* RFC 9110 §9.2.1. Not PUT and DELETE: the caller must know that the first one may have had its effect. */
static bool is_safe(const char *method)
{
    static const char *const safe[] = {"GET", "HEAD", "OPTIONS", NULL};
    return is_one_of(method, safe);
}

/* These announce a length even of an empty body, which Google's servers require (411). */
static bool has_body(const struct mr_http_request *req)
{
    static const char *const always[] = {"POST", "PUT", "PATCH", NULL};
    return req->source || req->body || is_one_of(req->method, always);
}

static enum mr_status append_header(struct curl_slist_owner *headers, const char *line, struct mr_err *err)
{
    if (line[strcspn(line, "\r\n")])
        return mr_fail(err, MR_INVALID, "a request header must not contain line breaks");
    struct curl_slist *list = curl_slist_append(headers->list, line);
    if (!list)
        return mr_fail_oom(err);
    headers->list = list;
    return MR_OK;
}

static enum mr_status build_headers(const struct mr_http_request *req, struct curl_slist_owner *headers,
                                    struct mr_err *err)
{
    bool typed = false;
    MR_TRY(append_header(headers, "Expect:", err));
    for (const char *const *line = req->headers; line && *line; line++) {
        typed |= strncasecmp(*line, "Content-Type:", 13) == 0;
        MR_TRY(append_header(headers, *line, err));
    }
    /* Without a type, libcurl would send that of a form. */
    return typed ? MR_OK : append_header(headers, "Content-Type:", err);
}

static void set_connection_options(CURL *curl, const struct mr_http_request *req)
{
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    if (req->ca_file && req->ca_file[0]) /* replaces the system's file, not its directory */
        curl_easy_setopt(curl, CURLOPT_CAINFO, req->ca_file);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    /* In a service the configuration alone decides where requests go, not http_proxy in the environment. */
    if (!req->uses_proxy)
        curl_easy_setopt(curl, CURLOPT_PROXY, "");
    /* A handle has one transfer at a time, so HTTP/2 would add flow control (and the stalled uploads of curl
     * issues 11157 and 11426) without multiplexing. */
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXCONNECTS, (long)MR_CLIENT_CONNECTIONS_PER_HANDLE);
    int connect_ms = req->connect_timeout_ms ? req->connect_timeout_ms : DEFAULT_CONNECT_TIMEOUT_MS;
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms);
    if (req->timeout_ms)
        curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)req->timeout_ms);
    if (!req->min_bytes_per_s && (req->stall_seconds || !req->timeout_ms)) {
        curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
        curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME,
                         (long)(req->stall_seconds ? req->stall_seconds : STALL_SECONDS));
    }
    if (req->max_announced)
        curl_easy_setopt(curl, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)req->max_announced);
}

/* libcurl's own sizes are 16 and 64 KiB. It has these buffers while a request is performed. */
static void set_pieces(CURL *curl, const struct mr_http_request *req)
{
    if (req->sink)
        curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, (long)PIECE_BYTES);
    if (req->source || req->body_len > PIECE_BYTES)
        curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, (long)PIECE_BYTES);
}

static void set_body_options(CURL *curl, const struct mr_http_request *req)
{
    set_pieces(curl, req);
    if (req->source) {
        curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
        /* -1: chunked. */
        curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE,
                         req->source_length_unknown ? (curl_off_t)-1 : (curl_off_t)req->body_len);
    } else if (has_body(req)) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)req->body_len);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, req->body ? req->body : ""); /* not copied */
    } else if (strcmp(req->method, "HEAD") == 0) {
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
        return;
    }
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, req->method);
}

static enum mr_status status_of_code(CURLcode code)
{
    static const struct {
        CURLcode code;
        enum mr_status status;
    } table[] = {
        {CURLE_URL_MALFORMAT, MR_INVALID},          {CURLE_UNSUPPORTED_PROTOCOL, MR_INVALID},
        {CURLE_OPERATION_TIMEDOUT, MR_TIMEOUT},     {CURLE_OUT_OF_MEMORY, MR_EXHAUSTED},
        {CURLE_FILESIZE_EXCEEDED, MR_TOO_LARGE},    {CURLE_FAILED_INIT, MR_INTERNAL},
        {CURLE_BAD_FUNCTION_ARGUMENT, MR_INTERNAL}, {CURLE_UNKNOWN_OPTION, MR_INTERNAL},
        {CURLE_NOT_BUILT_IN, MR_INTERNAL},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].code == code)
            return table[i].status;
    /* All other codes: the connection, TLS or the protocol failed. */
    return MR_UNAVAILABLE;
}

static enum mr_status outcome_of(struct mr_transfer *t, CURLcode code)
{
    mr_transfer_note_status(t);
    if (t->callback_status != MR_OK)
        return t->callback_status;
    if (code == CURLE_OK)
        return MR_OK;
    if (t->address_refused && !t->res->request_sent)
        return mr_guard_refuse_address(t->err);
    /* Only libcurl's text: the URL may be a bearer secret. */
    return mr_fail(t->err, status_of_code(code), "%s", t->reason[0] ? t->reason : curl_easy_strerror(code));
}

static void prepare_response(const struct mr_http_request *req, struct mr_http_response *res)
{
    mr_http_response_free(res);
    size_t max = req->max_response ? req->max_response : DEFAULT_MAX_RESPONSE;
    res->body = MR_BUF_INIT(req->sink ? MAX_ERROR_BODY : max);
    res->head = MR_BUF_INIT(MAX_HEAD);
}

static enum mr_status perform(const struct mr_http_request *req, const struct curl_slist_owner *headers,
                              CURL *curl, struct mr_http_response *res, struct mr_err *err)
{
    struct mr_transfer transfer = {
        .req = req,
        .res = res,
        .err = err,
        .curl = curl,
        .repeatable = is_safe(req->method),
        .pace = {.began_us = mr_time_monotonic_us(),
                 .window_s = req->stall_seconds ? req->stall_seconds : STALL_SECONDS}};
    curl_easy_setopt(curl, CURLOPT_URL, req->url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers->list);
    set_connection_options(curl, req);
    set_body_options(curl, req);
    MR_TRY(mr_transfer_set_callbacks(&transfer));
    return outcome_of(&transfer, curl_easy_perform(curl));
}

enum mr_status mr_http_perform(struct mr_http_client *client, const struct mr_http_request *req,
                               struct mr_http_response *res, struct mr_err *err)
{
    prepare_response(req, res);
    MR_AUTO(curl_slist_owner) struct curl_slist_owner headers = {0};
    MR_TRY(build_headers(req, &headers, err));
    CURL *curl = mr_client_handle_take(client);
    if (!curl)
        return mr_fail_oom(err);
    enum mr_status status = perform(req, &headers, curl, res, err);
    mr_client_handle_give_back(client, curl);
    return status;
}
