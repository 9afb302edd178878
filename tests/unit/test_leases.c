/* Leases of tasks, against a real PostgreSQL: claim, heartbeat, commit, failure and release. */
#include "shared/base/clock.h"
#include "shared/base/encoding.h"
#include "shared/data/leases.h"
#include "shared/data/orphans.h"
#include "tests/unit/fixture_tasks.h"

#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static int64_t new_task(void)
{
    const struct mr_task_draft draft = task_draft(test_owner);
    MR_AUTO_JSON json_t *view = task_insert(&draft);
    return json_integer_value(json_object_get(view, "id"));
}

static void a_claim_is_ours_once(void **state)
{
    (void)state;
    int64_t id = new_task();
    MR_AUTO(mr_claim) struct mr_claim claim = {0};
    struct mr_claim none = {0};
    assert_int_equal(task_claim(id, 1, &claim), MR_CLAIM_OURS);
    assert_int_equal(claim.attempts, 1);
    assert_int_equal(claim.fence, 1);
    assert_int_equal(claim.input_size, 123);
    assert_string_equal(claim.new_format, "mp3");
    assert_state(id, "processing");
    assert_int_equal(task_claim(id, 1, &none), MR_CLAIM_ELSEWHERE);
    assert_int_equal(task_claim(id, 2, &none), MR_CLAIM_STALE);
    assert_int_equal(task_claim(id, INT64_MAX, &none), MR_CLAIM_STALE);
    assert_int_equal(task_claim(987654321, 1, &none), MR_CLAIM_STALE);
}

static void a_claim_says_how_long_the_task_waited(void **state)
{
    (void)state;
    int64_t id = new_task();
    MR_AUTO(mr_claim) struct mr_claim claim = {0};
    task_set(id, "uploaded_at = now() - interval '90 s'");
    assert_int_equal(task_claim(id, 1, &claim), MR_CLAIM_OURS);
    assert_in_range(claim.queued_ms, 90000, 200000);
}

static void a_commit_makes_the_result_visible(void **state)
{
    (void)state;
    int64_t id = new_task();
    MR_AUTO(mr_claim) struct mr_claim claim = {0};
    struct mr_claim none = {0};
    struct mr_err err = {0};
    assert_int_equal(task_claim(id, 1, &claim), MR_CLAIM_OURS);
    assert_int_equal(mr_orphans_add(test_db, "results/visible", 1000, &err), MR_OK);
    assert_true(task_commit(&claim, "results/visible"));
    assert_true(task_commit(&claim, "results/visible")); /* the answer to the first was lost */
    MR_AUTO_JSON json_t *view = task_view_of(id);
    assert_text(view, "status", "processed");
    assert_text(view, "processed_file", "Canción.mp3");
    assert_int_equal(json_integer_value(json_object_get(view, "processed_size")), 456);
    assert_int_equal(json_array_size(json_object_get(view, "outputs")), 1);
    char url[64];
    snprintf(url, sizeof url, "/api/files/%s?n=0", claim.file_id);
    assert_text(json_array_get(json_object_get(view, "outputs"), 0), "url", url);
    assert_true(json_real_value(json_object_get(view, "progress")) == 100.0);
    assert_int_equal(task_claim(id, 1, &none), MR_CLAIM_STALE);
    MR_AUTO_STR char *orphans = fixture_db_ask(
        test_db, "SELECT count(*) AS answer FROM stray_objects WHERE name = 'results/visible'");
    assert_string_equal(orphans, "0");
    MR_AUTO(mr_output) struct mr_output output = {0};
    assert_int_equal(mr_outputs_find(test_db, test_owner, claim.file_id, 0, &output, &err), MR_OK);
    assert_string_equal(output.object, "results/visible");
    assert_int_equal(mr_outputs_find(test_db, test_owner, claim.file_id, 1, &output, &err), MR_NOT_FOUND);
}

struct claiming {
    int64_t id;
    enum mr_claim_outcome outcome;
    struct mr_claim claim;
};

static void *claim_late(void *ctx)
{
    struct claiming *claiming = ctx;
    claiming->outcome = task_claim(claiming->id, 1, &claiming->claim);
    return NULL;
}

static void wait_for_a_blocked_failure(void)
{
    static const char blocked[] =
        "SELECT count(*) AS answer FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        " AND query LIKE '%error_detail%' AND datname = current_database()";
    const int64_t due_us = mr_time_monotonic_us() + INT64_C(30000000);
    for (bool is_blocked = false; !is_blocked;) {
        MR_AUTO_STR char *count = fixture_db_ask(test_db, blocked);
        is_blocked = strcmp(count, "1") == 0;
        assert_true(mr_time_monotonic_us() < due_us);
    }
}

