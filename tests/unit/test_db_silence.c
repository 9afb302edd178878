/* A database that does not answer: a relay in front of PostgreSQL stops to forward. No call waits without end. */
#include "shared/base/clock.h"
#include "shared/data/db_copy.h"
#include "shared/data/db_listen.h"
#include "tests/unit/fixture_db.h"
#include "tests/unit/relay.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

enum { SHORT_MS = 300, SOON_MS = 5000, PATIENCE_MS = 20000, CALLS_OF_A_SWEEP = 12 };

static const struct mr_statement one = {"silence_one", "SELECT 1 AS answer", 0};

static struct relay *relay;
static char *through_relay;

static int setup(void **state)
{
    fixture_db_setup(state);
    relay = relay_start();
    through_relay = relay_conninfo(relay, test_conninfo);
    return 0;
}

static int teardown(void **state)
{
    relay_stop(relay);
    free(through_relay);
    return fixture_db_teardown(state);
}

static int speak(void **state)
{
    (void)state;
    relay_silence(relay, false);
    return 0;
}

static struct mr_db *open_pool(int size)
{
    struct mr_db *db = NULL;
    struct mr_err err = {0};
    assert_int_equal(mr_db_open(through_relay, size, &db, &err), MR_OK);
    return db;
}

static void assert_soon(int64_t since_us, int at_most_ms)
{
    assert_in_range(mr_time_monotonic_us() - since_us, 0, at_most_ms * INT64_C(1000));
}

static enum mr_status ask(struct mr_db *db, int timeout_ms, struct mr_err *err)
{
    return mr_db_exec_within(db, timeout_ms, &one, NULL, NULL, err);
}

static void an_answer_that_does_not_come_is_unavailable(void **state)
{
    (void)state;
    struct mr_db *db = open_pool(1);
    struct mr_err err = {0};
    for (int connected = 0; connected < 2; connected++) {
        relay_silence(relay, true);
        int64_t began_us = mr_time_monotonic_us();
        assert_int_equal(ask(db, SHORT_MS, &err), MR_UNAVAILABLE);
        assert_int_equal(err.status, MR_UNAVAILABLE);
        assert_non_null(strstr(err.message, "database: the answer did not come in time"));
        assert_soon(began_us, SOON_MS);
        relay_silence(relay, false);
        assert_int_equal(ask(db, PATIENCE_MS, &err), MR_OK);
    }
    mr_db_close(db);
}

/* Large parameters fill the way to the server, so that the sending waits. */
static void a_statement_that_cannot_be_sent_is_unavailable(void **state)
{
    (void)state;
    enum { SIZE = 16 << 20 };
    static const struct mr_statement take = {"silence_take", "SELECT length($1)", 1};
    struct mr_db *db = open_pool(1);
    struct mr_err err = {0};
    char *large = malloc(SIZE + 1);
    assert_non_null(large);
    memset(large, 'x', SIZE);
    large[SIZE] = '\0';
    assert_int_equal(mr_db_exec(db, &take, (const char *const[]){large}, NULL, &err), MR_OK);
    relay_silence(relay, true);
    assert_int_equal(mr_db_exec_within(db, SHORT_MS, &take, (const char *const[]){large}, NULL, &err),
                     MR_UNAVAILABLE);
    free(large);
    mr_db_close(db);
}

/* Connections that a router forgot: after the first of them the others are not even tried. */
static void the_pool_distrusts_its_other_connections(void **state)
{
    (void)state;
    struct mr_db *db = open_pool(3);
    struct mr_err err = {0};
    struct mr_db_tx *tx[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(mr_db_begin(db, &tx[i], &err), MR_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(mr_db_commit(&tx[i], &err), MR_OK);
    relay_forget(relay);
    assert_int_equal(ask(db, SHORT_MS, &err), MR_UNAVAILABLE);
    for (int i = 0; i < 3; i++)
        assert_int_equal(mr_db_begin(db, &tx[i], &err), MR_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(mr_db_commit(&tx[i], &err), MR_OK);
    mr_db_close(db);
}

struct asking {
    struct mr_db *db;
    enum mr_status status;
};

static void *ask_long(void *arg)
{
    struct asking *asking = arg;
    asking->status = mr_db_exec(asking->db, &one, NULL, NULL, NULL);
    return NULL;
}

/* One that waits for an answer, one that waits for the connection, and a series that comes later. */
static void a_program_that_stops_waits_no_longer(void **state)
{
    (void)state;
    struct mr_db *db = open_pool(1);
    struct mr_err err = {0};
    assert_int_equal(ask(db, PATIENCE_MS, &err), MR_OK);
    relay_silence(relay, true);
    struct asking asking[2] = {{.db = db}, {.db = db}};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_long, &asking[i]), 0);
    int64_t began_us = mr_time_monotonic_us();
    mr_db_hurry(db);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        assert_true(asking[i].status == MR_UNAVAILABLE || asking[i].status == MR_EXHAUSTED);
    }
    for (int i = 0; i < CALLS_OF_A_SWEEP; i++)
        assert_int_equal(mr_db_exec(db, &one, NULL, NULL, &err), MR_UNAVAILABLE);
    assert_soon(began_us, 2 * SOON_MS);
    relay_silence(relay, false);
    began_us = mr_time_monotonic_us();
    while (mr_db_exec(db, &one, NULL, NULL, &err) != MR_OK)
        assert_soon(began_us, SOON_MS); /* the relay takes the connections of before one by one */
    mr_db_close(db);
}

