/* Leases of tasks, against a real PostgreSQL: claim, heartbeat, commit, failure and release. */
#include "shared/data/leases.h"
#include "shared/data/orphans.h"
#include "tests/unit/fixture_tasks.h"

#include <inttypes.h>
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
    char sql[200];
    snprintf(sql, sizeof sql,
             "UPDATE tasks SET uploaded_at = now() - interval '90 s' WHERE id = %" PRId64
             " RETURNING 1 AS answer",
             id);
    MR_AUTO_STR char *answer = fixture_db_ask(test_db, sql);
    assert_string_equal(answer, "1");
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
    assert_int_equal(mr_lease_fail(test_db, &late, "x", "y", &err), MR_OK);
    assert_int_equal(mr_lease_release(test_db, &late, &err), MR_OK);
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

static void attempts_are_used_up(void **state)
{
    (void)state;
    int64_t id = new_task();
    struct mr_claim none = {0};
    for (int i = 0; i < 3; i++) {
        MR_AUTO(mr_claim) struct mr_claim claim = {0};
        assert_int_equal(task_claim(id, 1, &claim), MR_CLAIM_OURS);
        task_expire_lease(id);
    }
    assert_int_equal(task_claim(id, 1, &none), MR_CLAIM_EXHAUSTED);
    MR_AUTO_JSON json_t *view = task_view_of(id);
    assert_text(view, "status", "failed");
    assert_text(json_object_get(view, "error"), "code", "attempts_exhausted");
    assert_int_equal(task_claim(id, 1, &none), MR_CLAIM_STALE);
}

static void a_release_gives_the_attempt_back(void **state)
{
    (void)state;
    int64_t id = new_task();
    struct mr_err err = {0};
    for (int i = 0; i < 10; i++) {
        MR_AUTO(mr_claim) struct mr_claim claim = {0};
        assert_int_equal(task_claim(id, 1, &claim), MR_CLAIM_OURS);
        assert_int_equal(claim.attempts, 1);
        assert_int_equal(claim.fence, i + 1);
        assert_int_equal(mr_lease_release(test_db, &claim, &err), MR_OK);
        assert_state(id, "uploaded");
    }
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
    assert_int_equal(mr_lease_fail(test_db, &claim, "truncated", "it breaks off", &err), MR_OK);
    assert_int_equal(mr_lease_fail(test_db, &claim, "other", "again", &err), MR_OK);
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
        cmocka_unit_test(a_late_worker_can_do_nothing),
        cmocka_unit_test(a_heartbeat_keeps_the_lease),
        cmocka_unit_test(attempts_are_used_up),
        cmocka_unit_test(a_release_gives_the_attempt_back),
        cmocka_unit_test(a_failure_says_why),
    };
    return cmocka_run_group_tests(tests, fixture_db_setup_users, fixture_db_teardown);
}
