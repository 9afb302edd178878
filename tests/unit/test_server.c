#include "shared/http/server.h"

#include "shared/base/encoding.h"
#include "shared/http/form.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/socket.h>

#include <cmocka.h>

enum { TIMEOUT_MS = 200, MAX_BODY = 256 * 1024, MAX_HEAD = 4096, PATIENCE_MS = 10000, BIG = 64 << 20 };

/* ---- the program that is served -------------------------------------------- */

struct app {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool entered, released; /* of the handler that waits */
    bool streamed;          /* the big answer is over, one way or the other */
    atomic_int last_status; /* what the last handler returned */
};

static void raise_flag(struct app *app, bool *flag)
{
    pthread_mutex_lock(&app->lock);
    *flag = true;
    pthread_cond_broadcast(&app->changed);
    pthread_mutex_unlock(&app->lock);
}

static void wait_for(struct app *app, const bool *flag)
{
    pthread_mutex_lock(&app->lock);
    while (!*flag)
        pthread_cond_wait(&app->changed, &app->lock);
    pthread_mutex_unlock(&app->lock);
}

static enum mr_status get_param(void *ctx, struct mr_request *req, struct mr_err *err)
{
    (void)ctx;
    const char *query = mr_request_query(req, "q");
    json_t *body = json_pack("{s:s, s:s, s:s, s:s?}", "id", mr_request_param(req, "id"), "path",
                             mr_request_path(req), "base", mr_request_base_url(req), "q", query);
    return mr_respond_json(req, 200, body, err);
}

static enum mr_status echo(void *ctx, struct mr_request *req, struct mr_err *err)
{
    struct app *app = ctx;
    MR_AUTO(mr_buf) struct mr_buf body = MR_BUF_INIT(1 << 20);
    enum mr_status status = mr_request_body(req, &body, err);
    atomic_store(&app->last_status, status);
    if (status != MR_OK)
        return status;
    return mr_respond_bytes(req, 200, "text/plain", mr_buf_str(&body), body.len, err);
}

static enum mr_status ignore_body(void *ctx, struct mr_request *req, struct mr_err *err)
{
    (void)ctx;
    return mr_respond_empty(req, 204, err);
}

static enum mr_status take_json(void *ctx, struct mr_request *req, struct mr_err *err)
{
    (void)ctx;
    json_t *body = NULL;
    enum mr_status status = mr_request_json(req, 1000, &body, err);
    return status == MR_OK ? mr_respond_json(req, 200, body, err) : status;
}

static enum mr_status take_form(void *ctx, struct mr_request *req, struct mr_err *err)
{
    (void)ctx;
    MR_AUTO(mr_form) struct mr_form *form = NULL;
    MR_AUTO(mr_buf) struct mr_buf out = MR_BUF_INIT(10000);
    const struct mr_form_part *part = NULL;
    enum mr_status status = mr_form_open(req, &form, err);
    while (status == MR_OK && (status = mr_form_next(form, &part, err)) == MR_OK && part) {
        status = mr_buf_appendf(&out, err, "%s=", part->name);
        if (status == MR_OK)
            status = mr_form_value(form, &out, err);
    }
    return status == MR_OK ? mr_respond_bytes(req, 200, "text/plain", mr_buf_str(&out), out.len, err)
                           : status;
}

static enum mr_status stream_chunks(void *ctx, struct mr_request *req, struct mr_err *err)
{
    (void)ctx;
    enum mr_status status = mr_respond_begin(req, 200, "text/plain", -1, err);
    if (status == MR_OK)
        status = mr_respond_write(req, "hello ", 6, err);
    if (status == MR_OK)
        status = mr_respond_write(req, "", 0, err);
    if (status == MR_OK)
        status = mr_respond_write(req, "world", 5, err);
    if (status == MR_OK && mr_request_query(req, "cut"))
        return MR_OK;
    return status == MR_OK ? mr_respond_end(req, err) : status;
}