/* A claim finds a limit reached: the run of an expired lease counts as interrupted. While it waits for the row to fail the task,
 * the holder gives it back, and nothing is reached any more. */
static void what_is_given_back_meanwhile_does_not_fail(void **state)
{
    (void)state;
    struct claiming claiming = {.id = new_task()};
    MR_AUTO(mr_db_tx) struct mr_db_tx *holder = NULL;
    struct mr_err err = {0};
    pthread_t thread;
    task_set(claiming.id, "status = 'processing', started = true, fence = 1, attempts = 1, interruptions = 9,"
                          " lease_expires_at = now() - interval '1 s'");
    static const struct mr_statement give_back = {
        "test_give_back",
        "UPDATE tasks SET status = 'uploaded', started = false, lease_expires_at = NULL, attempts = 0,"
        " interruptions = 0 WHERE id = $1::bigint",
        1};
    char id[MR_INT64_TEXT_MAX];
    mr_int64_text(claiming.id, id);
    assert_int_equal(mr_db_begin(test_db, &holder, &err), MR_OK);
    assert_int_equal(mr_db_tx_exec(holder, &give_back, (const char *const[]){id}, NULL, &err), MR_OK);
    assert_int_equal(pthread_create(&thread, NULL, claim_late, &claiming), 0);
    wait_for_a_blocked_failure();
    assert_int_equal(mr_db_commit(&holder, &err), MR_OK);
    pthread_join(thread, NULL);
    assert_int_equal(claiming.outcome, MR_CLAIM_OURS);
    assert_state(claiming.id, "processing");
    mr_claim_free(&claiming.claim);
}

static void a_late_worker_can_do_nothing(void **state)
{
    (void)state;
    int64_t id = new_task();
    MR_AUTO(mr_claim) struct mr_claim late = {0};
    MR_AUTO(mr_claim) struct mr_claim next = {0};
    struct mr_err err = {0};
    bool ours = true;
    assert_int_equal(task_claim(id, 1, &late), MR_CLAIM_OURS);
    task_expire_lease(id);
    assert_int_equal(task_claim(id, 1, &next), MR_CLAIM_OURS);
    assert_int_equal(next.fence, 2);
    assert_int_equal(mr_lease_heartbeat(test_db, &late, 60, 500, &ours, &err), MR_OK);
    assert_false(ours);
    assert_false(task_commit(&late, "results/late"));
    assert_false(task_start(&late));
    assert_false(task_fail(&late, "x", "y"));
    assert_false(task_release(&late, MR_RELEASE_UNCOUNTED));
    assert_state(id, "processing");
    assert_true(task_commit(&next, "results/next"));
    assert_false(task_commit(&late, "results/late"));
    MR_AUTO_STR char *outputs =
        fixture_db_ask(test_db, "SELECT count(*) AS answer FROM outputs WHERE object = 'results/late'");
    assert_string_equal(outputs, "0");
}

static void a_heartbeat_keeps_the_lease(void **state)
{
    (void)state;
    int64_t id = new_task();
    MR_AUTO(mr_claim) struct mr_claim claim = {0};
    struct mr_claim none = {0};
    struct mr_err err = {0};
    bool ours = false;
    assert_int_equal(task_claim(id, 1, &claim), MR_CLAIM_OURS);
    task_expire_lease(id);
    assert_int_equal(mr_lease_heartbeat(test_db, &claim, 60, 250, &ours, &err), MR_OK);
    assert_true(ours);
    assert_int_equal(task_claim(id, 1, &none), MR_CLAIM_ELSEWHERE);
    MR_AUTO_JSON json_t *view = task_view_of(id);
    assert_true(json_real_value(json_object_get(view, "progress")) == 25.0);
}

static void a_claim_whose_answer_was_lost_is_repeated(void **state)
{
    (void)state;
    static const char *const delivery = "0b8e5a53-6b3f-4c3e-9d0c-6c0a4f1f7a01",
                             *const other = "0b8e5a53-6b3f-4c3e-9d0c-6c0a4f1f7a02";
    int64_t id = new_task();
    struct mr_claim none = {0};
    for (int i = 0; i < 6; i++) { /* more than any limit */
        MR_AUTO(mr_claim) struct mr_claim claim = {0};
        assert_int_equal(task_claim_as(delivery, id, 1, &claim), MR_CLAIM_OURS);
        assert_int_equal(claim.attempts, 1);
        assert_int_equal(task_claim_as(other, id, 1, &none), MR_CLAIM_ELSEWHERE);
    }
    MR_AUTO(mr_claim) struct mr_claim last = {0};
    assert_int_equal(task_claim_as(delivery, id, 1, &last), MR_CLAIM_OURS);
    assert_true(task_start(&last));
    assert_true(task_commit(&last, "results/repeated"));
    assert_int_equal(task_claim_as(delivery, id, 1, &none), MR_CLAIM_STALE);
    assert_counts(id, "1 0 0 0");
}

