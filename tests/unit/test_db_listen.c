/* The listening connection, against a real PostgreSQL and against servers that are none. */
#include "shared/data/db_listen.h"

#include "shared/base/encoding.h"
#include "tests/unit/fixture_db.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cmocka.h>

enum { PATIENCE_MS = 30000 };

static struct mr_db_listener *listen_to(const char *channel)
{
    struct mr_err err = {0};
    struct mr_db_listener *listener = NULL;
    if (mr_db_listen(test_conninfo, channel, PATIENCE_MS, -1, &listener, &err) != MR_OK)
        fail_msg("%s", err.message);
    return listener;
}

static void notify(const char *channel, const char *payload)
{
    static const struct mr_statement s = {"notify", "SELECT pg_notify($1, $2)", 2};
    struct mr_err err = {0};
    assert_int_equal(mr_db_exec(test_db, &s, (const char *const[]){channel, payload}, NULL, &err), MR_OK);
}

/* The next payload, waited for as the hub does. */
static enum mr_status take(struct mr_db_listener *listener, char payload[MR_DB_PAYLOAD_MAX])
{
    struct mr_err err = {0};
    bool any = false;
    enum mr_status status = mr_db_listener_next(listener, &any, payload, &err);
    while (status == MR_OK && !any) {
        struct pollfd ready = {.fd = mr_db_listener_fd(listener), .events = POLLIN};
        assert_int_equal(poll(&ready, 1, PATIENCE_MS), 1);
        status = mr_db_listener_next(listener, &any, payload, &err);
    }
    return status;
}

static void payloads_come_in_order(void **state)
{
    (void)state;
    char payload[MR_DB_PAYLOAD_MAX], text[MR_INT64_TEXT_MAX];
    MR_AUTO(mr_db_listener) struct mr_db_listener *listener = listen_to("Odd \"channel\"");
    for (int64_t i = 0; i < 300; i++) {
        mr_int64_text(i, text);
        notify("elsewhere", text);
        notify("Odd \"channel\"", text);
    }
    for (int64_t i = 0; i < 300; i++) {
        mr_int64_text(i, text);
        assert_int_equal(take(listener, payload), MR_OK);
        assert_string_equal(payload, text);
    }
}

static void nothing_is_no_failure(void **state)
{
    (void)state;
    char payload[MR_DB_PAYLOAD_MAX];
    bool any = true;
    struct mr_err err = {0};
    MR_AUTO(mr_db_listener) struct mr_db_listener *listener = listen_to("quiet");
    assert_int_equal(mr_db_listener_next(listener, &any, payload, &err), MR_OK);
    assert_false(any);
}

static void the_longest_payload_fits(void **state)
{
    (void)state;
    char payload[MR_DB_PAYLOAD_MAX], longest[MR_DB_PAYLOAD_MAX];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    MR_AUTO(mr_db_listener) struct mr_db_listener *listener = listen_to("long");
    notify("long", longest);
    assert_int_equal(take(listener, payload), MR_OK);
    assert_string_equal(payload, longest);
}

static void a_broken_connection_is_told(void **state)
{
    (void)state;
    char payload[MR_DB_PAYLOAD_MAX];
    MR_AUTO(mr_db_listener) struct mr_db_listener *listener = listen_to("broken");
    notify("broken", "last words");
    assert_int_equal(take(listener, payload), MR_OK);
    assert_string_equal(payload, "last words");
    MR_AUTO_STR char *count =
        fixture_db_ask(test_db, "SELECT count(pg_terminate_backend(pid)) AS answer FROM pg_stat_activity"
                                " WHERE datname = current_database() AND application_name = 'broken'");
    assert_string_equal(count, "1");
    assert_int_equal(take(listener, payload), MR_UNAVAILABLE);
}

/* A TCP port where somebody takes connections and never says a word. */
static int silent_server(char *text, size_t size)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    snprintf(text, size, "host=127.0.0.1 port=%d user=u dbname=d sslmode=disable", ntohs(address.sin_port));
    return fd;
}

static void *cancel_soon(void *arg)
{
    uint64_t one = 1;
    poll(NULL, 0, 50); /* most likely it waits by now; if it does not yet, the outcome is the same */
    assert_int_equal(write(*(int *)arg, &one, sizeof one), sizeof one);
    return NULL;
}

static void failures_to_connect(void **state)
{
    (void)state;
    struct mr_err err = {0};
    struct mr_db_listener *listener = NULL;
    char silent[100];
    int server = silent_server(silent, sizeof silent);
    MR_AUTO_FD int cancel = eventfd(0, EFD_CLOEXEC);
    assert_int_equal(mr_db_listen("host=/nowhere", "c", PATIENCE_MS, -1, &listener, &err), MR_UNAVAILABLE);
    assert_non_null(strstr(err.message, "database: "));
    assert_int_equal(mr_db_listen("no conninfo", "c", PATIENCE_MS, -1, &listener, &err), MR_UNAVAILABLE);
    assert_int_equal(mr_db_listen(silent, "c", 30, -1, &listener, &err), MR_TIMEOUT);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &cancel), 0);
    assert_int_equal(mr_db_listen(silent, "c", PATIENCE_MS, cancel, &listener, &err), MR_CANCELED);
    pthread_join(thread, NULL);
    close(server);
    char name[300];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(mr_db_listen(test_conninfo, name, PATIENCE_MS, -1, &listener, &err), MR_INVALID);
    assert_null(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(payloads_come_in_order),   cmocka_unit_test(nothing_is_no_failure),
        cmocka_unit_test(the_longest_payload_fits), cmocka_unit_test(a_broken_connection_is_told),
        cmocka_unit_test(failures_to_connect),
    };
    return cmocka_run_group_tests(tests, fixture_db_setup, fixture_db_teardown);
}
