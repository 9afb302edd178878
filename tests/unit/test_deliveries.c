/* Deliveries: owed by the trigger, claimed once, fenced, tried again; against a real PostgreSQL. */
#include "shared/base/encoding.h"
#include "shared/base/random.h"
#include "shared/data/deliveries.h"
#include "tests/unit/fixture_db.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

enum { ATTEMPTS = 8, LEASE = 60, DUE_MAX = 500, THREADS = 8 };

static char *ask(const struct mr_statement *statement, int64_t id)
{
    char number[MR_INT64_TEXT_MAX];
    mr_int64_text(id, number);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    struct mr_err err = {0};
    if (mr_db_exec(test_db, statement, (const char *const[]){number}, &rows, &err) != MR_OK)
        fail_msg("%s: %s", statement->sql, err.message);
    return strdup(mr_rows_count(rows) ? mr_rows_text(rows, 0, "answer") : "");
}
#define TEXT_(x) #x
#define TEXT(x)  TEXT_(x)
/* The first row's "answer" to SQL about $1, malloc'ed. */
#define ASK(sql, id)                                                                                         \
    __extension__({                                                                                          \
        static const struct mr_statement asked = {"asked_" TEXT(__LINE__), sql, 1};                          \
        ask(&asked, id);                                                                                     \
    })
#define RUN(sql, id) free(ASK(sql, id))
#define ASSERT_ANSWER(sql, id, expected)                                                                     \
    do {                                                                                                     \
        MR_AUTO_STR char *answer = ASK(sql, id);                                                             \
        assert_string_equal(answer, expected);                                                               \
    } while (0)

static int64_t number_of(char *text)
{
    int64_t number = 0;
    assert_true(mr_parse_int64(text, 1, INT64_MAX, &number));
    free(text);
    return number;
}

/* A task that owes a webhook and a mail, processed. */
static int64_t ended_task(void)
{
    int64_t id = number_of(ASK("INSERT INTO tasks (file_id, user_id, callback_url, notify_mail, traceparent)"
                               " VALUES (gen_random_uuid(), $1::bigint, 'https://example.com/hook', true,"
                               " '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01')"
                               " RETURNING id AS answer",
                               test_owner));
    RUN("UPDATE tasks SET status = 'processing', lease_expires_at = now() WHERE id = $1::bigint", id);
    RUN("UPDATE tasks SET status = 'processed', lease_expires_at = NULL WHERE id = $1::bigint", id);
    return id;
}

static int64_t webhook_of(int64_t task)
{
    return number_of(
        ASK("SELECT id AS answer FROM deliveries WHERE task_id = $1::bigint AND channel = 'webhook'", task));
}

static enum mr_delivery_claim claim_it(int64_t id, struct mr_delivery *ret)
{
    enum mr_delivery_claim claim = MR_DELIVERY_NOT_DUE;
    struct mr_err err = {0};
    assert_int_equal(mr_delivery_claim(test_db, id, LEASE, ATTEMPTS, &claim, ret, &err), MR_OK);
    return claim;
}

static bool finish(const struct mr_delivery *delivery, enum mr_delivery_end end, int64_t wait_s)
{
    bool ours = false;
    struct mr_err err = {0};
    const char *error = end == MR_DELIVERY_SENT ? NULL : "the receiver answered 500";
    assert_int_equal(mr_delivery_finish(test_db, delivery, end, wait_s, error, &ours, &err), MR_OK);
    return ours;
}

#define STATUS "SELECT status AS answer FROM deliveries WHERE id = $1::bigint"

static bool is_due(int64_t id)
{
    struct mr_message due[DUE_MAX];
    size_t count = 0;
    struct mr_err err = {0};
    assert_int_equal(mr_deliveries_due(test_db, 600, due, DUE_MAX, &count, &err), MR_OK);
    assert_true(count < DUE_MAX);
    for (size_t i = 0; i < count; i++)
        if (due[i].id == id)
            return true;
    return false;
}

