#include "tests/unit/fixture_units.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

void task_begin(struct mr_claim *ret)
{
    const struct mr_task_draft draft = task_draft(test_owner);
    MR_AUTO_JSON json_t *view = task_insert(&draft);
    assert_int_equal(task_claim(json_integer_value(json_object_get(view, "id")), 1, ret), MR_CLAIM_OURS);
    assert_true(task_start(ret));
}

void task_run_again(const struct mr_claim *task, int64_t generation, struct mr_claim *ret)
{
    const struct mr_task_change change = {.new_format = "mp3"};
    MR_AUTO_JSON json_t *view = NULL;
    MR_AUTO_JSON json_t *objects = NULL;
    struct mr_message message;
    struct mr_err err = {0};
    assert_int_equal(
        mr_tasks_redo(test_db, test_owner, task->file_id, &change, &view, &objects, &message, &err), MR_OK);
    assert_int_equal(task_claim(task->task_id, generation, ret), MR_CLAIM_OURS);
    assert_true(task_start(ret));
}

enum mr_claim_outcome unit_claim_as(const char *claim_id, const struct mr_claim *task, int64_t n,
                                    struct mr_claim *ret)
{
    const struct mr_message message = mr_unit_message(task, n, false);
    enum mr_claim_outcome outcome = MR_CLAIM_STALE;
    struct mr_err err = {0};
    assert_int_equal(mr_unit_claim(test_db, &message, claim_id, &task_terms, &outcome, ret, &err), MR_OK);
    return outcome;
}

enum mr_claim_outcome unit_claim(const struct mr_claim *task, int64_t n, struct mr_claim *ret)
{
    char id[MR_UUID_TEXT_MAX];
    struct mr_err err = {0};
    assert_int_equal(mr_uuid_generate(id, &err), MR_OK);
    return unit_claim_as(id, task, n, ret);
}

bool unit_finish(const struct mr_claim *unit, const char *object, int64_t *ret_join)
{
    MR_AUTO_JSON json_t *report = json_pack("{s:i}", "frames", 7);
    const struct mr_unit_result result = {
        .object = object, .object_generation = 5, .object_size = 99, .report = report};
    struct mr_err err = {0};
    bool ours = false;
    assert_int_equal(mr_unit_finish(test_db, unit, &result, &ours, ret_join, &err), MR_OK);
    return ours;
}

bool unit_heartbeat(const struct mr_claim *unit, int progress)
{
    struct mr_err err = {0};
    bool ours = false;
    assert_int_equal(mr_unit_heartbeat(test_db, unit, 60, progress, &ours, &err), MR_OK);
    return ours;
}

bool unit_release(const struct mr_claim *unit, enum mr_release reason)
{
    struct mr_err err = {0};
    bool ours = false;
    assert_int_equal(mr_unit_release(test_db, unit, reason, &ours, &err), MR_OK);
    return ours;
}

void unit_expire(const struct mr_claim *task, int64_t n)
{
    char sql[200];
    snprintf(sql, sizeof sql,
             "WITH u AS (UPDATE units SET lease_expires_at = now() - interval '1 s' WHERE task_id = %" PRId64
             " AND n = %" PRId64 " RETURNING 1) SELECT count(*) AS answer FROM u",
             task->task_id, n);
    run_sql(sql);
}

void assert_units(const struct mr_claim *task, const char *expected)
{
    char id[32];
    snprintf(id, sizeof id, "%" PRId64, task->task_id);
    assert_answer(expected,
                  "SELECT coalesce(string_agg(state, ' ' ORDER BY n), '') FROM units WHERE task_id = ", id);
}

void assert_orphaned(const char *object, const char *expected)
{
    assert_answer(expected,
                  "SELECT count(*) FROM stray_objects WHERE delete_after <= now() AND name = ", object);
}

void assert_kept(const struct mr_claim *task, const char *expected)
{
    char id[32];
    snprintf(id, sizeof id, "%" PRId64, task->task_id);
    assert_answer(expected, "SELECT count(*) FROM kept_units WHERE task_id = ", id);
}
