#include "shared/http/client.h"

#include "shared/http/client_url.h"

#include <curl/curl.h>
#include <pthread.h>
#include <strings.h>

enum {
    POOL_MAX = 64,             /* idle easy handles kept */
    CONNECTIONS_PER_HANDLE = 4 /* storage, Pub/Sub, metadata and one more */
};

enum {
    DEFAULT_CONNECT_TIMEOUT_MS = 10000,
    STALL_SECONDS = 30,
    DEFAULT_MAX_RESPONSE = 1024 * 1024,
    MAX_ERROR_BODY = 64 * 1024,
    MAX_HEAD = 64 * 1024
};

/* idle[0 .. idle_count) is protected by lock; the handle used last is taken first, its connections are warm.
 */
struct mr_http_client {
    pthread_mutex_t lock;
    CURL *idle[POOL_MAX];
    size_t idle_count;
    char *user_agent;
};

/* One request under way: what the callbacks of libcurl share. */
struct transfer {
    const struct mr_http_request *req;
    struct mr_http_response *res;
    struct mr_err *err;
    CURL *curl;
    enum mr_status callback_status; /* why a callback ended the transfer, err is filled; MR_OK if none did */
    size_t source_given;
    bool repeatable; /* the request may reach the server twice */
    bool body_begun;
    bool exempt;          /* from the guard: the operator names this host */
    bool address_refused; /* the guard kept it from an address */
    char reason[CURL_ERROR_SIZE];
};

struct curl_slist_owner {
    struct curl_slist *list;
};
static void curl_slist_owner_free(struct curl_slist_owner *owner)
{
    curl_slist_free_all(owner->list);
}
MR_DEFINE_VALUE_CLEANUP(curl_slist_owner, curl_slist_owner_free)

enum mr_status mr_http_client_new(const char *user_agent, struct mr_http_client **ret, struct mr_err *err)
{
    CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
    if (code != CURLE_OK)
        return mr_fail(err, MR_INTERNAL, "libcurl: %s", curl_easy_strerror(code));
    struct mr_http_client *client = calloc(1, sizeof *client);
    char *agent = strdup(user_agent);
    if (!client || !agent) {
        free(client);
        free(agent);
        curl_global_cleanup();
        return mr_fail_oom(err);
    }
    client->user_agent = agent;
    pthread_mutex_init(&client->lock, NULL);
    *ret = client;
    return MR_OK;
}

void mr_http_client_free(struct mr_http_client *client)
{
    if (!client)
        return;
    for (size_t i = 0; i < client->idle_count; i++)
        curl_easy_cleanup(client->idle[i]);
    pthread_mutex_destroy(&client->lock);
    free(client->user_agent);
    free(client);
    curl_global_cleanup();
}

static CURL *handle_take(struct mr_http_client *client)
{
    CURL *curl = NULL;
    pthread_mutex_lock(&client->lock);
    if (client->idle_count)
        curl = client->idle[--client->idle_count];
    pthread_mutex_unlock(&client->lock);
    return curl ? curl : curl_easy_init();
}

/* Options are forgotten, open connections and the DNS cache stay. */
static void handle_give_back(struct mr_http_client *client, CURL *curl)
{
    curl_easy_reset(curl);
    pthread_mutex_lock(&client->lock);
    if (client->idle_count < POOL_MAX) {
        client->idle[client->idle_count++] = curl;
        curl = NULL;
    }
    pthread_mutex_unlock(&client->lock);
    curl_easy_cleanup(curl);
}

/* ---- callbacks --------------------------------------------------------------- */

/*
 * The guard's second gate: called for each address that libcurl is about to connect to, with that very
 * address. A host with several addresses is reached through those that are public.
 */