static void an_end_owes_what_was_asked_for(void **state)
{
    (void)state;
    static const struct {
        const char *callback, *mail, *end, *owed;
    } table[] = {
        {"https://example.com/h", "true", "processed",
         "mail owner@example.com, webhook https://example.com/h"},
        {"https://example.com/h", "true", "failed", "webhook https://example.com/h"},
        {"https://example.com/h", "false", "processed", "webhook https://example.com/h"},
        {NULL, "true", "processed", "mail owner@example.com"},
        {NULL, "true", "failed", ""},
        {NULL, "false", "processed", ""},
        {"https://example.com/h", "true", "canceled", ""},
    };
    static const struct mr_statement make = {
        "make",
        "INSERT INTO tasks (file_id, user_id, callback_url, notify_mail) SELECT gen_random_uuid(), id,"
        " $1, $2::boolean FROM users WHERE username = 'owner' RETURNING id",
        2};
    static const struct mr_statement end = {
        "end",
        "UPDATE tasks SET status = $2, lease_expires_at = NULL,"
        " error_code = CASE $2 WHEN 'failed' THEN 'x' END WHERE id = $1::bigint",
        2};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        MR_AUTO(mr_rows) struct mr_rows *made = NULL;
        struct mr_err err = {0};
        const char *const draft[] = {table[i].callback, table[i].mail};
        assert_int_equal(mr_db_exec(test_db, &make, draft, &made, &err), MR_OK);
        int64_t id = mr_rows_int64(made, 0, "id");
        RUN("UPDATE tasks SET status = 'processing', lease_expires_at = now() WHERE id = $1::bigint", id);
        const char *const change[] = {mr_rows_text(made, 0, "id"), table[i].end};
        assert_int_equal(mr_db_exec(test_db, &end, change, NULL, &err), MR_OK);
        ASSERT_ANSWER(
            "SELECT coalesce(string_agg(channel || ' ' || target, ', ' ORDER BY channel), '') AS answer"
            " FROM deliveries WHERE task_id = $1::bigint",
            id, table[i].owed);
    }
}

static void a_task_that_ends_publishes_what_it_owes(void **state)
{
    (void)state;
    int64_t task = ended_task();
    struct mr_message owed[MR_DELIVERIES_OF_TASK];
    size_t count = 0;
    struct mr_err err = {0};
    assert_int_equal(mr_deliveries_of_task(test_db, task, owed, &count, &err), MR_OK);
    assert_int_equal(count, 2);
    assert_string_equal(owed[0].kind, MR_KIND_DELIVER);
    assert_int_equal(owed[0].task_id, task);
    assert_int_equal(owed[0].generation, 1);
    assert_string_equal(owed[0].traceparent, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    assert_int_equal(mr_deliveries_mark(test_db, owed, count, &err), MR_OK);
    assert_int_equal(mr_deliveries_of_task(test_db, task, owed, &count, &err), MR_OK);
    assert_int_equal(count, 0);
}

static void a_claim_is_ours_once(void **state)
{
    (void)state;
    int64_t task = ended_task(), id = webhook_of(task);
    MR_AUTO(mr_delivery) struct mr_delivery ours = {0};
    struct mr_delivery none = {0};
    assert_int_equal(claim_it(id, &ours), MR_DELIVERY_OURS);
    assert_int_equal(ours.id, id);
    assert_int_equal(ours.task_id, task);
    assert_int_equal(ours.user_id, test_owner);
    assert_int_equal(ours.attempts, 1);
    assert_int_equal(ours.channel, MR_CHANNEL_WEBHOOK);
    assert_string_equal(ours.target, "https://example.com/hook");
    assert_int_equal(strlen(ours.webhook_secret), 64);
    assert_true(mr_uuid_is_valid(ours.public_id));
    assert_int_equal(claim_it(id, &none), MR_DELIVERY_NOT_DUE);
    assert_int_equal(claim_it(987654321, &none), MR_DELIVERY_NOT_DUE);
    assert_true(finish(&ours, MR_DELIVERY_SENT, 0));
    assert_true(finish(&ours, MR_DELIVERY_SENT, 0)); /* the answer to the first was lost */
    assert_int_equal(claim_it(id, &none), MR_DELIVERY_NOT_DUE);
    ASSERT_ANSWER("SELECT status || (sent_at IS NOT NULL) AS answer FROM deliveries WHERE id = $1::bigint",
                  id, "senttrue");
    assert_false(is_due(id));
}

struct claimer {
    int64_t id;
    enum mr_delivery_claim claim;
};

static void *claim_in_thread(void *arg)
{
    struct claimer *claimer = arg;
    MR_AUTO(mr_delivery) struct mr_delivery delivery = {0};
    claimer->claim = claim_it(claimer->id, &delivery);
    return NULL;
}

static void of_many_at_once_one_gets_it(void **state)
{
    (void)state;
    struct claimer claimers[THREADS];
    pthread_t threads[THREADS];
    int64_t id = webhook_of(ended_task());
    for (size_t i = 0; i < THREADS; i++) {
        claimers[i] = (struct claimer){.id = id};
        assert_int_equal(pthread_create(&threads[i], NULL, claim_in_thread, &claimers[i]), 0);
    }
    int ours = 0;
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        ours += claimers[i].claim == MR_DELIVERY_OURS;
    }
    assert_int_equal(ours, 1);
}