static enum mr_status stream_big(void *ctx, struct mr_request *req, struct mr_err *err)
{
    struct app *app = ctx;
    static const char data[100000];
    enum mr_status status = mr_respond_begin(req, 200, "text/plain", BIG, err);
    for (size_t left = BIG; left && status == MR_OK;) {
        size_t piece = left < sizeof data ? left : sizeof data;
        status = mr_respond_write(req, data, piece, err);
        left -= piece;
    }
    atomic_store(&app->last_status, status);
    raise_flag(app, &app->streamed);
    return status == MR_OK ? mr_respond_end(req, err) : status;
}

static enum mr_status fail_as_asked(void *ctx, struct mr_request *req, struct mr_err *err)
{
    (void)ctx;
    int64_t status = 0;
    if (!mr_parse_int64(mr_request_param(req, "status"), 0, MR_STATUS_COUNT, &status))
        return mr_fail(err, MR_INVALID, "no status");
    if (status == MR_STATUS_COUNT)
        return MR_OK; /* without an answer */
    enum mr_status added = mr_respond_header(req, "X-Left-Over", "1", err);
    return added == MR_OK ? mr_fail(err, (enum mr_status)status, "the secret reason") : added;
}

static enum mr_status set_header(void *ctx, struct mr_request *req, struct mr_err *err)
{
    (void)ctx;
    enum mr_status status =
        mr_respond_header(req, mr_request_query(req, "name"), mr_request_query(req, "value"), err);
    return status == MR_OK ? mr_respond_empty(req, 200, err) : status;
}

static enum mr_status use_stack(void *ctx, struct mr_request *req, struct mr_err *err)
{
    (void)ctx;
    char big[512 * 1024];
    memset(big, 'x', sizeof big);
    return mr_respond_bytes(req, 200, "text/plain", big, sizeof big, err);
}

static enum mr_status wait_for_release(void *ctx, struct mr_request *req, struct mr_err *err)
{
    struct app *app = ctx;
    raise_flag(app, &app->entered);
    wait_for(app, &app->released);
    return mr_respond_bytes(req, 200, "text/plain", "done", 4, err);
}

static const struct mr_route routes[] = {
    {"GET", "/items/{id}", get_param, 0, 0},
    {"POST", "/echo", echo, -1, 0},
    {"POST", "/small", echo, 10, 0},
    {"POST", "/ignore", ignore_body, -1, 0},
    {"POST", "/json", take_json, -1, 0},
    {"POST", "/form", take_form, -1, 0},
    {"GET", "/chunks", stream_chunks, 0, 0},
    {"GET", "/big", stream_big, 0, 0},
    {"GET", "/fail/{status}", fail_as_asked, 0, 0},
    {"GET", "/header", set_header, 0, 0},
    {"GET", "/stack", use_stack, 0, 0},
    {"GET", "/wait", wait_for_release, 0, 0},
};

/* ---- fixture ---------------------------------------------------------------- */

struct fixture {
    struct app app;
    struct mr_log log;
    struct mr_server *server;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    pthread_mutex_init(&fixture->app.lock, NULL);
    pthread_cond_init(&fixture->app.changed, NULL);
    fixture->log = mr_log_init("test", MR_LOG_DEBUG);
    fixture->log.fd = open("log", O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    struct mr_server_options options = {
        .loopback_only = true,
        .threads = 8,
        .max_body = MAX_BODY,
        .max_head = MAX_HEAD,
        .client_timeout_ms = TIMEOUT_MS,
        .routes = routes,
        .route_count = sizeof routes / sizeof *routes,
        .app = &fixture->app,
        .log = &fixture->log,
        .log_requests = true,
    };
    *state = fixture;
    return mr_server_start(&options, &fixture->server, NULL) == MR_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    mr_server_stop(fixture->server);
    close(fixture->log.fd);
    unlink("log");
    pthread_mutex_destroy(&fixture->app.lock);
    pthread_cond_destroy(&fixture->app.changed);
    free(fixture);
    return 0;
}

/* ---- a client that can misbehave -------------------------------------------- */

static int connect_to(const struct fixture *fixture)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)mr_server_port(fixture->server)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void send_text(int fd, const char *text)
{
    for (size_t left = strlen(text); left;) {
        ssize_t n = send(fd, text, left, MSG_NOSIGNAL);
        assert_true(n > 0);
        text += n;
        left -= (size_t)n;
    }
}