static void transactions_and_copies_end_as_well(void **state)
{
    (void)state;
    static char part[1 << 20];
    struct mr_err err = {0};
    memset(part, 'x', sizeof part);
    for (int copying = 0; copying < 2; copying++) {
        struct mr_db *db = open_pool(1);
        struct mr_db_tx *tx = NULL;
        assert_int_equal(mr_db_begin(db, &tx, &err), MR_OK);
        if (copying)
            assert_int_equal(mr_db_tx_copy_begin(tx, "COPY stray_objects FROM STDIN", &err), MR_OK);
        relay_silence(relay, true);
        mr_db_hurry(db);
        int64_t began_us = mr_time_monotonic_us();
        enum mr_status status = MR_OK;
        if (!copying)
            status = mr_db_tx_exec(tx, &one, NULL, NULL, &err);
        for (int i = 0; copying && status == MR_OK && i < 64; i++)
            status = mr_db_tx_copy_write(tx, part, sizeof part, &err);
        assert_int_equal(status, MR_UNAVAILABLE);
        assert_int_equal(mr_db_commit(&tx, &err), MR_UNAVAILABLE);
        assert_soon(began_us, SOON_MS);
        relay_silence(relay, false);
        mr_db_close(db);
    }
}

static void a_rollback_does_not_wait(void **state)
{
    (void)state;
    struct mr_db *db = open_pool(1);
    struct mr_err err = {0};
    struct mr_db_tx *tx = NULL;
    assert_int_equal(mr_db_begin(db, &tx, &err), MR_OK);
    relay_silence(relay, true);
    mr_db_hurry(db);
    int64_t began_us = mr_time_monotonic_us();
    mr_db_rollback(tx);
    assert_soon(began_us, SOON_MS);
    mr_db_close(db);
}

static void a_listener_asks_for_a_sign_of_life(void **state)
{
    (void)state;
    struct mr_db_listener *listener = NULL;
    struct mr_err err = {0};
    char payload[MR_DB_PAYLOAD_MAX];
    bool any = false;
    assert_int_equal(mr_db_listen(through_relay, "life", PATIENCE_MS, -1, &listener, &err), MR_OK);
    MR_AUTO_STR char *sent = fixture_db_ask(test_db, "SELECT pg_notify('life', 'kept')::text AS answer");
    assert_int_equal(mr_db_listener_check(listener, PATIENCE_MS, -1, &err), MR_OK);
    assert_int_equal(mr_db_listener_next(listener, &any, payload, &err), MR_OK);
    assert_true(any); /* it came with the answer or before */
    assert_string_equal(payload, "kept");
    relay_silence(relay, true);
    assert_int_equal(mr_db_listener_check(listener, SHORT_MS, -1, &err), MR_TIMEOUT);
    mr_db_listener_free(listener);
    assert_int_equal(mr_db_listen(through_relay, "life", SHORT_MS, -1, &listener, &err), MR_TIMEOUT);
}

/* Cut, not silent: what was sent may have been carried out, so it is not repeated, and the next gets a new one. */
static void a_connection_that_is_cut_is_replaced(void **state)
{
    (void)state;
    struct mr_db *db = open_pool(2);
    struct mr_err err = {0};
    assert_int_equal(ask(db, PATIENCE_MS, &err), MR_OK);
    relay_silence(relay, true);
    struct asking asking = {.db = db};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, ask_long, &asking), 0);
    poll(NULL, 0, 50); /* most likely it waits by now; if it does not yet, it finds the connection closed */
    relay_cut(relay);
    relay_silence(relay, false);
    pthread_join(thread, NULL);
    assert_true(asking.status == MR_UNAVAILABLE || asking.status == MR_OK);
    assert_int_equal(ask(db, PATIENCE_MS, &err), MR_OK);
    mr_db_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(an_answer_that_does_not_come_is_unavailable, speak),
        cmocka_unit_test_teardown(a_statement_that_cannot_be_sent_is_unavailable, speak),
        cmocka_unit_test_teardown(the_pool_distrusts_its_other_connections, speak),
        cmocka_unit_test_teardown(a_program_that_stops_waits_no_longer, speak),
        cmocka_unit_test_teardown(transactions_and_copies_end_as_well, speak),
        cmocka_unit_test_teardown(a_rollback_does_not_wait, speak),
        cmocka_unit_test_teardown(a_listener_asks_for_a_sign_of_life, speak),
        cmocka_unit_test_teardown(a_connection_that_is_cut_is_replaced, speak),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