static void whoever_lost_the_lease_writes_nothing(void **state)
{
    (void)state;
    int64_t id = webhook_of(ended_task());
    MR_AUTO(mr_delivery) struct mr_delivery late = {0};
    MR_AUTO(mr_delivery) struct mr_delivery next = {0};
    assert_int_equal(claim_it(id, &late), MR_DELIVERY_OURS);
    RUN("UPDATE deliveries SET lease_expires_at = now() - interval '1 s' WHERE id = $1::bigint", id);
    assert_true(is_due(id));
    assert_int_equal(claim_it(id, &next), MR_DELIVERY_OURS);
    assert_int_equal(next.attempts, 2);
    assert_string_equal(next.public_id, late.public_id);
    assert_false(is_due(id));
    assert_false(finish(&late, MR_DELIVERY_SENT, 0));
    ASSERT_ANSWER(STATUS, id, "sending");
    assert_true(finish(&next, MR_DELIVERY_SENT, 0));
    assert_false(finish(&late, MR_DELIVERY_SENT, 0));
}

static void a_retry_waits_for_its_time(void **state)
{
    (void)state;
    int64_t id = webhook_of(ended_task());
    struct mr_delivery none = {0};
    for (int attempt = 1; attempt <= 3; attempt++) {
        MR_AUTO(mr_delivery) struct mr_delivery ours = {0};
        assert_int_equal(claim_it(id, &ours), MR_DELIVERY_OURS);
        assert_int_equal(ours.attempts, attempt);
        assert_true(finish(&ours, MR_DELIVERY_RETRY, 30));
        ASSERT_ANSWER("SELECT status || ' ' || error AS answer FROM deliveries WHERE id = $1::bigint", id,
                      "pending the receiver answered 500");
        assert_int_equal(claim_it(id, &none), MR_DELIVERY_NOT_DUE);
        RUN("UPDATE deliveries SET next_attempt_at = now() WHERE id = $1::bigint", id);
    }
    MR_AUTO(mr_delivery) struct mr_delivery last = {0};
    assert_int_equal(claim_it(id, &last), MR_DELIVERY_OURS);
    assert_true(finish(&last, MR_DELIVERY_FAILED, 0));
    ASSERT_ANSWER(STATUS, id, "failed");
    assert_false(is_due(id));
}

static void what_is_postponed_counts_no_attempt(void **state)
{
    (void)state;
    int64_t id = webhook_of(ended_task());
    MR_AUTO(mr_delivery) struct mr_delivery ours = {0};
    assert_int_equal(claim_it(id, &ours), MR_DELIVERY_OURS);
    assert_true(finish(&ours, MR_DELIVERY_POSTPONED, 10));
    assert_true(finish(&ours, MR_DELIVERY_POSTPONED, 10)); /* the answer to the first was lost */
    ASSERT_ANSWER("SELECT status || ' ' || attempts || (next_attempt_at > now()) AS answer FROM deliveries"
                  " WHERE id = $1::bigint",
                  id, "pending 0true");
}

static void attempts_of_workers_that_died_are_used_up(void **state)
{
    (void)state;
    int64_t id = webhook_of(ended_task());
    struct mr_delivery none = {0};
    RUN("UPDATE deliveries SET status = 'sending', attempts = 8, lease_expires_at = now() - interval '1 s'"
        " WHERE id = $1::bigint",
        id);
    assert_int_equal(claim_it(id, &none), MR_DELIVERY_EXHAUSTED);
    ASSERT_ANSWER("SELECT status || ' ' || attempts || ' ' || error AS answer FROM deliveries"
                  " WHERE id = $1::bigint",
                  id, "failed 8 no attempt ended");
    assert_int_equal(claim_it(id, &none), MR_DELIVERY_NOT_DUE);
}

static void a_task_ordered_anew_skips_the_old_delivery(void **state)
{
    (void)state;
    int64_t task = ended_task(), id = webhook_of(task);
    struct mr_delivery none = {0};
    RUN("UPDATE tasks SET status = 'uploaded', generation = generation + 1 WHERE id = $1::bigint", task);
    assert_int_equal(claim_it(id, &none), MR_DELIVERY_OUTDATED);
    ASSERT_ANSWER(STATUS, id, "skipped");
    assert_int_equal(claim_it(id, &none), MR_DELIVERY_NOT_DUE);
}