struct answer {
    char *text; /* head and body as they came, chunks decoded */
    const char *body;
    size_t body_len;
    int status;
    bool whole;
};

static void answer_free(struct answer *answer)
{
    free(answer->text);
}
MR_DEFINE_VALUE_CLEANUP(answer, answer_free)

static bool has_line(const struct answer *answer, const char *line)
{
    const char *end = answer->body;
    for (const char *p = answer->text; p && p < end; p = strstr(p, "\r\n"), p += p ? 2 : 0)
        if (strncmp(p, line, strlen(line)) == 0 && strncmp(p + strlen(line), "\r\n", 2) == 0)
            return true;
    return false;
}

static bool receive(int fd, struct mr_buf *buf, size_t want)
{
    while (buf->len < want) {
        char piece[65536];
        size_t ask = want - buf->len < sizeof piece ? want - buf->len : sizeof piece;
        ssize_t n = recv(fd, piece, ask, 0);
        if (n <= 0)
            return false;
        assert_int_equal(mr_buf_append(buf, piece, (size_t)n, NULL), MR_OK);
    }
    return true;
}

static bool receive_until(int fd, struct mr_buf *buf, const char *mark)
{
    size_t begin = buf->len, len = strlen(mark);
    while (buf->len < begin + len || memcmp(buf->data + buf->len - len, mark, len) != 0)
        if (!receive(fd, buf, buf->len + 1))
            return false;
    return true;
}

static bool receive_chunks(int fd, struct mr_buf *buf)
{
    for (;;) {
        size_t at = buf->len;
        if (!receive_until(fd, buf, "\r\n"))
            return false;
        size_t size = strtoul(buf->data + at, NULL, 16);
        buf->len = at;
        if (!receive(fd, buf, at + size + 2))
            return false;
        buf->len -= 2;
        if (!size)
            return true;
    }
}

/* Reads one answer. `head` for the answer to a HEAD request. */
static struct answer read_answer(int fd, bool head)
{
    struct mr_buf buf = MR_BUF_INIT(BIG + 10000);
    struct answer answer = {0};
    if (receive_until(fd, &buf, "\r\n\r\n")) {
        size_t body = buf.len;
        const char *length = strstr(buf.data, "Content-Length: ");
        bool chunked = strstr(buf.data, "Transfer-Encoding: chunked") != NULL;
        answer.status = (int)strtol(buf.data + strlen("HTTP/1.1 "), NULL, 10);
        if (chunked && !head)
            answer.whole = receive_chunks(fd, &buf);
        else if (length && !head)
            answer.whole = receive(fd, &buf, body + strtoul(length + 16, NULL, 10));
        else
            answer.whole = true;
        answer.body_len = buf.len - body;
        answer.text = mr_buf_take(&buf);
        answer.text[body + answer.body_len] = '\0';
        answer.body = answer.text + body;
    }
    mr_buf_free(&buf);
    return answer;
}

static struct answer exchange(const struct fixture *fixture, const char *request)
{
    int fd = connect_to(fixture);
    send_text(fd, request);
    struct answer answer = read_answer(fd, strncmp(request, "HEAD", 4) == 0);
    close(fd);
    return answer;
}

static bool is_at_end(int fd)
{
    char byte;
    ssize_t n = recv(fd, &byte, 1, 0);
    return n == 0 || (n < 0 && errno == ECONNRESET);
}

/* ---- tests ------------------------------------------------------------------ */

#define HOST "Host: h:1\r\n"