/* A run of a task: how far it came, and how it ended. */
enum run_end {
    RUN_LOST_EARLY,
    RUN_LOST,
    RUN_DEFERRED,
    RUN_RELEASED,
    RUN_STOPPED,
    RUN_KILLED,
    RUN_KILLED_FULL
};

static void run_task(int64_t id, enum run_end how)
{
    static const enum mr_release reasons[] = {[RUN_RELEASED] = MR_RELEASE_UNCOUNTED,
                                              [RUN_STOPPED] = MR_RELEASE_STOP,
                                              [RUN_KILLED] = MR_RELEASE_KILL,
                                              [RUN_KILLED_FULL] = MR_RELEASE_KILL_FULL};
    MR_AUTO(mr_claim) struct mr_claim claim = {0};
    assert_int_equal(task_claim(id, 1, &claim), MR_CLAIM_OURS);
    if (how != RUN_LOST_EARLY)
        assert_true(task_start(&claim) && task_start(&claim)); /* the answer to the first was lost */
    if (how == RUN_LOST_EARLY || how == RUN_LOST)
        task_expire_lease(id);
    else if (how == RUN_DEFERRED)
        assert_true(task_defer(&claim));
    else
        assert_true(task_release(&claim, reasons[how]));
}

/* Each kind of end has a count and a bound of its own. counts: attempts, interruptions, kills, stops. */
static const struct {
    enum run_end how;
    int times; /* that the task bears */
    const char *counts;
    const char *code; /* of the failure at the next claim; NULL: there is no bound */
} bounds[] = {
    {RUN_LOST_EARLY, 7, "0 0 0 0", NULL},
    {RUN_RELEASED, 7, "0 0 0 0", NULL},
    {RUN_DEFERRED, 3, "3 0 0 0", "attempts_exhausted"},
    {RUN_LOST, 4, "4 3 0 0", "interrupted"}, /* the last one is noted by the next claim */
    {RUN_KILLED, 4, "4 4 0 0", "interrupted"},
    {RUN_KILLED_FULL, 3, "3 3 3 0", "resource_limit"},
    {RUN_STOPPED, 5, "0 0 0 5", "interrupted"},
};

static void every_end_of_a_run_has_a_bound_of_its_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
        int64_t id = new_task();
        MR_AUTO(mr_claim) struct mr_claim claim = {0};
        for (int run = 0; run < bounds[i].times; run++)
            run_task(id, bounds[i].how);
        assert_counts(id, bounds[i].counts);
        enum mr_claim_outcome outcome = task_claim(id, 1, &claim);
        assert_int_equal(outcome, bounds[i].code ? MR_CLAIM_EXHAUSTED : MR_CLAIM_OURS);
        if (!bounds[i].code)
            continue;
        MR_AUTO_JSON json_t *view = task_view_of(id);
        assert_text(view, "status", "failed");
        assert_text(json_object_get(view, "error"), "code", bounds[i].code);
        assert_int_equal(task_claim(id, 1, &claim), MR_CLAIM_STALE);
    }
}

static void ends_of_different_kinds_are_counted_apart(void **state)
{
    (void)state;
    int64_t id = new_task();
    static const enum run_end ends[] = {RUN_LOST,        RUN_DEFERRED,   RUN_STOPPED,
                                        RUN_KILLED,      RUN_LOST_EARLY, RUN_DEFERRED,
                                        RUN_KILLED_FULL, RUN_STOPPED,    RUN_RELEASED};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        run_task(id, ends[i]);
    assert_counts(id, "5 3 1 2");
    MR_AUTO(mr_claim) struct mr_claim claim = {0};
    assert_int_equal(task_claim(id, 1, &claim), MR_CLAIM_OURS);
    assert_int_equal(claim.attempts, 6);
    assert_int_equal(claim.interruptions, 3);
    assert_true(task_start(&claim));
    assert_true(task_commit(&claim, "results/patient"));
}