static curl_socket_t on_open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)purpose;
    struct transfer *t = ctx;
    if (!t->exempt && !mr_address_is_public(&address->addr, (socklen_t)address->addrlen)) {
        t->address_refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/*
 * Called each time a request is about to go out on a connection that stands. libcurl sends any request again,
 * even a POST, when a reused connection dies before the first byte of an answer. The server may have acted on
 * it by then, so that only those who can tell may repeat it: the second sending of such a request is refused.
 */
static int on_send(void *ctx, char *local_ip, char *remote_ip, int local_port, int remote_port)
{
    (void)local_ip, (void)remote_ip, (void)local_port, (void)remote_port;
    struct transfer *t = ctx;
    if (t->res->request_sent && !t->repeatable) {
        t->callback_status = mr_fail(t->err, MR_UNAVAILABLE,
                                     "the connection broke before an answer came to %s", t->req->method);
        return CURL_PREREQFUNC_ABORT;
    }
    t->res->request_sent = true;
    t->source_given = 0;
    return CURL_PREREQFUNC_OK;
}

static size_t on_head(char *line, size_t size, size_t count, void *ctx)
{
    struct transfer *t = ctx;
    size_t len = size * count;
    if (t->body_begun) /* a trailer: nobody asks for one, and it must not override a header */
        return len;
    if (len >= 5 && memcmp(line, "HTTP/", 5) == 0) /* 1xx heads come before the final one */
        mr_buf_clear(&t->res->head);
    t->callback_status = mr_buf_append(&t->res->head, line, len, t->err);
    return t->callback_status == MR_OK ? len : 0;
}

static void note_status(struct transfer *t)
{
    long status = 0;
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
    t->res->status = (int)status;
}

static bool wants_sink(const struct transfer *t)
{
    bool good = t->res->status >= 200 && t->res->status < 300;
    return t->req->sink && (t->req->sink_errors_too || good);
}

static size_t on_body(char *data, size_t size, size_t count, void *ctx)
{
    struct transfer *t = ctx;
    size_t len = size * count;
    t->body_begun = true;
    note_status(t);
    if (wants_sink(t)) {
        t->callback_status = t->req->sink(t->req->sink_ctx, data, len, t->err);
        if (t->callback_status != MR_OK)
            return CURL_WRITEFUNC_ERROR;
        t->res->received += (int64_t)len;
        return len;
    }
    struct mr_buf *body = &t->res->body;
    size_t keep = len;
    if (t->req->sink && keep > body->max - body->len) /* the start of an error's text is enough */
        keep = body->max - body->len;
    t->callback_status = mr_buf_append(body, data, keep, t->err);
    return t->callback_status == MR_OK ? len : CURL_WRITEFUNC_ERROR;
}

static size_t on_read(char *data, size_t size, size_t count, void *ctx)
{
    struct transfer *t = ctx;
    const struct mr_http_request *req = t->req;
    size_t got = 0;
    t->callback_status = req->source(req->source_ctx, data, size * count, &got, t->err);
    if (t->callback_status != MR_OK)
        return CURL_READFUNC_ABORT;
    if (!got && !req->source_length_unknown && t->source_given < req->body_len) {
        /* libcurl would wait for an answer that the server cannot give. */
        t->callback_status =
            mr_fail(t->err, MR_INVALID, "request body: %zu of %zu bytes", t->source_given, req->body_len);
        return CURL_READFUNC_ABORT;
    }
    t->source_given += got;
    return got;
}

static int on_progress(void *ctx, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
    (void)down_total, (void)down, (void)up_total, (void)up;
    struct transfer *t = ctx;
    if (!t->req->canceled(t->req->canceled_ctx))
        return 0;
    t->callback_status = mr_fail(t->err, MR_CANCELED, "%s canceled", t->req->method);
    return 1;
}

/* ---- options ------------------------------------------------------------------- */

static bool is_one_of(const char *method, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(*list, method) == 0)
            return true;
    return false;
}

/* RFC 9110 §9.2.1. Not PUT and DELETE: the caller has to know that the first may have had its effect. */
static bool is_safe(const char *method)
{
    static const char *const safe[] = {"GET", "HEAD", "OPTIONS", NULL};
    return is_one_of(method, safe);
}

/* These announce a length even of nothing, which Google's servers demand (411). */
static bool has_body(const struct mr_http_request *req)
{
    static const char *const always[] = {"POST", "PUT", "PATCH", NULL};
    return req->source || req->body || is_one_of(req->method, always);
}

static enum mr_status append_header(struct curl_slist_owner *headers, const char *line, struct mr_err *err)
{
    if (line[strcspn(line, "\r\n")])
        return mr_fail(err, MR_INVALID, "a request header holds a line break");
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
    enum mr_status status = append_header(headers, "Expect:", err);
    for (const char *const *line = req->headers; line && *line && status == MR_OK; line++) {
        typed |= strncasecmp(*line, "Content-Type:", 13) == 0;
        status = append_header(headers, *line, err);
    }
    if (status == MR_OK && !typed) /* else libcurl would claim a form */
        status = append_header(headers, "Content-Type:", err);
    return status;
}

