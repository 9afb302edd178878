/* What ends a task and what does not: jobs of tasks without a file, against a real PostgreSQL that fails as told. */
#include "tests/unit/fixture_tasks.h"
#include "worker/job.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

static struct mr_log quiet = {.fd = -1, .min = MR_LOG_CRITICAL, .program = "test"};
static struct mr_config config = {.lease_seconds = 60,
                                  .max_attempts = 3,
                                  .max_interruptions = 4,
                                  .max_stops = 2,
                                  .max_task_s = 86400,
                                  .give_up_s = 86400};
static struct mr_worker worker = {.config = &config, .log = &quiet};

static int64_t new_task(const char *kind, const char *format, int64_t records)
{
    struct mr_task_draft draft = task_draft(test_owner);
    MR_AUTO_JSON json_t *options = json_object();
    if (records > 0)
        json_object_set_new(options, "records", json_integer(records));
    draft.kind = kind;
    draft.new_format = format;
    draft.options = options;
    MR_AUTO_JSON json_t *view = task_insert(&draft);
    return json_integer_value(json_object_get(view, "id"));
}

static enum mr_job_end run(int64_t id, const char *kind)
{
    struct mr_message message = {.task_id = id, .generation = 1};
    snprintf(message.kind, sizeof message.kind, "%s", kind);
    struct mr_ticket ticket = {.lane = MR_LANE_NORMAL};
    return mr_job_run(&worker, &message, &quiet, &ticket);
}

static void assert_failed(int64_t id, const char *code)
{
    MR_AUTO_JSON json_t *view = task_view_of(id);
    assert_text(view, "status", "failed");
    assert_text(json_object_get(view, "error"), "code", code);
    const char *detail = json_string_value(json_object_get(json_object_get(view, "error"), "detail"));
    assert_null(strstr(detail, "database"));
}

static void execute(const char *sql)
{
    free(fixture_db_ask(test_db, sql));
}

static void a_task_is_done(void **state)
{
    (void)state;
    int64_t id = new_task(MR_KIND_INSERT_RECORDS, NULL, 3);
    assert_int_equal(run(id, MR_KIND_INSERT_RECORDS), MR_JOB_COMMITTED);
    assert_state(id, "processed");
    assert_counts(id, "1 0 0 0");
    assert_int_equal(run(id, MR_KIND_INSERT_RECORDS), MR_JOB_STALE);
}

static void a_verdict_ends_a_task(void **state)
{
    (void)state;
    int64_t bad = new_task(MR_KIND_INSERT_RECORDS, NULL, 0), unknown = new_task("dance", "mp3", 0);
    assert_int_equal(run(bad, MR_KIND_INSERT_RECORDS), MR_JOB_FAILED);
    assert_failed(bad, "bad_option");
    assert_int_equal(run(unknown, "dance"), MR_JOB_FAILED);
    assert_failed(unknown, "unknown_kind");
}

/* SQLSTATEs of a failover, a missing grant, a broken disk, a bug, a wrong state, a full disk, and of a row that
 * the database refuses. */
static void no_error_of_the_database_ends_a_task(void **state)
{
    (void)state;
    static const char *const states[] = {"25006", "42501", "58030", "XX000", "55000", "53100", "23514"};
    execute("CREATE SCHEMA broken");
    execute("CREATE TABLE broken.state (sqlstate text)");
    execute("CREATE FUNCTION broken.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " RAISE EXCEPTION 'no rows today' USING ERRCODE = (SELECT sqlstate FROM broken.state); END $$");
    execute("CREATE TRIGGER refuse BEFORE INSERT ON records.users FOR EACH ROW"
            " EXECUTE FUNCTION broken.refuse()");
    int64_t id = new_task(MR_KIND_INSERT_RECORDS, NULL, 3);
    int64_t usual_lease = config.lease_seconds;
    config.lease_seconds = 1; /* each run repeats its call for that long */
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        char sql[128];
        execute("DELETE FROM broken.state");
        snprintf(sql, sizeof sql, "INSERT INTO broken.state VALUES ('%s')", states[i]);
        execute(sql);
        assert_int_equal(run(id, MR_KIND_INSERT_RECORDS), MR_JOB_RELEASED);
        assert_state(id, "uploaded");
        assert_counts(id, "0 0 0 0");
    }
    task_set(id, "uploaded_at = now() - interval '25 h'");
    assert_int_equal(run(id, MR_KIND_INSERT_RECORDS), MR_JOB_EXHAUSTED);
    assert_failed(id, "service_fault");
    config.lease_seconds = usual_lease;
    execute("DROP TRIGGER refuse ON records.users");
}

static void a_task_that_waited_for_long_still_runs(void **state)
{
    (void)state;
    int64_t id = new_task(MR_KIND_INSERT_RECORDS, NULL, 3);
    task_set(id, "uploaded_at = now() - interval '25 h'");
    assert_int_equal(run(id, MR_KIND_INSERT_RECORDS), MR_JOB_COMMITTED);
}

static void stops_are_bounded(void **state)
{
    (void)state;
    int64_t id = new_task(MR_KIND_INSERT_RECORDS, NULL, 3);
    mr_slots_stop(&worker.slots);
    for (int stop = 1; stop <= config.max_stops; stop++)
        assert_int_equal(run(id, MR_KIND_INSERT_RECORDS), MR_JOB_STOPPED);
    assert_counts(id, "0 0 0 2");
    assert_int_equal(run(id, MR_KIND_INSERT_RECORDS), MR_JOB_EXHAUSTED);
    assert_failed(id, "interrupted");
    atomic_store(&worker.slots.stopping, false);
}

/* A run is stopped, and so is one that can only begin after that time. */
static void a_task_ends_when_it_takes_too_long(void **state)
{
    (void)state;
    int64_t id = new_task(MR_KIND_INSERT_RECORDS, NULL, 5000000);
    config.max_task_s = 1;
    assert_int_equal(run(id, MR_KIND_INSERT_RECORDS), MR_JOB_EXHAUSTED);
    assert_failed(id, "task_too_long");
    config.max_task_s = 86400;
}

static int set_up(void **state)
{
    static const int counts[MR_LANES] = {[MR_LANE_NORMAL] = 1};
    mr_slots_init(&worker.slots, counts, 1, 100, 100);
    if (fixture_db_setup_users(state))
        return -1;
    worker.db = test_db;
    return 0;
}

static int tear_down(void **state)
{
    mr_slots_destroy(&worker.slots);
    return fixture_db_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_is_done),
        cmocka_unit_test(a_verdict_ends_a_task),
        cmocka_unit_test(no_error_of_the_database_ends_a_task),
        cmocka_unit_test(a_task_that_waited_for_long_still_runs),
        cmocka_unit_test(stops_are_bounded),
        cmocka_unit_test(a_task_ends_when_it_takes_too_long),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
