/* Clients that drip, stay silent or do not read: they cost memory, and nobody else waits for them. */
#include "tests/unit/served_app.h"

#include "shared/base/clock.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cmocka.h>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__) /* which look for races and bad memory */
enum { ANSWER_MS = 60000 };
#else
enum { ANSWER_MS = 7000 }; /* below PATIENT_MS, which ends the attackers */
#endif
#ifdef __SANITIZE_THREAD__ /* which starts 40 threads a second */
enum { ATTACKERS = 200, CONNECTIONS = 240 };
#else
enum { ATTACKERS = 1000, CONNECTIONS = 1200 };
#endif
enum { PATIENT_MS = 8000, FEW = 20 };

static int set_up(void **state)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max; /* both ends of each connection are ours */
    setrlimit(RLIMIT_NOFILE, &limit);
    return served_start(state, (struct mr_server_options){.threads = 2,
                                                          .slow_threads = 2,
                                                          .vital_threads = 1,
                                                          .max_connections = CONNECTIONS,
                                                          .client_timeout_ms = PATIENT_MS});
}

static int set_up_few(void **state)
{
    return served_start(state, (struct mr_server_options){
                                   .threads = 2, .max_connections = FEW, .client_timeout_ms = PATIENCE_MS});
}

static int set_up_shared(void **state)
{
    return served_start(state, (struct mr_server_options){.threads = 2,
                                                          .slow_threads = 2,
                                                          .address_share = 50,
                                                          .proxies = 1,
                                                          .client_timeout_ms = PATIENT_MS});
}

static void assert_served(const struct fixture_server *http, const char *request)
{
    const int64_t began_us = mr_time_monotonic_us();
    MR_AUTO(answer) struct answer answer = exchange(http, request);
    if (answer.status != 200)
        fail_msg("%.40s: %d %s", request, answer.status, answer.body);
    assert_true(mr_time_monotonic_us() - began_us < ANSWER_MS * 1000LL);
}

