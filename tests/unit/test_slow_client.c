#include "shared/http/slow_client.h"

#include "shared/base/clock.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/socket.h>

#include <cmocka.h>

enum { TIMEOUT_MS = 60 };

struct fixture {
    struct mr_slow_clients *guard;
    int here, there;
};

static int set_up(void **state)
{
    static struct fixture fixture;
    int pair[2];
    if (mr_slow_clients_new(TIMEOUT_MS, &fixture.guard, NULL) != MR_OK ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return -1;
    fixture.here = pair[0];
    fixture.there = pair[1];
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    mr_slow_clients_free(fixture->guard);
    close(fixture->here);
    close(fixture->there);
    return 0;
}

static void test_overdue_read_ends(void **state)
{
    struct fixture *fixture = *state;
    struct mr_watch watch;
    char byte;
    int64_t began_us = mr_time_monotonic_us();
    mr_slow_clients_begin(fixture->guard, &watch, fixture->here, SHUT_RD);
    assert_int_equal(recv(fixture->here, &byte, 1, 0), 0);
    assert_true(mr_slow_clients_end(fixture->guard, &watch));
    assert_true(mr_time_monotonic_us() - began_us >= TIMEOUT_MS * 1000);
    /* The way out is still open, for a 408. */
    assert_int_equal(send(fixture->here, "x", 1, MSG_NOSIGNAL), 1);
}

static void test_overdue_write_ends(void **state)
{
    struct fixture *fixture = *state;
    struct mr_watch watch;
    static const char data[1 << 20];
    mr_slow_clients_begin(fixture->guard, &watch, fixture->here, SHUT_RDWR);
    while (send(fixture->here, data, sizeof data, MSG_NOSIGNAL) > 0)
        ;
    assert_true(mr_slow_clients_end(fixture->guard, &watch));
}

static void test_punctual_pieces_pass(void **state)
{
    struct fixture *fixture = *state;
    char byte;
    for (int i = 0; i < 1000; i++) {
        struct mr_watch watch;
        mr_slow_clients_begin(fixture->guard, &watch, fixture->here, SHUT_RD);
        assert_int_equal(send(fixture->there, "x", 1, MSG_NOSIGNAL), 1);
        assert_int_equal(recv(fixture->here, &byte, 1, 0), 1);
        assert_false(mr_slow_clients_end(fixture->guard, &watch));
    }
}

static void test_order_of_ending_is_free(void **state)
{
    struct fixture *fixture = *state;
    static const int orders[][3] = {{0, 1, 2}, {2, 1, 0}, {1, 0, 2}, {1, 2, 0}};
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        struct mr_watch watches[3];
        for (int k = 0; k < 3; k++)
            mr_slow_clients_begin(fixture->guard, &watches[k], fixture->here, SHUT_RD);
        for (int k = 0; k < 3; k++)
            assert_false(mr_slow_clients_end(fixture->guard, &watches[orders[i][k]]));
    }
}

static void test_unknown_socket_is_not_watched(void **state)
{
    struct fixture *fixture = *state;
    struct mr_watch watch;
    mr_slow_clients_begin(fixture->guard, &watch, -1, SHUT_RD);
    assert_false(mr_slow_clients_end(fixture->guard, &watch));
}

static void *read_late(void *arg)
{
    struct fixture *fixture = arg;
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return arg;
    struct mr_watch watch;
    char byte;
    mr_slow_clients_begin(fixture->guard, &watch, pair[0], SHUT_RD);
    ssize_t n = recv(pair[0], &byte, 1, 0);
    bool overdue = mr_slow_clients_end(fixture->guard, &watch);
    close(pair[0]);
    close(pair[1]);
    return n == 0 && overdue ? NULL : arg;
}

static void test_many_at_once(void **state)
{
    pthread_t threads[16];
    for (size_t i = 0; i < 16; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_late, *state), 0);
    for (size_t i = 0; i < 16; i++) {
        void *fault = NULL;
        pthread_join(threads[i], &fault);
        assert_null(fault);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_overdue_read_ends),
        TEST(test_overdue_write_ends),
        TEST(test_punctual_pieces_pass),
        TEST(test_order_of_ending_is_free),
        TEST(test_unknown_socket_is_not_watched),
        TEST(test_many_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
