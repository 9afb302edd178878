/* Pings against a real PostgreSQL: shared for a second, answered once, forgotten, expired. */
#include "shared/data/pings.h"
#include "shared/data/publisher.h"
#include "shared/data/readiness.h"
#include "tests/unit/fixture_db.h"
#include "worker/job.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Makes all pings so much older. */
static void age(const char *interval)
{
    static const struct mr_statement statement = {
        "test_age", "UPDATE pings SET sent_at = sent_at - $1::interval, pong_at = pong_at - $1::interval", 1};
    struct mr_err err = {0};
    assert_int_equal(mr_db_exec(test_db, &statement, &interval, NULL, &err), MR_OK);
}

static void clear(void)
{
    static const struct mr_statement statement = {"test_clear_pings", "DELETE FROM pings", 0};
    struct mr_err err = {0};
    assert_int_equal(mr_db_exec(test_db, &statement, NULL, NULL, &err), MR_OK);
}

static struct mr_ping begin(bool *made)
{
    struct mr_ping ping;
    struct mr_err err = {0};
    assert_int_equal(mr_ping_begin(test_db, &ping, made, &err), MR_OK);
    return ping;
}

static void a_ping_is_shared_for_a_second(void **state)
{
    (void)state;
    bool made = false;
    clear();
    struct mr_ping first = begin(&made);
    assert_true(made);
    assert_true(first.id > 0 && first.ms == -1 && first.sent_at[0] && !first.pong_at[0]);
    struct mr_ping second = begin(&made);
    assert_false(made);
    assert_int_equal(second.id, first.id);
    assert_string_equal(second.sent_at, first.sent_at);
    age("2 s");
    struct mr_ping third = begin(&made);
    assert_true(made);
    assert_int_not_equal(third.id, first.id);
}

static void its_message_goes_the_high_lane(void **state)
{
    (void)state;
    const struct mr_ping ping = {.id = 7};
    const struct mr_message message = mr_ping_message(&ping);
    assert_string_equal(message.kind, MR_KIND_PING);
    assert_int_equal(message.id, 7);
    assert_int_equal(message.task_id, 0);
    assert_int_equal(mr_lane_of(&message), MR_LANE_HIGH);
}

static void it_is_answered_once(void **state)
{
    (void)state;
    bool made = false;
    int64_t ms = -1;
    struct mr_err err = {0};
    clear();
    struct mr_ping ping = begin(&made), seen;
    assert_int_equal(mr_ping_answer(test_db, ping.id, &ms, &err), MR_OK);
    assert_true(ms >= 0);
    assert_int_equal(mr_ping_get(test_db, ping.id, &seen, &err), MR_OK);
    assert_int_equal(seen.ms, ms);
    assert_true(strcmp(seen.pong_at, seen.sent_at) >= 0);
    assert_int_equal(mr_ping_answer(test_db, ping.id, &ms, &err), MR_OK);
    assert_int_equal(ms, -1);
    assert_int_equal(mr_ping_answer(test_db, INT64_C(1) << 40, &ms, &err), MR_OK);
    assert_int_equal(ms, -1);
}

static void a_forgotten_one_makes_room(void **state)
{
    (void)state;
    bool made = false;
    struct mr_err err = {0};
    clear();
    struct mr_ping ping = begin(&made), seen;
    assert_int_equal(mr_ping_forget(test_db, ping.id, &err), MR_OK);
    assert_int_equal(mr_ping_get(test_db, ping.id, &seen, &err), MR_NOT_FOUND);
    struct mr_ping next = begin(&made);
    assert_true(made);
    assert_int_not_equal(next.id, ping.id);
}

enum { THREADS = 4 };

static void *ping_once(void *arg)
{
    bool *made = arg;
    begin(made);
    return NULL;
}