static void a_deleted_task_owes_nothing(void **state)
{
    (void)state;
    int64_t task = ended_task(), id = webhook_of(task);
    MR_AUTO(mr_delivery) struct mr_delivery ours = {0};
    struct mr_delivery none = {0};
    assert_int_equal(claim_it(id, &ours), MR_DELIVERY_OURS);
    RUN("DELETE FROM tasks WHERE id = $1::bigint", task);
    assert_false(finish(&ours, MR_DELIVERY_SENT, 0));
    assert_int_equal(claim_it(id, &none), MR_DELIVERY_NOT_DUE);
}

static void what_is_due(void **state)
{
    (void)state;
    static const struct {
        const char *change;
        bool due;
    } table[] = {
        {"published_at = NULL", false},
        {"published_at = NULL, created_at = now() - interval '6 s'", true},
        {"published_at = NULL, created_at = now() - interval '6 s', next_attempt_at = now() + interval '9 s'",
         false},
        {"published_at = now()", false},
        {"published_at = now() - interval '601 s', next_attempt_at = now() - interval '700 s'", true},
        {"published_at = now() - interval '11 s', next_attempt_at = now() - interval '1 s'", true},
        {"published_at = now(), next_attempt_at = now() + interval '1 s'", false},
        {"status = 'sending', lease_expires_at = now() + interval '9 s', published_at = now() - interval '1 "
         "h'",
         false},
        {"status = 'sending', lease_expires_at = now() - interval '1 s', published_at = now() - interval '9 "
         "s'",
         true},
        {"status = 'sending', lease_expires_at = now() - interval '1 s', published_at = NULL", true},
        {"status = 'sending', lease_expires_at = now() - interval '9 s', published_at = now()", false},
        {"status = 'sent', published_at = now() - interval '1 day'", false},
        {"status = 'skipped', created_at = now() - interval '1 day'", false},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char sql[300];
        int64_t id = webhook_of(ended_task());
        snprintf(sql, sizeof sql, "UPDATE deliveries SET %s WHERE id = %lld RETURNING 1 AS answer",
                 table[i].change, (long long)id);
        MR_AUTO_STR char *done = fixture_db_ask(test_db, sql);
        assert_string_equal(done, "1");
        if (is_due(id) != table[i].due)
            fail_msg("%s: due should be %d", table[i].change, table[i].due);
    }
}

static void waits_grow_to_three_hours(void **state)
{
    (void)state;
    static const struct {
        int64_t attempts, wait;
    } table[] = {{1, 10},   {2, 30},    {3, 60},    {4, 300},    {5, 900},
                 {6, 3600}, {7, 10800}, {8, 10800}, {99, 10800}, {0, 10}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        int64_t low = INT64_MAX, high = 0;
        for (int n = 0; n < 200; n++) {
            int64_t wait = mr_delivery_backoff_s(table[i].attempts);
            low = wait < low ? wait : low;
            high = wait > high ? wait : high;
        }
        assert_in_range(low, table[i].wait - table[i].wait / 5, table[i].wait);
        assert_in_range(high, table[i].wait, table[i].wait + table[i].wait / 5);
        assert_true(low < high);
    }
}

static void a_database_that_is_down_is_said(void **state)
{
    (void)state;
    struct mr_db *nowhere = NULL;
    enum mr_delivery_claim claim = MR_DELIVERY_NOT_DUE;
    struct mr_delivery delivery = {0};
    struct mr_err err = {0};
    assert_int_equal(mr_db_open("host=/nonexistent dbname=x user=x", 1, &nowhere, &err), MR_OK);
    assert_int_equal(mr_delivery_claim(nowhere, 1, LEASE, ATTEMPTS, &claim, &delivery, &err), MR_UNAVAILABLE);
    mr_db_close(nowhere);
}

static int set_up(void **state)
{
    fixture_db_setup_users(state);
    RUN("UPDATE users SET email_confirmed_at = now() WHERE id = $1::bigint", test_owner);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_end_owes_what_was_asked_for),
        cmocka_unit_test(a_task_that_ends_publishes_what_it_owes),
        cmocka_unit_test(a_claim_is_ours_once),
        cmocka_unit_test(of_many_at_once_one_gets_it),
        cmocka_unit_test(whoever_lost_the_lease_writes_nothing),
        cmocka_unit_test(a_retry_waits_for_its_time),
        cmocka_unit_test(what_is_postponed_counts_no_attempt),
        cmocka_unit_test(attempts_of_workers_that_died_are_used_up),
        cmocka_unit_test(a_task_ordered_anew_skips_the_old_delivery),
        cmocka_unit_test(a_deleted_task_owes_nothing),
        cmocka_unit_test(what_is_due),
        cmocka_unit_test(waits_grow_to_three_hours),
        cmocka_unit_test(a_database_that_is_down_is_said),
    };
    return cmocka_run_group_tests(tests, set_up, fixture_db_teardown);
}
