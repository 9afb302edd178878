/* shared/http/server: clients that are slow, break off, or send too much. */
#include "tests/unit/served_app.h"

#include "shared/base/clock.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/socket.h>

#include <cmocka.h>

static void test_broken_off_body(void **state)
{
    static const char *const requests[] = {
        "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nabc",
        "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\nabc",
        "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    };
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        int fd = fixture_server_connect(*state);
        send_text(fd, requests[i]);
        shutdown(fd, SHUT_WR);
        MR_AUTO(answer) struct answer answer = read_answer(fd, false);
        assert_int_equal(answer.status, 400);
        assert_non_null(strstr(answer.body, "incomplete_body"));
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
        int fd = fixture_server_connect(*state);
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
    int fd = fixture_server_connect(*state);
    send_text(fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n");
    MR_AUTO(answer) struct answer answer = read_answer(fd, false);
    assert_int_equal(answer.status, 408);
    close(fd);
}

static void test_slow_head(void **state)
{
    int fd = fixture_server_connect(*state);
    send_text(fd, "GET /items/1 HTTP/1.1\r\nX: ");
    assert_in_range(trickle(fd, "x"), TIMEOUT_MS / 2, TIMEOUT_MS * 10);
    MR_AUTO(answer) struct answer answer = read_answer(fd, false);
    assert_int_equal(answer.status, 408);
    close(fd);
}

static void test_slow_reader_is_cut(void **state)
{
    struct served_fixture *fixture = *state;
    atomic_store(&fixture->app.last_status, MR_STATUS_COUNT);
    int fd = fixture_server_connect(&fixture->http);
    send_text(fd, "GET /big HTTP/1.1\r\n" HOST "\r\n");
    served_app_wait(&fixture->app, &fixture->app.streamed); /* nothing is read meanwhile */
    assert_int_equal(atomic_load(&fixture->app.last_status), MR_UNAVAILABLE);
    MR_AUTO(answer) struct answer answer = read_answer(fd, false);
    assert_false(answer.whole);
    close(fd);
}

/* The client stops reading now and then, to enlarge its buffer. */
static int set_up_patient(void **state)
{
    return served_start(state, (struct mr_server_options){.threads = 1, .client_timeout_ms = PATIENCE_MS});
}

static void test_big_answer(void **state)
{
    MR_AUTO(answer) struct answer answer = exchange(*state, "GET /big HTTP/1.1\r\n" HOST "\r\n");
    assert_true(answer.whole);
    assert_int_equal(answer.body_len, SERVED_BIG);
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
    int fd = fixture_server_connect(*state);
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

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, served_set_up, served_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_broken_off_body),
        TEST(test_slow_body),
        TEST(test_silent_body),
        TEST(test_slow_head),
        TEST(test_slow_reader_is_cut),
        cmocka_unit_test_setup_teardown(test_big_answer, set_up_patient, served_tear_down),
        TEST(test_unended_chunks_are_cut_visibly),
        TEST(test_oversize_head),
        TEST(test_too_many_headers),
        TEST(test_long_path),
        TEST(test_early_refusal_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
