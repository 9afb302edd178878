/* Strict framing (RFC 9112): heads that two programs could read differently are refused, and the connection closes. */
#include "tests/unit/served_app.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define POST     "POST /echo HTTP/1.1\r\n"
#define SMUGGLED "GET /items/9 HTTP/1.1\r\n" HOST "\r\n"

static const struct {
    const char *request;
    int status;
} requests[] = {
    {POST HOST "Content-Length : 3\r\n\r\nabc", 400},
    {POST HOST "Content-Length\t: 3\r\n\r\nabc", 400},
    {POST HOST " Content-Length: 3\r\n\r\nabc", 400},
    {POST "Content-Length: 3\r\n\r\nabc", 400},
    {POST HOST HOST "Content-Length: 3\r\n\r\nabc", 400},
    {POST HOST "Host: other\r\nContent-Length: 3\r\n\r\nabc", 400},
    {"GET /items/1 HTTP/1.0\r\n" HOST HOST "\r\n", 400},
    {"GET /items/1 HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
    {"GET /items/1 HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
    {POST HOST "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
    {POST HOST "Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n", 400},
    {POST HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
    {POST HOST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400},
    {POST HOST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400},
    {POST HOST "Transfer-Encoding: identity\r\n\r\n", 400},
    {POST HOST "Transfer-Encoding:\r\n\r\n", 400},
    {POST HOST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400},
    {POST HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
    {"POST /echo HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
    {POST HOST "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", 400},
    {POST HOST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400},
    {POST HOST "Content-Length: 3, 3\r\n\r\nabc", 400},
    {POST HOST "Content-Length: +3\r\n\r\nabc", 400},
    {POST HOST "Content-Length: 0x3\r\n\r\nabc", 400},
    {POST HOST "Content-Length: 99999999999999999999\r\n\r\nabc", 400},
    {POST HOST "Content-Length:\r\n\r\nabc", 400},
    {POST HOST "X: a\r\n b\r\nContent-Length: 3\r\n\r\nabc", 400}, /* obs-fold */
    {POST HOST "X: a\r\n\tb\r\nContent-Length: 3\r\n\r\nabc", 400},
    {POST HOST "X: a\rContent-Length: 3\r\n\r\nabc", 400}, /* a CR alone */
    {POST HOST "X: a\nContent-Length: 3\r\n\r\nabc", 400}, /* an LF alone */
    {POST HOST "X: a\r\r\nContent-Length: 3\r\n\r\nabc", 400},
    {POST HOST "X\x01: a\r\n\r\n", 400},
    {POST HOST "X: \x01\r\n\r\n", 400},
    {POST HOST "X(: a\r\n\r\n", 400},
    {POST HOST ": a\r\n\r\n", 400},
    {POST HOST "no colon\r\n\r\n", 400},
    {POST HOST "X: a\n\r\nContent-Length: 3\r\n\r\nabc", 400},
    {POST HOST "Content-Length: 3\r\nX: a\n\nabc", 400},
    {"GET /items/1 HTTP/1.1\n" HOST "\r\n", 400},
    {"GET /items/1 HTTP/1.1\nHost: h\n\n", 400},
    {"GET /items/1 HTTP/1.1\r\n Host: h\r\n\r\n", 400},
    {"GET /items/1 HTTP/1.0\n\n", 400},
    {"GET  /items/1 HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /items/1  HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /items/1\tHTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /items/1 HTTP/1.1 \r\n" HOST "\r\n", 400},
    {"GET /items/1 http/1.1\r\n" HOST "\r\n", 400},
    {"GET /items/1 HTTP/11\r\n" HOST "\r\n", 400},
    {"GET /items/1\r\n\r\n", 400},
    {"G(T /items/1 HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /items/1 HTTP/2.0\r\n" HOST "\r\n", 505},
    {"GET /items/1 HTTP/1.9\r\n" HOST "\r\n", 505},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
    {POST HOST "Transfer-Encoding: chunked\r\n\r\n 3\r\nabc\r\n0\r\n\r\n", 400},
    {POST HOST "Transfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n", 400},
    {POST HOST "Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n", 400},
    {POST HOST "Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n", 400},
    {POST HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\n0\r\n\r\n", 400},
    {POST HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", 400},
    {POST HOST "Transfer-Encoding: chunked\r\n\r\n10000000000000003\r\nabc\r\n0\r\n\r\n", 400},
    {POST HOST "Transfer-Encoding: chunked\r\n\r\n;x\r\n\r\n", 400},
};

/* What follows in the same packet is not answered: it may be a part of the request. */
static void test_refused_requests(void **state)
{
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        int fd = fixture_server_connect(*state);
        send_text(fd, requests[i].request);
        send_text(fd, SMUGGLED);
        MR_AUTO(answer) struct answer answer = read_answer(fd, false);
        if (answer.status != requests[i].status)
            print_error("%s\n->\n%s\n", requests[i].request, answer.text ? answer.text : "(nothing)");
        assert_int_equal(answer.status, requests[i].status);
        assert_true(has_line(&answer, "Connection: close"));
        assert_true(has_line(&answer, "Content-Type: application/problem+json"));
        assert_null(strstr(answer.body, "unexpected fault")); /* the fault is the client's */
        assert_true(is_at_end(fd));
        close(fd);
    }
}

static void test_unusual_requests_that_are_right(void **state)
{
    static const struct {
        const char *request, *body;
    } good[] = {
        {"\r\n\r\nGET /items/1 HTTP/1.1\r\n" HOST "\r\n", "{\"id\":\"1\""},
        {POST "host:h\r\ncontent-length:3\r\n\r\nabc", "abc"},
        {POST HOST "Content-Length:   003  \r\n\r\nabc", "abc"},
        {POST HOST "Transfer-Encoding: CHUNKED\r\n\r\n3\r\nabc\r\n00\r\nX: y\r\n\r\n", "abc"},
        {POST HOST "Transfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n", "0123456789"},
        {"GET HTTP://x/items/1 HTTP/1.1\r\n" HOST "\r\n", "{\"id\":\"1\""},
        {"GET /items/1 HTTP/1.0\r\n\r\n", "{\"id\":\"1\""},
        {"GET /items/1 HTTP/1.1\r\n" HOST "X: caf\xc3\xa9\r\n\r\n", "{\"id\":\"1\""},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        MR_AUTO(answer) struct answer answer = exchange(*state, good[i].request);
        if (answer.status != 200)
            print_error("%s\n->\n%s\n", good[i].request, answer.text ? answer.text : "(nothing)");
        assert_int_equal(answer.status, 200);
        assert_memory_equal(answer.body, good[i].body, strlen(good[i].body));
    }
}

/* Of several empty lines, civetweb would take the first for the end of the head, and the head for the body. */
static void test_lines_before_a_later_request(void **state)
{
    static const struct {
        const char *between;
        int status;
    } cases[] = {{"", 200}, {"\r\n", 200}, {"\n", 400}, {"\n\n", 400}, {"\r\n\r\n", 400}, {"  ", 400}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int fd = fixture_server_connect(*state);
        char text[300];
        snprintf(text, sizeof text, "%s%s%s", POST HOST "Content-Length: 3\r\n\r\nabc", cases[i].between,
                 POST HOST "Content-Length: 3\r\n\r\ndef");
        send_text(fd, text);
        MR_AUTO(answer) struct answer first = read_answer(fd, false);
        assert_string_equal(first.body, "abc");
        MR_AUTO(answer) struct answer second = read_answer(fd, false);
        assert_int_equal(second.status, cases[i].status);
        if (second.status == 200)
            assert_string_equal(second.body, "def");
        else
            assert_true(is_at_end(fd));
        close(fd);
    }
}

static void test_forwarded_addresses(void **state)
{
    static const struct {
        const char *lines, *remote;
        int proxies;
    } cases[] = {
        {"X-Forwarded-For: 1.2.3.4\r\n", "127.0.0.1", 0},
        {"X-Forwarded-For: 1.2.3.4\r\n", "1.2.3.4", 1},
        {"X-Forwarded-For: 9.9.9.9, 1.2.3.4\r\n", "1.2.3.4", 1},
        {"X-Forwarded-For: 9.9.9.9,1.2.3.4 , 5.6.7.8\r\n", "1.2.3.4", 2},
        {"X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-For: 2001:db8::1\r\n", "2001:db8::1", 1},
        {"X-Forwarded-For: 1.2.3.4\r\n", "127.0.0.1", 2},
        {"X-Forwarded-For: unknown\r\n", "127.0.0.1", 1},
        {"X-Forwarded-For: 1.2.3.4, \r\n", "127.0.0.1", 1},
        {"X-Forwarded-For:\r\n", "127.0.0.1", 1},
        {"", "127.0.0.1", 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture_server http;
        assert_int_equal(fixture_server_start(&http, (struct mr_server_options){.threads = 1,
                                                                                .max_head = MAX_HEAD,
                                                                                .client_timeout_ms = 2000,
                                                                                .routes = served_routes,
                                                                                .route_count = 1,
                                                                                .proxies = cases[i].proxies}),
                         0);
        char request[300], expected[64], log[4096] = "";
        snprintf(request, sizeof request, "GET /items/1 HTTP/1.1\r\n" HOST "%s\r\n", cases[i].lines);
        MR_AUTO(answer) struct answer answer = exchange(&http, request);
        assert_int_equal(answer.status, 200);
        assert_true(mr_server_drain(http.server, PATIENCE_MS));
        assert_true(pread(http.log.fd, log, sizeof log - 1, 0) > 0);
        snprintf(expected, sizeof expected, "\"remote\":\"%s\"", cases[i].remote);
        if (!strstr(log, expected))
            assert_string_equal(log, expected);
        fixture_server_stop(&http);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, served_set_up, served_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_refused_requests),
        TEST(test_unusual_requests_that_are_right),
        TEST(test_lines_before_a_later_request),
        cmocka_unit_test(test_forwarded_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
