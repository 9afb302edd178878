/* A job whose database is away for a moment: its calls are repeated for as long as the lease lasts. */
#include "shared/base/clock.h"
#include "tests/unit/fixture_tasks.h"
#include "worker/heartbeat.h"
#include "worker/job.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

enum { LEASE_S = 30, SHORT_LEASE_S = 1, SOON_MS = 10000 };

static struct mr_log quiet;

/* A job with a claimed task, whose heartbeat runs. */
struct running {
    struct mr_worker worker;
    struct mr_claim claim;
    struct mr_job job;
    enum mr_status status; /* of the call that a thread makes */
};

static int setup(void **state)
{
    quiet = mr_log_init("test", MR_LOG_CRITICAL);
    return fixture_db_setup_users(state);
}

static void start(struct running *running, int64_t lease_s)
{
    static const int slots[MR_LANES] = {1, 1, 1};
    struct mr_err err = {0};
    *running = (struct running){.worker = {.db = test_db, .log = &quiet}};
    mr_slots_init(&running->worker.slots, slots, 1, 1, 1);
    struct mr_task_draft draft = task_draft(test_owner);
    MR_AUTO_JSON json_t *view = task_insert(&draft);
    int64_t id = json_integer_value(json_object_get(view, "id"));
    assert_int_equal(task_claim(id, 1, &running->claim), MR_CLAIM_OURS);
    running->job = (struct mr_job){.worker = &running->worker, .claim = &running->claim, .log = &quiet};
    assert_int_equal(
        mr_heartbeat_start(test_db, &running->claim, lease_s, &quiet, &running->job.heartbeat, &err), MR_OK);
}

static void stop(struct running *running)
{
    mr_heartbeat_stop(running->job.heartbeat);
    mr_claim_free(&running->claim);
    mr_slots_destroy(&running->worker.slots);
}

static void take_away(const char *table)
{
    char sql[100];
    snprintf(sql, sizeof sql, "ALTER TABLE %s RENAME TO %s_away", table, table);
    free(fixture_db_ask(test_db, sql));
}

static void bring_back(const char *table)
{
    char sql[100];
    snprintf(sql, sizeof sql, "ALTER TABLE %s_away RENAME TO %s", table, table);
    free(fixture_db_ask(test_db, sql));
}

static void *note(void *arg)
{
    struct running *running = arg;
    running->status = mr_job_note_object(&running->job, "results/noted", NULL);
    return NULL;
}

static void what_comes_back_in_time_is_used(void **state)
{
    (void)state;
    struct running running;
    pthread_t thread;
    start(&running, LEASE_S);
    take_away("stray_objects");
    assert_int_equal(pthread_create(&thread, NULL, note, &running), 0);
    poll(NULL, 0, 300); /* for some attempts; with fewer, the outcome is the same */
    bring_back("stray_objects");
    pthread_join(thread, NULL);
    assert_int_equal(running.status, MR_OK);
    assert_answer("1", "SELECT count(*) FROM stray_objects WHERE name = ", "results/noted");
    stop(&running);
}

static void a_commit_waits_as_well(void **state)
{
    (void)state;
    struct running running;
    struct mr_err err = {0};
    bool committed = false;
    start(&running, LEASE_S);
    take_away("outputs");
    int64_t began_us = mr_time_monotonic_us();
    mr_slots_stop(&running.worker.slots);
    assert_int_equal(mr_job_commit(&running.job, &(struct mr_commit){0}, &committed, &err), MR_UNAVAILABLE);
    assert_in_range(mr_time_monotonic_us() - began_us, 0, SOON_MS * INT64_C(1000));
    bring_back("outputs");
    assert_int_equal(mr_job_commit(&running.job, &(struct mr_commit){0}, &committed, &err), MR_OK);
    assert_true(committed);
    stop(&running);
}

/* Heartbeats extend the lease, but a table that is gone for good does not keep the job. */
static void a_failure_that_lasts_ends_the_job(void **state)
{
    (void)state;
    struct running running;
    struct mr_err err = {0};
    start(&running, SHORT_LEASE_S);
    take_away("stray_objects");
    int64_t began_us = mr_time_monotonic_us();
    assert_int_equal(mr_job_note_object(&running.job, "results/never", &err), MR_UNAVAILABLE);
    assert_in_range(mr_time_monotonic_us() - began_us, 0, SOON_MS * INT64_C(1000));
    assert_true(mr_heartbeat_left_ms(running.job.heartbeat) > 0);
    bring_back("stray_objects");
    stop(&running);
}

/* The heartbeat fails, too, so that the lease ends. */
static void nothing_is_repeated_after_the_lease(void **state)
{
    (void)state;
    struct running running;
    struct mr_err err = {0};
    start(&running, SHORT_LEASE_S);
    take_away("tasks");
    take_away("stray_objects");
    int64_t began_us = mr_time_monotonic_us();
    assert_int_equal(mr_job_note_object(&running.job, "results/late", &err), MR_UNAVAILABLE);
    assert_in_range(mr_time_monotonic_us() - began_us, 0, SOON_MS * INT64_C(1000));
    assert_int_equal(err.status, MR_UNAVAILABLE);
    while (mr_heartbeat_left_ms(running.job.heartbeat) > 0)
        poll(NULL, 0, 10);
    bring_back("stray_objects");
    bring_back("tasks");
    for (int tries = 0; mr_heartbeat_left_ms(running.job.heartbeat) == 0 && tries < 1000; tries++)
        poll(NULL, 0, 10);
    /* Nobody else claimed it: it is held again. */
    assert_true(mr_heartbeat_left_ms(running.job.heartbeat) > 0);
    stop(&running);
}

static void what_cannot_pass_is_not_repeated(void **state)
{
    (void)state;
    struct running running;
    struct mr_job_retries retries = {0};
    start(&running, LEASE_S);
    assert_false(mr_job_retry(&running.job, MR_OK, &retries));
    assert_false(mr_job_retry(&running.job, MR_INVALID, &retries));
    assert_int_equal(retries.wait_ms, 0);
    assert_true(mr_job_retry(&running.job, MR_UNAVAILABLE, &retries));
    assert_true(mr_job_retry(&running.job, MR_TIMEOUT, &retries));
    mr_slots_stop(&running.worker.slots);
    assert_false(mr_job_retry(&running.job, MR_UNAVAILABLE, &retries));
    stop(&running);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_back_in_time_is_used),
        cmocka_unit_test(a_commit_waits_as_well),
        cmocka_unit_test(a_failure_that_lasts_ends_the_job),
        cmocka_unit_test(nothing_is_repeated_after_the_lease),
        cmocka_unit_test(what_cannot_pass_is_not_repeated),
    };
    return cmocka_run_group_tests(tests, setup, fixture_db_teardown);
}