/* Of all who ask at once few make one: no more than there are seconds. */
static void few_are_made_at_once(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    bool made[THREADS] = {false};
    int count = 0;
    clear();
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ping_once, &made[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        count += made[i];
    }
    assert_true(count == 1 || count == 2);
}

static void old_ones_expire(void **state)
{
    (void)state;
    bool made = false;
    int64_t count = 0;
    struct mr_err err = {0};
    clear();
    begin(&made);
    age("2 hours");
    struct mr_ping fresh = begin(&made), seen;
    assert_int_equal(mr_pings_expire(test_db, &count, &err), MR_OK);
    assert_true(count > 0);
    assert_int_equal(mr_ping_get(test_db, fresh.id, &seen, &err), MR_OK);
    assert_int_equal(mr_pings_expire(test_db, &count, &err), MR_OK);
    assert_int_equal(count, 0);
}

/* Runs SQL that returns nothing. */
static void run(const char *sql)
{
    free(fixture_db_ask(test_db, sql));
}

static enum mr_job_end answer(int64_t id)
{
    struct mr_log quiet = mr_log_init("test", MR_LOG_CRITICAL);
    struct mr_worker worker = {.db = test_db, .log = &quiet};
    const struct mr_message message = {.kind = MR_KIND_PING, .id = id};
    return mr_ping_run(&worker, &message, &quiet, NULL);
}

/* The database answers, but the claim does not fit the schema: the health check must not see a pong. */
static void a_worker_that_cannot_run_tasks_is_silent(void **state)
{
    (void)state;
    bool made = false;
    struct mr_ping seen;
    struct mr_err err = {0};
    clear();
    struct mr_ping ping = begin(&made);
    run("ALTER TABLE tasks RENAME COLUMN fence TO fence_away");
    assert_int_equal(answer(ping.id), MR_JOB_FAILED);
    assert_int_equal(mr_ping_get(test_db, ping.id, &seen, &err), MR_OK);
    assert_int_equal(seen.ms, -1);
    run("ALTER TABLE tasks RENAME COLUMN fence_away TO fence");
    assert_int_equal(answer(ping.id), MR_JOB_COMMITTED);
}

static void a_missing_grant_is_found(void **state)
{
    (void)state;
    MR_AUTO_STR char *conninfo = NULL;
    struct mr_db *limited = NULL;
    struct mr_err err = {0};
    run("CREATE ROLE limited_by_test_pings");
    run("GRANT SELECT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO limited_by_test_pings");
    assert_true(asprintf(&conninfo, "%s options='-c role=limited_by_test_pings'", test_conninfo) > 0);
    assert_int_equal(mr_db_open(conninfo, 1, &limited, &err), MR_OK);
    assert_int_equal(mr_ready_to_convert(limited, &err), MR_UNAVAILABLE);
    assert_non_null(strstr(err.message, "42501"));
    assert_int_equal(mr_ready_to_create(limited, &err), MR_UNAVAILABLE);
    assert_non_null(strstr(err.message, "42501"));
    run("GRANT ALL ON ALL TABLES IN SCHEMA public TO limited_by_test_pings");
    assert_int_equal(mr_ready_to_convert(limited, &err), MR_OK);
    assert_int_equal(mr_ready_to_create(limited, &err), MR_OK);
    mr_db_close(limited);
    run("DROP OWNED BY limited_by_test_pings");
    run("DROP ROLE limited_by_test_pings");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ping_is_shared_for_a_second),
        cmocka_unit_test(its_message_goes_the_high_lane),
        cmocka_unit_test(it_is_answered_once),
        cmocka_unit_test(a_forgotten_one_makes_room),
        cmocka_unit_test(few_are_made_at_once),
        cmocka_unit_test(old_ones_expire),
        cmocka_unit_test(a_worker_that_cannot_run_tasks_is_silent),
        cmocka_unit_test(a_missing_grant_is_found),
    };
    return cmocka_run_group_tests(tests, fixture_db_setup, fixture_db_teardown);
}