static const struct {
    const char *request;
    int status;
    const char *body; /* begins with this; may be NULL */
    const char *line; /* a header line; may be NULL */
} exchanges[] = {
    {"GET /items/a%2Fb?x=1&q=c+%26 HTTP/1.1\r\n" HOST "\r\n", 200,
     "{\"id\":\"a/b\",\"path\":\"/items/a%2Fb\",\"base\":\"http://h:1\",\"q\":\"c &\"}",
     "X-Content-Type-Options: nosniff"},
    {"GET //items//7/ HTTP/1.1\r\n" HOST "X-Forwarded-Proto: https\r\nX-Forwarded-Host: ex.org\r\n\r\n", 200,
     "{\"id\":\"7\",\"path\":\"/items/7\",\"base\":\"https://ex.org\"", NULL},
    {"GET /items/7 HTTP/1.1\r\nHost: a/b\"\r\n\r\n", 200,
     "{\"id\":\"7\",\"path\":\"/items/7\",\"base\":\"http://localhost:", NULL},
    {"HEAD /items/7 HTTP/1.1\r\n" HOST "\r\n", 200, "", "Content-Length: 57"},
    {"GET /items/7 HTTP/1.0\r\n" HOST "\r\n", 200, "{", "Connection: close"},
    {"GET /none HTTP/1.1\r\n" HOST "\r\n", 404,
     "{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,",
     "Content-Type: application/problem+json"},
    {"DELETE /items/7 HTTP/1.1\r\n" HOST "\r\n", 405, "{", "Allow: GET, HEAD"},
    {"GET /items/%zz HTTP/1.1\r\n" HOST "\r\n", 400, "{", "Connection: close"},
    {"GET /chunks HTTP/1.1\r\n" HOST "\r\n", 200, "hello world", "Transfer-Encoding: chunked"},
    {"GET /chunks HTTP/1.0\r\n" HOST "\r\n", 200, "", "Connection: close"},
    {"HEAD /chunks HTTP/1.1\r\n" HOST "\r\n", 200, "", NULL},
    {"GET /stack HTTP/1.1\r\n" HOST "\r\n", 200, "xxx", "Content-Length: 524288"},
    {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc", 200, "abc", "Connection: keep-alive"},
    {"POST /echo HTTP/1.1\r\n" HOST "\r\n", 200, "", NULL},
    {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", 200,
     "abcde", "Connection: keep-alive"},
    {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", 400, "{",
     "Connection: close"},
    {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400,
     "{", NULL},
    {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400, "{", NULL},
    {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1x\r\n\r\na", 400, "{", NULL},
    {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\na", 411, "{", NULL},
    {"POST /echo HTTP/1.1\r\n" HOST "Expect: miracles\r\nContent-Length: 1\r\n\r\na", 417, "{", NULL},
    {"POST /small HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n0123456789", 200, "0123456789", NULL},
    {"POST /small HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\n0123456789a", 413, "{", "Connection: close"},
    {"POST /small HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nb\r\n0123456789a\r\n0\r\n\r\n", 413,
     "{", NULL},
    {"POST /ignore HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc", 204, "", "Connection: keep-alive"},
    {"POST /json HTTP/1.1\r\n" HOST "Content-Length: 7\r\n\r\n{\"a\":1}", 200, "{\"a\":1}", NULL},
    {"POST /json HTTP/1.1\r\n" HOST
     "Content-Type: application/json; charset=utf-8\r\nContent-Length: 2\r\n\r\n{}",
     200, "{}", NULL},
    {"POST /json HTTP/1.1\r\n" HOST "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}", 415, "{",
     NULL},
    {"POST /json HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\n{,}", 400, "{", NULL},
    {"POST /json HTTP/1.1\r\n" HOST "Content-Length: 13\r\n\r\n{\"a\":1,\"a\":2}", 400, "{", NULL},
    {"POST /form HTTP/1.1\r\n" HOST
     "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 7\r\n\r\na=1&b=2",
     200, "a=1b=2", NULL},
    {"POST /form HTTP/1.1\r\n" HOST "Content-Length: 7\r\n\r\na=1&b=2", 415, "{", NULL},
    {"GET /header?name=X-A&value=b HTTP/1.1\r\n" HOST "\r\n", 200, "", "X-A: b"},
    {"GET /header?name=X-A&value=b%0D%0Ac HTTP/1.1\r\n" HOST "\r\n", 400, "{", NULL},
    {"GET /header?name=X%20A&value=b HTTP/1.1\r\n" HOST "\r\n", 400, "{", NULL},
    {"GARBAGE\r\n\r\n", 400, "{", "Content-Type: application/problem+json"},
    {"GET /\x01 HTTP/1.1\r\n\r\n", 400, "{", "Connection: close"},
    {"GET / HTTP/3.0\r\n\r\n", 505, "{", NULL},
};

static void test_exchanges(void **state)
{
    for (size_t i = 0; i < sizeof exchanges / sizeof *exchanges; i++) {
        MR_AUTO(answer) struct answer answer = exchange(*state, exchanges[i].request);
        if (answer.status != exchanges[i].status)
            print_error("%s\n->\n%s\n", exchanges[i].request, answer.text ? answer.text : "(nothing)");
        assert_int_equal(answer.status, exchanges[i].status);
        assert_true(answer.whole);
        if (exchanges[i].body && strncmp(answer.body, exchanges[i].body, strlen(exchanges[i].body)) != 0)
            assert_string_equal(answer.body, exchanges[i].body);
        if (exchanges[i].line && !has_line(&answer, exchanges[i].line))
            assert_string_equal(answer.text, exchanges[i].line);
    }
}

static void test_failures_become_problems(void **state)
{
    static const struct {
        int status, http_status;
        const char *line;
        bool secret; /* the reason must not be told */
    } failures[] = {
        {MR_INVALID, 400, NULL, false},     {MR_UNAUTHENTICATED, 401, "WWW-Authenticate: Bearer", false},
        {MR_DENIED, 403, NULL, false},      {MR_NOT_FOUND, 404, NULL, false},
        {MR_CONFLICT, 409, NULL, false},    {MR_TOO_LARGE, 413, NULL, false},
        {MR_UNSUPPORTED, 415, NULL, false}, {MR_CANCELED, 409, NULL, false},
        {MR_INTERNAL, 500, NULL, true},     {MR_UNAVAILABLE, 503, "Retry-After: 1", true},
        {MR_TIMEOUT, 504, NULL, true},      {MR_EXHAUSTED, 429, "Retry-After: 1", false},
        {MR_STATUS_COUNT, 500, NULL, true}, /* MR_OK without an answer */
    };
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
        char request[100];
        snprintf(request, sizeof request, "GET /fail/%d HTTP/1.1\r\n" HOST "\r\n", failures[i].status);
        MR_AUTO(answer) struct answer answer = exchange(*state, request);
        assert_int_equal(answer.status, failures[i].http_status);
        assert_true(has_line(&answer, "Content-Type: application/problem+json"));
        assert_false(has_line(&answer, "X-Left-Over: 1"));
        if (failures[i].line)
            assert_true(has_line(&answer, failures[i].line));
        MR_AUTO_JSON json_t *problem = json_loads(answer.body, 0, NULL);
        const char *detail = json_string_value(json_object_get(problem, "detail"));
        assert_non_null(detail);
        assert_string_equal(detail, json_string_value(json_object_get(problem, "message")));
        assert_int_equal(json_integer_value(json_object_get(problem, "status")), failures[i].http_status);
        assert_int_equal(strstr(detail, "secret") == NULL, failures[i].secret);
    }
}

static void test_requests_are_logged_without_query(void **state)
{
    struct fixture *fixture = *state;
    MR_AUTO(answer)
    struct answer answer =
        exchange(fixture, "GET /items/1?token=hush HTTP/1.1\r\n" HOST
                          "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n");
    assert_int_equal(answer.status, 200);
    assert_true(mr_server_drain(fixture->server, PATIENCE_MS)); /* the line is written after the answer */
    char text[4096] = "";
    assert_true(pread(fixture->log.fd, text, sizeof text - 1, 0) > 0);
    assert_non_null(strstr(text, "\"path\":\"/items/1\""));
    assert_non_null(strstr(text, "0af7651916cd43dd8448eb211c80319c"));
    assert_null(strstr(text, "hush"));
}

static void test_keep_alive_and_pipelining(void **state)
{
    int fd = connect_to(*state);
    for (int i = 0; i < 5; i++) {
        send_text(fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nab");
        MR_AUTO(answer) struct answer answer = read_answer(fd, false);
        assert_string_equal(answer.body, "ab");
    }
    send_text(fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nab"
                  "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n2\r\ncd\r\n0\r\n\r\n"
                  "POST /ignore HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nxx"
                  "GET /items/9 HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    static const char *const bodies[] = {"ab", "cd", "", "{\"id\":\"9\""};
    for (size_t i = 0; i < 4; i++) {
        MR_AUTO(answer) struct answer answer = read_answer(fd, false);
        assert_memory_equal(answer.body, bodies[i], strlen(bodies[i]));
    }
    assert_true(is_at_end(fd));
    close(fd);
}

static void test_broken_off_body(void **state)
{
    static const char *const requests[] = {
        "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nabc",
        "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\nabc",
        "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        int fd = connect_to(fixture);
        send_text(fd, requests[i]);
        shutdown(fd, SHUT_WR);
        MR_AUTO(answer) struct answer answer = read_answer(fd, false);
        assert_int_equal(answer.status, 400);
        assert_non_null(strstr(answer.body, "incomplete_body"));
        assert_int_equal(atomic_load(&fixture->app.last_status), MR_INVALID);
        close(fd);
    }
}

/* Sends a byte now and then until the server has enough of it; returns the milliseconds that took. */
static int64_t trickle(int fd, const char *byte)
{
    int64_t began_us = mr_time_monotonic_us();
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    while (poll(&waiting, 1, TIMEOUT_MS / 8) == 0) {
        assert_true(mr_time_monotonic_us() - began_us < PATIENCE_MS * 1000LL);
        if (send(fd, byte, 1, MSG_NOSIGNAL) < 0)
            break;
    }
    return (mr_time_monotonic_us() - began_us) / 1000;
}

static void test_slow_body(void **state)
{
    static const char *const heads[] = {
        "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\n",
        "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nffff\r\n",
    };
    for (size_t i = 0; i < 2; i++) {
        int fd = connect_to(*state);
        send_text(fd, heads[i]);
        int64_t took_ms = trickle(fd, "x");
        assert_in_range(took_ms, TIMEOUT_MS / 2, TIMEOUT_MS * 10);
        MR_AUTO(answer) struct answer answer = read_answer(fd, false);
        assert_int_equal(answer.status, 408);
        close(fd);
    }
}

static void test_silent_body(void **state)
{
    int fd = connect_to(*state);
    send_text(fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n");
    MR_AUTO(answer) struct answer answer = read_answer(fd, false);
    assert_int_equal(answer.status, 408);
    close(fd);
}

static void test_slow_head(void **state)
{
    int fd = connect_to(*state);
    send_text(fd, "GET /items/1 HTTP/1.1\r\nX: ");
    assert_in_range(trickle(fd, "x"), TIMEOUT_MS / 2, TIMEOUT_MS * 10);
    MR_AUTO(answer) struct answer answer = read_answer(fd, false);
    assert_int_equal(answer.status, 408);
    close(fd);
}

static void test_slow_reader_is_cut(void **state)
{
    struct fixture *fixture = *state;
    atomic_store(&fixture->app.last_status, MR_STATUS_COUNT);
    int fd = connect_to(fixture);
    send_text(fd, "GET /big HTTP/1.1\r\n" HOST "\r\n");
    wait_for(&fixture->app, &fixture->app.streamed); /* nothing is read meanwhile */
    assert_int_equal(atomic_load(&fixture->app.last_status), MR_UNAVAILABLE);
    MR_AUTO(answer) struct answer answer = read_answer(fd, false);
    assert_false(answer.whole);
    close(fd);
}

static void test_big_answer(void **state)
{
    MR_AUTO(answer) struct answer answer = exchange(*state, "GET /big HTTP/1.1\r\n" HOST "\r\n");
    assert_true(answer.whole);
    assert_int_equal(answer.body_len, BIG);
}

static void test_unended_chunks_are_cut_visibly(void **state)
{
    MR_AUTO(answer) struct answer answer = exchange(*state, "GET /chunks?cut=1 HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(answer.status, 200);
    assert_false(answer.whole);
}

static void test_too_many_headers(void **state)
{
    MR_AUTO(mr_buf) struct mr_buf request = MR_BUF_INIT(MAX_HEAD);
    assert_int_equal(mr_buf_append_str(&request, "GET /items/1 HTTP/1.1\r\n" HOST, NULL), MR_OK);
    for (int i = 0; i < 70; i++)
        assert_int_equal(mr_buf_appendf(&request, NULL, "X-%d: 1\r\n", i), MR_OK);
    assert_int_equal(mr_buf_append_str(&request, "\r\n", NULL), MR_OK);
    MR_AUTO(answer) struct answer answer = exchange(*state, mr_buf_str(&request));
    assert_int_equal(answer.status, 431);
}

static void test_long_path(void **state)
{
    MR_AUTO(mr_buf) struct mr_buf request = MR_BUF_INIT(MAX_HEAD);
    assert_int_equal(mr_buf_append_str(&request, "GET ", NULL), MR_OK);
    for (int i = 0; i < 200; i++)
        assert_int_equal(mr_buf_append_str(&request, "/a", NULL), MR_OK);
    assert_int_equal(mr_buf_append_str(&request, " HTTP/1.1\r\n" HOST "\r\n", NULL), MR_OK);
    MR_AUTO(answer) struct answer answer = exchange(*state, mr_buf_str(&request));
    assert_int_equal(answer.status, 414);
}

static void test_oversize_head(void **state)
{
    char request[2 * MAX_HEAD];
    memset(request, 'x', sizeof request);
    memcpy(request, "GET /items/1 HTTP/1.1\r\nX: ", 26);
    memcpy(request + sizeof request - 5, "\r\n\r\n", 5);
    MR_AUTO(answer) struct answer answer = exchange(*state, request);
    assert_int_equal(answer.status, 431);
}

/* The answer arrives although the client is in the middle of sending far more than is taken. */
static void test_early_refusal_is_seen(void **state)
{
    int fd = connect_to(*state);
    send_text(fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 10000000000\r\n\r\n");
    static const char data[65536];
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    int64_t sent = 0;
    while (poll(&waiting, 1, 0) == 0) {
        ssize_t n = send(fd, data, sizeof data, MSG_NOSIGNAL);
        assert_true(n > 0);
        sent += n;
        assert_true(sent < 100 << 20);
    }
    MR_AUTO(answer) struct answer answer = read_answer(fd, false);
    assert_int_equal(answer.status, 413);
    assert_true(answer.whole);
    assert_true(has_line(&answer, "Connection: close"));
    assert_true(is_at_end(fd));
    close(fd);
}

static void test_expect_continue(void **state)
{
    int fd = connect_to(*state);
    send_text(fd, "POST /echo HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    MR_AUTO(answer) struct answer interim = read_answer(fd, true);
    assert_int_equal(interim.status, 100);
    send_text(fd, "abc");
    MR_AUTO(answer) struct answer answer = read_answer(fd, false);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.body, "abc");
    close(fd);
}

static void test_no_continue_after_a_refusal(void **state)
{
    static const char *const requests[] = {
        "POST /small HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 1000\r\n\r\n",
        "POST /none HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 1000\r\n\r\n",
    };
    static const int statuses[] = {413, 404};
    for (size_t i = 0; i < 2; i++) {
        int fd = connect_to(*state);
        send_text(fd, requests[i]);
        MR_AUTO(answer) struct answer answer = read_answer(fd, false);
        assert_int_equal(answer.status, statuses[i]);
        assert_true(has_line(&answer, "Connection: close"));
        assert_true(is_at_end(fd));
        close(fd);
    }
}

struct parallel {
    const struct fixture *fixture;
    pthread_t thread;
    int good;
};

static void *ask_often(void *arg)
{
    struct parallel *parallel = arg;
    for (int i = 0; i < 5; i++) {
        MR_AUTO(answer)
        struct answer answer =
            exchange(parallel->fixture, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello");
        parallel->good += answer.status == 200 && strcmp(answer.body, "hello") == 0;
    }
    return NULL;
}

static void test_64_connections(void **state)
{
    struct parallel parallels[64];
    for (size_t i = 0; i < 64; i++) {
        parallels[i] = (struct parallel){.fixture = *state};
        assert_int_equal(pthread_create(&parallels[i].thread, NULL, ask_often, &parallels[i]), 0);
    }
    for (size_t i = 0; i < 64; i++) {
        pthread_join(parallels[i].thread, NULL);
        assert_int_equal(parallels[i].good, 5);
    }
}

/* More idle connections than threads: newcomers are served all the same, at once. */
static void test_idle_connections_starve_nobody(void **state)
{
    int fds[16];
    for (size_t i = 0; i < 16; i++) {
        fds[i] = connect_to(*state);
        send_text(fds[i], "GET /items/1 HTTP/1.1\r\n" HOST "\r\n");
        MR_AUTO(answer) struct answer answer = read_answer(fds[i], false);
        assert_int_equal(answer.status, 200);
    }
    for (size_t i = 0; i < 16; i++)
        close(fds[i]);
}

static void test_drain(void **state)
{
    struct fixture *fixture = *state;
    int running = connect_to(fixture);
    send_text(running, "GET /wait HTTP/1.1\r\n" HOST "\r\n");
    wait_for(&fixture->app, &fixture->app.entered);
    assert_false(mr_server_drain(fixture->server, 20));
    MR_AUTO(answer) struct answer refused = exchange(fixture, "GET /items/1 HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(refused.status, 503);
    assert_true(has_line(&refused, "Connection: close"));
    assert_true(has_line(&refused, "Retry-After: 1"));
    raise_flag(&fixture->app, &fixture->app.released);
    MR_AUTO(answer) struct answer answer = read_answer(running, false);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.body, "done");
    assert_true(mr_server_drain(fixture->server, PATIENCE_MS));
    close(running);
}

static void test_taken_port_is_reported(void **state)
{
    struct fixture *fixture = *state;
    struct mr_server_options options = {
        .port = mr_server_port(fixture->server),
        .loopback_only = true,
        .threads = 1,
        .max_head = MAX_HEAD,
        .client_timeout_ms = TIMEOUT_MS,
        .routes = routes,
        .route_count = 1,
        .log = &fixture->log,
    };
    struct mr_server *second = NULL;
    struct mr_err err = {0};
    assert_int_equal(mr_server_start(&options, &second, &err), MR_UNAVAILABLE);
    assert_non_null(strstr(err.message, "in use"));
    assert_null(second);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_exchanges),
        TEST(test_failures_become_problems),
        TEST(test_requests_are_logged_without_query),
        TEST(test_keep_alive_and_pipelining),
        TEST(test_broken_off_body),
        TEST(test_slow_body),
        TEST(test_silent_body),
        TEST(test_slow_head),
        TEST(test_slow_reader_is_cut),
        TEST(test_big_answer),
        TEST(test_unended_chunks_are_cut_visibly),
        TEST(test_oversize_head),
        TEST(test_too_many_headers),
        TEST(test_long_path),
        TEST(test_early_refusal_is_seen),
        TEST(test_expect_continue),
        TEST(test_no_continue_after_a_refusal),
        TEST(test_64_connections),
        TEST(test_idle_connections_starve_nobody),
        TEST(test_drain),
        TEST(test_taken_port_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