/* No connection from before the check, none left behind for others. */
static enum mr_status set_guard(CURL *curl, struct transfer *t)
{
    struct mr_url url;
    enum mr_status status = mr_url_parse(t->req->url, &url, t->err);
    if (status != MR_OK)
        return status;
    t->exempt = mr_guard_names_host(t->req->guard, url.host, url.port) && !url.has_zone;
    curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, t);
    return MR_OK;
}

static void set_connection_options(CURL *curl, const struct mr_http_request *req)
{
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    if (req->ca_file && req->ca_file[0]) /* in place of the system's file; its directory stays */
        curl_easy_setopt(curl, CURLOPT_CAINFO, req->ca_file);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    /* Where a request goes is configuration; http_proxy in the environment must not change it. */
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    /* A handle has one transfer at a time: HTTP/2 would bring its flow control (and the stalled uploads that
     * curl issues 11157 and 11426 tell of) without its multiplexing. */
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXCONNECTS, (long)CONNECTIONS_PER_HANDLE);
    int connect_ms = req->connect_timeout_ms ? req->connect_timeout_ms : DEFAULT_CONNECT_TIMEOUT_MS;
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms);
    if (req->timeout_ms)
        curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)req->timeout_ms);
    if (req->stall_seconds || !req->timeout_ms) {
        curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
        curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME,
                         (long)(req->stall_seconds ? req->stall_seconds : STALL_SECONDS));
    }
    if (req->max_announced)
        curl_easy_setopt(curl, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)req->max_announced);
}

static void set_body_options(CURL *curl, struct transfer *t)
{
    const struct mr_http_request *req = t->req;
    if (req->source) {
        curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_read);
        curl_easy_setopt(curl, CURLOPT_READDATA, t);
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

static void set_callbacks(CURL *curl, struct transfer *t)
{
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, t->reason);
    curl_easy_setopt(curl, CURLOPT_PREREQFUNCTION, on_send);
    curl_easy_setopt(curl, CURLOPT_PREREQDATA, t);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_head);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, t);
    if (t->req->canceled) {
        curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
        curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
        curl_easy_setopt(curl, CURLOPT_XFERINFODATA, t);
    }
}

/* ---- the request ----------------------------------------------------------------- */

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
    /* Everything else is a connection, TLS or protocol that failed: the way to the other side. */
    return MR_UNAVAILABLE;
}

static enum mr_status finish(struct transfer *t, CURLcode code)
{
    note_status(t);
    if (t->callback_status != MR_OK)
        return t->callback_status;
    if (code == CURLE_OK)
        return MR_OK;
    if (t->address_refused && !t->res->request_sent)
        return mr_guard_refuse_address(t->err);
    /* Only libcurl's words: the URL may be a bearer secret. */
    return mr_fail(t->err, status_of_code(code), "%s", t->reason[0] ? t->reason : curl_easy_strerror(code));
}

static void prepare_response(const struct mr_http_request *req, struct mr_http_response *res)
{
    mr_http_response_free(res);
    size_t max = req->max_response ? req->max_response : DEFAULT_MAX_RESPONSE;
    res->body = MR_BUF_INIT(req->sink ? MAX_ERROR_BODY : max);
    res->head = MR_BUF_INIT(MAX_HEAD);
}

enum mr_status mr_http_perform(struct mr_http_client *client, const struct mr_http_request *req,
                               struct mr_http_response *res, struct mr_err *err)
{
    prepare_response(req, res);
    MR_AUTO(curl_slist_owner) struct curl_slist_owner headers = {0};
    enum mr_status status = build_headers(req, &headers, err);
    if (status != MR_OK)
        return status;
    CURL *curl = handle_take(client);
    if (!curl)
        return mr_fail_oom(err);
    struct transfer transfer = {
        .req = req, .res = res, .err = err, .curl = curl, .repeatable = is_safe(req->method)};
    curl_easy_setopt(curl, CURLOPT_URL, req->url);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, client->user_agent);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.list);
    set_connection_options(curl, req);
    set_body_options(curl, &transfer);
    set_callbacks(curl, &transfer);
    if (req->guard)
        status = set_guard(curl, &transfer);
    if (status == MR_OK)
        status = finish(&transfer, curl_easy_perform(curl));
    handle_give_back(client, curl);
    return status;
}