static void a_lease_that_is_lost_before_the_start_is_bounded_by_age(void **state)
{
    (void)state;
    int64_t id = new_task();
    MR_AUTO(mr_claim) struct mr_claim claim = {0};
    task_set(id, "uploaded_at = now() - interval '25 h'"); /* it waited for long: that is no failure */
    run_task(id, RUN_LOST_EARLY);
    assert_int_equal(task_claim(id, 1, &claim), MR_CLAIM_EXHAUSTED);
    MR_AUTO_JSON json_t *view = task_view_of(id);
    assert_text(json_object_get(view, "error"), "code", "service_fault");
}

/* The time counts from the first claim of a generation, however the runs end and however long the task has waited. */
static void a_task_may_be_worked_on_for_so_long(void **state)
{
    (void)state;
    static const char *const delivery = "0b8e5a53-6b3f-4c3e-9d0c-6c0a4f1f7a03";
    int64_t id = new_task();
    MR_AUTO(mr_claim) struct mr_claim claim = {0};
    MR_AUTO(mr_claim) struct mr_claim again = {0};
    struct mr_claim none = {0};
    task_set(id, "uploaded_at = now() - interval '30 h'");
    assert_int_equal(task_claim_as(delivery, id, 1, &claim), MR_CLAIM_OURS);
    assert_int_equal(claim.worked_ms, 0);
    assert_true(task_start(&claim) && task_release(&claim, MR_RELEASE_UNCOUNTED));
    task_set(id, "first_claimed_at = now() - interval '23 h'");
    mr_claim_free(&claim);
    assert_int_equal(task_claim_as(delivery, id, 1, &claim), MR_CLAIM_OURS);
    assert_in_range(claim.worked_ms, 23 * 3600000, 23 * 3600000 + 60000);
    task_set(id, "first_claimed_at = now() - interval '25 h'");
    mr_claim_free(&claim);
    assert_int_equal(task_claim_as(delivery, id, 1, &claim), MR_CLAIM_OURS); /* repeated: its job decides */
    assert_true(task_release(&claim, MR_RELEASE_STOP));
    assert_int_equal(task_claim(id, 1, &none), MR_CLAIM_EXHAUSTED);
    MR_AUTO_JSON json_t *view = task_view_of(id);
    assert_text(json_object_get(view, "error"), "code", "task_too_long");
    task_set(id, "generation = 2, status = 'uploaded', error_code = NULL");
    assert_int_equal(task_claim(id, 2, &again), MR_CLAIM_OURS);
    assert_int_equal(again.worked_ms, 0);
}

static void a_failure_says_why(void **state)
{
    (void)state;
    int64_t id = new_task();
    MR_AUTO(mr_claim) struct mr_claim claim = {0};
    struct mr_err err = {0};
    struct mr_output output;
    assert_int_equal(task_claim(id, 1, &claim), MR_CLAIM_OURS);
    assert_int_equal(mr_outputs_find(test_db, test_owner, claim.file_id, 0, &output, &err), MR_INVALID);
    assert_string_equal(mr_code_name(err.code), "not_ready");
    assert_true(task_fail(&claim, "truncated", "it breaks off"));
    assert_false(task_fail(&claim, "other", "again"));
    MR_AUTO_JSON json_t *view = task_view_of(id);
    assert_text(json_object_get(view, "error"), "code", "truncated");
    assert_text(json_object_get(view, "error"), "detail", "it breaks off");
    assert_int_equal(mr_outputs_find(test_db, test_owner, claim.file_id, 0, &output, &err), MR_INVALID);
    assert_string_equal(mr_code_name(err.code), "failed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_claim_is_ours_once),
        cmocka_unit_test(a_claim_says_how_long_the_task_waited),
        cmocka_unit_test(a_commit_makes_the_result_visible),
        cmocka_unit_test(what_is_given_back_meanwhile_does_not_fail),
        cmocka_unit_test(a_late_worker_can_do_nothing),
        cmocka_unit_test(a_heartbeat_keeps_the_lease),
        cmocka_unit_test(a_claim_whose_answer_was_lost_is_repeated),
        cmocka_unit_test(every_end_of_a_run_has_a_bound_of_its_own),
        cmocka_unit_test(ends_of_different_kinds_are_counted_apart),
        cmocka_unit_test(a_lease_that_is_lost_before_the_start_is_bounded_by_age),
        cmocka_unit_test(a_task_may_be_worked_on_for_so_long),
        cmocka_unit_test(a_failure_says_why),
    };
    return cmocka_run_group_tests(tests, fixture_db_setup_users, fixture_db_teardown);
}
