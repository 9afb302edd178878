/* shared/http/server: requests and their answers, connections kept alive and side by side, drain. */
#include "tests/unit/served_app.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

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
    {"GET /items/7 HTTP/1.1\r\nHost:\r\n\r\n", 200,
     "{\"id\":\"7\",\"path\":\"/items/7\",\"base\":\"http://localhost:", NULL},
    {"GET http://ex.org:8/items/7?q=1 HTTP/1.1\r\n" HOST "\r\n", 200,
     "{\"id\":\"7\",\"path\":\"/items/7\",\"base\":\"http://h:1\",\"q\":\"1\"}", NULL},
    {"HEAD /items/7 HTTP/1.1\r\n" HOST "\r\n", 200, "", "Content-Length: 57"},
    {"GET /items/7 HTTP/1.0\r\n" HOST "\r\n", 200, "{", "Connection: close"},
    {"GET /none HTTP/1.1\r\n" HOST "\r\n", 404,
     "{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,",
     "Content-Type: application/problem+json"},
    {"DELETE /items/7 HTTP/1.1\r\n" HOST "\r\n", 405, "{", "Allow: GET, HEAD"},
    {"TRACE /items/7 HTTP/1.1\r\n" HOST "\r\n", 405, "{", "Allow: GET, HEAD"},
    {"BREW //items/7?q=1 HTTP/1.1\r\n" HOST "\r\n", 405, "{", "Allow: GET, HEAD"},
    {"TRACE /none HTTP/1.1\r\n" HOST "\r\n", 404, "{", "Connection: close"},
    {"PROPFIND /items/7 HTTP/1.1\r\n" HOST "\r\n", 405, "{", "Allow: GET, HEAD"},
    {"OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 204, "", "Allow: GET, HEAD, POST, OPTIONS"},
    {"GET * HTTP/1.1\r\n" HOST "\r\n", 400, "{", "Connection: close"},
    {"GET /items/%zz HTTP/1.1\r\n" HOST "\r\n", 400, "{", "Connection: close"},
    {"GET /chunks HTTP/1.1\r\n" HOST "\r\n", 200, "hello world", "Transfer-Encoding: chunked"},
    {"GET /chunks HTTP/1.0\r\n" HOST "\r\n", 200, "", "Connection: close"},
    {"HEAD /chunks HTTP/1.1\r\n" HOST "\r\n", 200, "", NULL},
    {"GET /stack HTTP/1.1\r\n" HOST "\r\n", 200, "xxx", "Content-Length: 524288"},
    {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc", 200, "abc", "Connection: keep-alive"},
    {"POST /echo HTTP/1.1\r\n" HOST "\r\n", 200, "", NULL},
    {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", 200,
     "abcde", "Connection: close"}, /* a trailer could follow */
    {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", 400, "{",
     "Connection: close"},
    {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400,
     "{", NULL},
    {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400, "{", NULL},
    {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1x\r\n\r\na", 400, "{", NULL},
    {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\na", 400, "{", NULL},
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
        bool secret; /* the reason must not be shown */
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

static void test_a_failure_may_say_when_to_retry(void **state)
{
    static const struct {
        int status;
        bool has_header;
    } failures[] = {{MR_EXHAUSTED, true}, {MR_UNAVAILABLE, true}, {MR_DENIED, false}};
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
        char request[100];
        snprintf(request, sizeof request, "GET /fail/%d?later=1 HTTP/1.1\r\n" HOST "\r\n",
                 failures[i].status);
        MR_AUTO(answer) struct answer answer = exchange(*state, request);
        assert_int_equal(has_line(&answer, "Retry-After: 3600"), failures[i].has_header);
    }
}

static void test_requests_are_logged_without_query(void **state)
{
    struct served_fixture *fixture = *state;
    MR_AUTO(answer)
    struct answer answer = exchange(
        &fixture->http, "GET /items/1?token=hush HTTP/1.1\r\n" HOST
                        "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n");
    assert_int_equal(answer.status, 200);
    /* The line is written after the answer. */
    assert_true(mr_server_drain(fixture->http.server, PATIENCE_MS));
    char text[4096] = "";
    assert_true(pread(fixture->http.log.fd, text, sizeof text - 1, 0) > 0);
    assert_non_null(strstr(text, "\"path\":\"/items/1\""));
    assert_non_null(strstr(text, "0af7651916cd43dd8448eb211c80319c"));
    assert_null(strstr(text, "hush"));
}

/* A refusal says in the log why, and for whom: the client behind the proxies. */
static void test_failures_are_logged_with_their_reason(void **state)
{
    struct served_fixture *fixture = *state;
    MR_AUTO(answer) struct answer failed = exchange(&fixture->http, "GET /fail/1 HTTP/1.1\r\n" HOST "\r\n");
    MR_AUTO(answer) struct answer refused = exchange(&fixture->http, "GET /items/1 HTTP/1.1\r\n\r\n");
    assert_int_equal(failed.status, 400);
    assert_int_equal(refused.status, 400);
    assert_true(mr_server_drain(fixture->http.server, PATIENCE_MS));
    char text[4096] = "";
    assert_true(pread(fixture->http.log.fd, text, sizeof text - 1, 0) > 0);
    assert_non_null(strstr(text, "\"code\":\"invalid\",\"reason\":\"the secret reason\""));
    assert_non_null(strstr(text, "\"status\":400,\"code\":\"malformed_request\",\"remote\":\"127.0.0.1\""));
    assert_null(strstr(text, "user_id"));
}

static void test_keep_alive_and_pipelining(void **state)
{
    int fd = fixture_server_connect(*state);
    for (int i = 0; i < 5; i++) {
        send_text(fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nab");
        MR_AUTO(answer) struct answer answer = read_answer(fd, false);
        assert_string_equal(answer.body, "ab");
    }
    send_text(fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nab"
                  "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\ncd"
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

static void test_expect_continue(void **state)
{
    int fd = fixture_server_connect(*state);
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
        int fd = fixture_server_connect(*state);
        send_text(fd, requests[i]);
        MR_AUTO(answer) struct answer answer = read_answer(fd, false);
        assert_int_equal(answer.status, statuses[i]);
        assert_true(has_line(&answer, "Connection: close"));
        assert_true(is_at_end(fd));
        close(fd);
    }
}

enum { CLIENTS = 64 };

struct parallel {
    const struct fixture_server *server;
    pthread_t thread;
    int good;
};

static void *ask_often(void *arg)
{
    struct parallel *parallel = arg;
    for (int i = 0; i < 5; i++) {
        MR_AUTO(answer)
        struct answer answer =
            exchange(parallel->server, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello");
        parallel->good += answer.status == 200 && strcmp(answer.body, "hello") == 0;
    }
    return NULL;
}

/* The server has room for more: a connection counts until the server has seen that its client closed it, and above the limit
 * the one that has waited longest is closed. */
static void test_clients_side_by_side(void **state)
{
    assert_int_equal(served_start(state, (struct mr_server_options){.threads = 8,
                                                                    .max_connections = 4 * CLIENTS,
                                                                    .client_timeout_ms = PATIENCE_MS}),
                     0);
    struct parallel parallels[CLIENTS];
    for (size_t i = 0; i < CLIENTS; i++) {
        parallels[i] = (struct parallel){.server = *state};
        assert_int_equal(pthread_create(&parallels[i].thread, NULL, ask_often, &parallels[i]), 0);
    }
    for (size_t i = 0; i < CLIENTS; i++) {
        pthread_join(parallels[i].thread, NULL);
        assert_int_equal(parallels[i].good, 5);
    }
}

static int count_threads(void)
{
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    while (readdir(tasks))
        count++;
    closedir(tasks);
    return count;
}

/* A thread starts for a request that finds none free; one user who asks one thing after the other needs few. */
static void test_threads_start_when_needed(void **state)
{
    enum { THREADS = 200, REQUESTS = 20 };
    assert_int_equal(
        served_start(state, (struct mr_server_options){.threads = THREADS, .client_timeout_ms = PATIENCE_MS}),
        0);
    const int at_start = count_threads();
    assert_true(at_start < THREADS);
    for (int i = 0; i < REQUESTS; i++) {
        MR_AUTO(answer) struct answer answer = exchange(*state, "GET /items/1 HTTP/1.1\r\n" HOST "\r\n");
        assert_int_equal(answer.status, 200);
    }
    assert_true(count_threads() - at_start < REQUESTS);
    struct served_fixture *fixture = *state;
    int waiting = fixture_server_connect(&fixture->http);
    send_text(waiting, "GET /wait HTTP/1.1\r\n" HOST "\r\n");
    served_app_wait(&fixture->app, &fixture->app.entered);
    MR_AUTO(answer) struct answer beside = exchange(&fixture->http, "GET /items/1 HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(beside.status, 200);
    served_app_raise(&fixture->app, &fixture->app.released);
    MR_AUTO(answer) struct answer answer = read_answer(waiting, false);
    assert_int_equal(answer.status, 200);
    close(waiting);
}

/* More idle connections than threads: newcomers are served all the same, at once. */
static void test_idle_connections_starve_nobody(void **state)
{
    int fds[16];
    for (size_t i = 0; i < 16; i++) {
        fds[i] = fixture_server_connect(*state);
        send_text(fds[i], "GET /items/1 HTTP/1.1\r\n" HOST "\r\n");
        MR_AUTO(answer) struct answer answer = read_answer(fds[i], false);
        assert_int_equal(answer.status, 200);
    }
    for (size_t i = 0; i < 16; i++)
        close(fds[i]);
}

static void test_drain(void **state)
{
    struct served_fixture *fixture = *state;
    int running = fixture_server_connect(&fixture->http);
    send_text(running, "GET /wait HTTP/1.1\r\n" HOST "\r\n");
    served_app_wait(&fixture->app, &fixture->app.entered);
    assert_false(mr_server_drain(fixture->http.server, 20));
    MR_AUTO(answer) struct answer refused = exchange(&fixture->http, "GET /items/1 HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(refused.status, 503);
    assert_true(has_line(&refused, "Connection: close"));
    assert_true(has_line(&refused, "Retry-After: 1"));
    served_app_raise(&fixture->app, &fixture->app.released);
    MR_AUTO(answer) struct answer answer = read_answer(running, false);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.body, "done");
    assert_true(mr_server_drain(fixture->http.server, PATIENCE_MS));
    close(running);
}

static void test_taken_port_is_reported(void **state)
{
    struct served_fixture *fixture = *state;
    struct mr_server_options options = {
        .port = mr_server_port(fixture->http.server),
        .loopback_only = true,
        .threads = 1,
        .max_head = MAX_HEAD,
        .client_timeout_ms = TIMEOUT_MS,
        .routes = served_routes,
        .route_count = 1,
        .log = &fixture->http.log,
    };
    struct mr_server *second = NULL;
    struct mr_err err = {0};
    assert_int_equal(mr_server_start(&options, &second, &err), MR_UNAVAILABLE);
    assert_non_null(strstr(err.message, "in use"));
    assert_null(second);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, served_set_up, served_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_exchanges),
        TEST(test_failures_become_problems),
        TEST(test_a_failure_may_say_when_to_retry),
        TEST(test_requests_are_logged_without_query),
        TEST(test_failures_are_logged_with_their_reason),
        TEST(test_keep_alive_and_pipelining),
        TEST(test_expect_continue),
        TEST(test_no_continue_after_a_refusal),
        cmocka_unit_test_teardown(test_clients_side_by_side, served_tear_down),
        cmocka_unit_test_teardown(test_threads_start_when_needed, served_tear_down),
        TEST(test_idle_connections_starve_nobody),
        TEST(test_drain),
        TEST(test_taken_port_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
