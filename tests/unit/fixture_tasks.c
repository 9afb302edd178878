#include "tests/unit/fixture_tasks.h"

#include "shared/base/encoding.h"
#include "shared/base/random.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

struct mr_task_draft task_draft(int64_t user_id)
{
    struct mr_task_draft draft = {.user_id = user_id,
                                  .kind = MR_KIND_CONVERT,
                                  .priority = "normal",
                                  .new_format = "mp3",
                                  .original_file = "a.wav",
                                  .original_format = "wav",
                                  .original_size = 123,
                                  .input_object = "inputs/a",
                                  .input_generation = 77};
    struct mr_err err = {0};
    assert_int_equal(mr_uuid_generate(draft.file_id, &err), MR_OK);
    return draft;
}

json_t *task_insert(const struct mr_task_draft *draft)
{
    json_t *view = NULL;
    struct mr_err err = {0};
    if (mr_tasks_insert(test_db, &draft, 1, &view, &err) != MR_OK)
        fail_msg("%s", err.message);
    return view;
}

void task_insert_new(const struct mr_task_draft *draft)
{
    MR_AUTO_JSON json_t *view = task_insert(draft);
    assert_non_null(view);
}

json_t *task_view(const char *key)
{
    json_t *view = NULL;
    struct mr_err err = {0};
    assert_int_equal(mr_tasks_get(test_db, test_owner, key, &view, &err), MR_OK);
    return view;
}

void assert_answer(const char *expected, const char *format, const char *argument)
{
    char sql[500];
    snprintf(sql, sizeof sql, "SELECT (%s'%s') AS answer", format, argument);
    MR_AUTO_STR char *answer = fixture_db_ask(test_db, sql);
    assert_string_equal(answer, expected);
}

void run_sql(const char *sql)
{
    MR_AUTO_STR char *answer = fixture_db_ask(test_db, sql);
    assert_string_equal(answer, "1");
}

void assert_text(const json_t *view, const char *key, const char *expected)
{
    const json_t *value = json_object_get(view, key);
    if (!expected)
        assert_true(json_is_null(value));
    else
        assert_string_equal(json_is_string(value) ? json_string_value(value) : "(none)", expected);
}

json_t *task_view_of(int64_t id)
{
    char key[MR_INT64_TEXT_MAX];
    mr_int64_text(id, key);
    return task_view(key);
}

void assert_state(int64_t id, const char *expected)
{
    MR_AUTO_JSON json_t *view = task_view_of(id);
    assert_text(view, "status", expected);
}

void assert_counts(int64_t id, const char *expected)
{
    char key[MR_INT64_TEXT_MAX];
    mr_int64_text(id, key);
    assert_answer(expected,
                  "SELECT concat_ws(' ', attempts, interruptions, kills, stops) FROM tasks WHERE id = ", key);
}

const struct mr_lease_terms task_terms = {.seconds = 60,
                                          .max_attempts = 3,
                                          .max_interruptions = 4,
                                          .max_stops = 5,
                                          .max_task_seconds = 86400,
                                          .give_up_seconds = 86400};

enum mr_claim_outcome task_claim_as(const char *claim_id, int64_t id, int64_t generation,
                                    struct mr_claim *claim)
{
    struct mr_message message = {.kind = "convert", .task_id = id, .generation = generation};
    enum mr_claim_outcome outcome = MR_CLAIM_STALE;
    struct mr_err err = {0};
    if (mr_lease_claim(test_db, &message, claim_id, &task_terms, &outcome, claim, &err) != MR_OK)
        fail_msg("%s", err.message);
    return outcome;
}

enum mr_claim_outcome task_claim(int64_t id, int64_t generation, struct mr_claim *claim)
{
    char claim_id[MR_UUID_TEXT_MAX];
    struct mr_err err = {0};
    assert_int_equal(mr_uuid_generate(claim_id, &err), MR_OK);
    return task_claim_as(claim_id, id, generation, claim);
}

bool task_start(const struct mr_claim *claim)
{
    bool ours = false;
    struct mr_err err = {0};
    assert_int_equal(mr_lease_start(test_db, claim, &ours, &err), MR_OK);
    return ours;
}

bool task_release(const struct mr_claim *claim, enum mr_release reason)
{
    bool ours = false;
    struct mr_err err = {0};
    assert_int_equal(mr_lease_release(test_db, claim, reason, &ours, &err), MR_OK);
    return ours;
}

bool task_defer(const struct mr_claim *claim)
{
    bool ours = false;
    struct mr_err err = {0};
    assert_int_equal(mr_lease_defer(test_db, claim, &ours, &err), MR_OK);
    return ours;
}

bool task_fail(const struct mr_claim *claim, const char *code, const char *detail)
{
    bool ours = false;
    struct mr_err err = {0};
    assert_int_equal(mr_lease_fail(test_db, claim, code, detail, &ours, &err), MR_OK);
    return ours;
}

void task_set(int64_t id, const char *assignments)
{
    char sql[400];
    snprintf(sql, sizeof sql, "UPDATE tasks SET %s WHERE id = %" PRId64 " RETURNING 1 AS answer", assignments,
             id);
    run_sql(sql);
}

void task_expire_lease(int64_t id)
{
    task_set(id, "lease_expires_at = now() - interval '1 s'");
}

bool task_commit(const struct mr_claim *claim, const char *object)
{
    MR_AUTO(mr_output)
    struct mr_output output = {
        strdup(object), 5, strdup("Canción.mp3"), strdup("mp3"), strdup("audio/mpeg"), 456, false};
    bool ours = false;
    struct mr_err err = {0};
    MR_AUTO_JSON json_t *receipt = json_pack("{s:b}", "copied", 0);
    const struct mr_commit commit = {.outputs = &output, .count = 1, .receipt = receipt};
    assert_int_equal(mr_lease_commit(test_db, claim, &commit, &ours, &err), MR_OK);
    return ours;
}