static void assert_others_are_served(const struct fixture_server *http)
{
    assert_served(http, "GET /items/1 HTTP/1.1\r\n" HOST "\r\n");
    assert_served(http, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc");
    assert_served(http, "GET /vital/1 HTTP/1.1\r\n" HOST "\r\n");
}

static void wait_ms(int ms)
{
    struct pollfd never = {.fd = -1};
    poll(&never, 1, ms);
}

/* Transfers that wait for a thread keep their places until a thread has seen that their client is gone. */
static void assert_room_comes(const struct fixture_server *http, const char *request)
{
    const int64_t due_us = mr_time_monotonic_us() + PATIENCE_MS * 1000LL;
    for (int status = 503; status != 200; wait_ms(50)) {
        MR_AUTO(answer) struct answer answer = exchange(http, request);
        status = answer.status;
        assert_true(status == 200 || status == 503);
        assert_true(mr_time_monotonic_us() < due_us);
    }
}

/* What an attacker sends first, and then byte by byte; NULL: it only does not read. */
struct drip {
    const char *first;
    const char *byte;
};

static const struct drip drips[] = {
    {"GET /items/1 HTTP/1.1\r\nX: ", "x"},
    {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1000\r\n\r\n", "x"},
    {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 200000\r\n\r\n", "x"},
    {"POST /echo HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 200000\r\n\r\n", "x"},
    {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1000\r\n", "x"},
    {"", NULL},
    {"GET /big HTTP/1.1\r\n" HOST "\r\n", NULL},
    {"GET /stack HTTP/1.1\r\n" HOST "\r\n", NULL},
};
enum { DRIPS = sizeof drips / sizeof *drips };

static void test_dripping_connections(void **state)
{
    const struct served_fixture *fixture = *state;
    static int fds[ATTACKERS];
    for (size_t i = 0; i < ATTACKERS; i++) {
        fds[i] = fixture_server_connect(&fixture->http);
        send_text(fds[i], drips[i % DRIPS].first);
    }
    const int64_t end_us = mr_time_monotonic_us() + PATIENT_MS * 1000LL / 2;
    while (mr_time_monotonic_us() < end_us) {
        for (size_t i = 0; i < ATTACKERS; i++)
            if (drips[i % DRIPS].byte)
                (void)!send(fds[i], drips[i % DRIPS].byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        assert_others_are_served(&fixture->http);
        wait_ms(100);
    }
    for (size_t i = 0; i < ATTACKERS; i++)
        close(fds[i]);
    assert_others_are_served(&fixture->http);
    assert_room_comes(&fixture->http, "GET /big HTTP/1.1\r\n" HOST "\r\n");
    assert_true(mr_server_drain(fixture->http.server, PATIENCE_MS));
}

/* Of whoever drips all the time, nothing is left after the time-out: nobody needs to hang up. */
static void test_dripping_ends(void **state)
{
    const struct served_fixture *fixture = *state;
    int fds[DRIPS];
    for (size_t i = 0; i < DRIPS; i++) {
        fds[i] = fixture_server_connect(&fixture->http);
        send_text(fds[i], drips[i].first);
    }
    const int64_t due_us = mr_time_monotonic_us() + 3LL * PATIENT_MS * 1000;
    for (size_t ended = 0; ended < DRIPS;) {
        assert_true(mr_time_monotonic_us() < due_us);
        wait_ms(50);
        ended = 0;
        for (size_t i = 0; i < DRIPS; i++) {
            struct pollfd over = {.fd = fds[i], .events = POLLRDHUP};
            if (drips[i].byte)
                (void)!send(fds[i], drips[i].byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
            ended += poll(&over, 1, 0) > 0;
        }
    }
    for (size_t i = 0; i < DRIPS; i++)
        close(fds[i]);
}

/* A route's class decides which threads it can take. */
static void test_classes_have_threads_of_their_own(void **state)
{
    struct served_fixture *fixture = *state;
    int fds[8];
    for (size_t i = 0; i < 8; i++) {
        fds[i] = fixture_server_connect(&fixture->http);
        send_text(fds[i], "GET /wait HTTP/1.1\r\n" HOST "\r\n");
    }
    served_app_wait(&fixture->app, &fixture->app.entered);
    assert_served(&fixture->http, "GET /vital/1 HTTP/1.1\r\n" HOST "\r\n");
    assert_served(&fixture->http, "GET /big HTTP/1.1\r\n" HOST "\r\n");
    served_app_raise(&fixture->app, &fixture->app.released);
    for (size_t i = 0; i < 8; i++) {
        MR_AUTO(answer) struct answer answer = read_answer(fds[i], false);
        assert_int_equal(answer.status, 200);
        close(fds[i]);
    }
}

static int count_refused(const int *fds, size_t count)
{
    int refused = 0;
    for (size_t i = 0; i < count; i++) {
        char head[20] = "";
        refused += recv(fds[i], head, 12, MSG_DONTWAIT | MSG_PEEK) == 12 && strcmp(head, "HTTP/1.1 503") == 0;
    }
    return refused;
}

/* Transfers that find no thread wait, and beyond that are refused at once. */
static void test_too_many_transfers_are_refused(void **state)
{
    const struct served_fixture *fixture = *state;
    enum { TRANSFERS = 20 };
    int fds[TRANSFERS], refused = 0;
    for (size_t i = 0; i < TRANSFERS; i++) {
        fds[i] = fixture_server_connect(&fixture->http);
        send_text(fds[i], "GET /big HTTP/1.1\r\n" HOST "\r\n");
    }
    assert_others_are_served(&fixture->http);
    const int64_t deadline_us = mr_time_monotonic_us() + 10 * 1000000LL;
    do
        refused = count_refused(fds, TRANSFERS);
    while (refused < TRANSFERS - 12 && mr_time_monotonic_us() < deadline_us);
    for (size_t i = 0; i < TRANSFERS; i++)
        close(fds[i]);
    assert_in_range(refused, TRANSFERS - 12, TRANSFERS - 2);
}

/* One client's transfers leave the others half of the threads, and of the places to wait for one. */
static void test_one_client_leaves_threads_to_others(void **state)
{
    const struct served_fixture *fixture = *state;
    enum { TRANSFERS = 20 };
    int fds[TRANSFERS];
    for (size_t i = 0; i < TRANSFERS; i++) {
        fds[i] = fixture_server_connect(&fixture->http);
        send_text(fds[i], "GET /big HTTP/1.1\r\n" HOST "X-Forwarded-For: 10.0.0.1\r\n\r\n");
    }
    assert_others_are_served(&fixture->http);
    for (int i = 0; i < 3; i++)
        assert_served(&fixture->http, "GET /big HTTP/1.1\r\n" HOST "X-Forwarded-For: 10.0.0.2\r\n\r\n");
    for (size_t i = 0; i < TRANSFERS; i++)
        close(fds[i]);
}

static void test_the_oldest_waiting_connection_makes_room(void **state)
{
    const struct served_fixture *fixture = *state;
    int fds[FEW], late[FEW / 2];
    for (size_t i = 0; i < FEW; i++) {
        fds[i] = fixture_server_connect(&fixture->http);
        send_text(fds[i], "GET /items/1 HTTP/1.1\r\n" HOST "\r\n");
        MR_AUTO(answer) struct answer answer = read_answer(fds[i], false);
        assert_int_equal(answer.status, 200);
    }
    for (size_t i = 0; i < FEW / 2; i++) {
        late[i] = fixture_server_connect(&fixture->http);
        send_text(late[i], "GET /items/1 HTTP/1.1\r\n" HOST "\r\n");
        MR_AUTO(answer) struct answer answer = read_answer(late[i], false);
        assert_int_equal(answer.status, 200);
        assert_true(is_at_end(fds[i]));
    }
    for (size_t i = 0; i < FEW; i++)
        close(fds[i]);
    for (size_t i = 0; i < FEW / 2; i++)
        close(late[i]);
}

/* Also those that have never sent a whole head. */
static void test_clients_that_only_wait_make_room(void **state)
{
    const struct served_fixture *fixture = *state;
    int fds[3 * FEW];
    for (size_t i = 0; i < 3 * FEW; i++) {
        fds[i] = fixture_server_connect(&fixture->http);
        send_text(fds[i], i % 2 ? drips[i % DRIPS].first : "");
    }
    assert_others_are_served(&fixture->http);
    for (size_t i = 0; i < 3 * FEW; i++)
        close(fds[i]);
}

/* An answer that nobody reads does not hold its thread. */
static void test_unread_answers_hold_no_thread(void **state)
{
    const struct served_fixture *fixture = *state;
    int fds[16];
    for (size_t i = 0; i < 16; i++) {
        fds[i] = fixture_server_connect(&fixture->http);
        for (int k = 0; k < 50; k++)
            send_text(fds[i], "GET /stack HTTP/1.1\r\n" HOST "\r\n");
    }
    assert_others_are_served(&fixture->http);
    for (size_t i = 0; i < 16; i++) {
        for (int k = 0; k < 50 && i == 0; k++) {
            MR_AUTO(answer) struct answer answer = read_answer(fds[i], false);
            assert_true(answer.whole);
            assert_int_equal(answer.body_len, 512 * 1024);
        }
        close(fds[i]);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, served_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_dripping_connections),
        TEST(test_dripping_ends),
        TEST(test_classes_have_threads_of_their_own),
        TEST(test_too_many_transfers_are_refused),
        TEST(test_unread_answers_hold_no_thread),
        cmocka_unit_test_setup_teardown(test_one_client_leaves_threads_to_others, set_up_shared,
                                        served_tear_down),
        cmocka_unit_test_setup_teardown(test_clients_that_only_wait_make_room, set_up_few, served_tear_down),
        cmocka_unit_test_setup_teardown(test_the_oldest_waiting_connection_makes_room, set_up_few,
                                        served_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
