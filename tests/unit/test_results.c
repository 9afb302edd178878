/* Which earlier result answers a task: each thing that has to be the same, one by one, against a real PostgreSQL. */
#include "shared/data/results.h"

#include "shared/base/encoding.h"
#include "tests/unit/fixture_tasks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

enum { CRC = 0x89abcdef };
static const struct mr_made_from usual = {.is_known = true, .crc32c = CRC, .engine = "1.2.3"};

/* A task that runs. */
static int64_t start(const struct mr_task_draft *draft, struct mr_claim *ret)
{
    MR_AUTO_JSON json_t *view = task_insert(draft);
    int64_t id = json_integer_value(json_object_get(view, "id"));
    assert_int_equal(task_claim(id, 1, ret), MR_CLAIM_OURS);
    return id;
}

/* With two outputs and a receipt. */
static void commit(const struct mr_claim *claim, const struct mr_made_from *made)
{
    char names[2][64], file[] = "a.mp3", format[] = "mp3", type[] = "audio/mpeg";
    struct mr_output outputs[2];
    MR_AUTO_JSON json_t *receipt = json_pack("{s:b}", "copied", 1);
    bool ours = false;
    struct mr_err err = {0};
    for (int i = 0; i < 2; i++) {
        snprintf(names[i], sizeof names[i], "results/%s/1-1-%d.mp3", claim->file_id, i);
        outputs[i] = (struct mr_output){names[i], 5 + i, file, format, type, 456, false};
    }
    const struct mr_commit done = {.outputs = outputs, .count = 2, .receipt = receipt, .made = *made};
    if (mr_lease_commit(test_db, claim, &done, &ours, &err) != MR_OK)
        fail_msg("%s", err.message);
    assert_true(ours);
}

static int64_t finish(const struct mr_task_draft *draft, const struct mr_made_from *made)
{
    MR_AUTO(mr_claim) struct mr_claim claim = {0};
    int64_t id = start(draft, &claim);
    commit(&claim, made);
    return id;
}

/* The task whose result answers the claimed one; 0: none. */
static int64_t answer_of(const struct mr_claim *claim, const struct mr_made_from *made)
{
    MR_AUTO(mr_result) struct mr_result result = {0};
    bool ours = false;
    struct mr_err err = {0};
    if (mr_result_find(test_db, claim, made, &ours, &result, &err) != MR_OK)
        fail_msg("%s", err.message);
    assert_true(ours);
    return result.task_id;
}

static int64_t answer_for(const struct mr_task_draft *draft, const struct mr_made_from *made)
{
    MR_AUTO(mr_claim) struct mr_claim claim = {0};
    (void)start(draft, &claim);
    return answer_of(&claim, made);
}

static json_t *options_of(const char *text)
{
    json_t *options = text ? json_loads(text, 0, NULL) : NULL;
    assert_true(!text || options);
    return options;
}

static struct mr_task_draft draft_with(const json_t *options)
{
    struct mr_task_draft draft = task_draft(test_owner);
    draft.options = options;
    return draft;
}

static void a_result_comes_with_its_outputs(void **state)
{
    (void)state;
    const struct mr_task_draft draft = draft_with(NULL);
    const struct mr_made_from made = {.is_known = true, .crc32c = 1, .engine = "outputs"};
    int64_t older = finish(&draft, &made);
    const struct mr_task_draft again = draft_with(NULL), asks = draft_with(NULL);
    int64_t newer = finish(&again, &made);
    MR_AUTO(mr_claim) struct mr_claim claim = {0};
    MR_AUTO(mr_result) struct mr_result result = {0};
    bool ours = false;
    (void)start(&asks, &claim);
    assert_int_equal(mr_result_find(test_db, &claim, &made, &ours, &result, NULL), MR_OK);
    assert_true(older != newer && result.task_id == newer);
    assert_true(json_is_true(json_object_get(result.receipt, "copied")));
    assert_int_equal(result.count, 2);
    for (int i = 0; i < 2; i++) {
        char name[64];
        snprintf(name, sizeof name, "results/%s/1-1-%d.mp3", again.file_id, i);
        assert_string_equal(result.outputs[i].object, name);
        assert_int_equal(result.outputs[i].object_generation, 5 + i);
        assert_string_equal(result.outputs[i].format, "mp3");
        assert_string_equal(result.outputs[i].content_type, "audio/mpeg");
        assert_int_equal(result.outputs[i].size, 456);
    }
    claim.fence++;
    mr_result_free(&result);
    assert_int_equal(mr_result_find(test_db, &claim, &made, &ours, &result, NULL), MR_OK);
    assert_true(!ours && result.task_id == 0);
}

/* The result is that of {"mono": 1, "rate": [8, 2]} and song.wav. */
static const struct {
    const char *what;
    const char *options;
    const char *file, *extension, *format, *kind;
    int64_t size;
    struct mr_made_from made;
    bool is_others;
    bool is_same;
} asked[] = {
    {"the same", .options = "{\"rate\":[8,2],\"mono\":1}", .is_same = true},
    {"equal numbers", .options = "{\"rate\":[8.0,2],\"mono\":1.0}", .is_same = true},
    {"another name", .file = "other.wav", .is_same = true},
    {"another extension", .file = "song.ogg", .extension = "ogg"},
    {"another user", .is_others = true},
    {"other options", .options = "{\"rate\":[2,8],\"mono\":1}"},
    {"fewer options", .options = "{\"mono\":1}"},
    {"no options", .options = ""},
    {"another format", .format = "ogg"},
    {"another kind", .kind = MR_KIND_EDIT},
    {"another size", .size = 124},
    {"other bytes", .made = {true, CRC + 1, "1.2.3"}},
    {"another engine", .made = {true, CRC, "1.2.4"}},
};

static void all_has_to_be_the_same(void **state)
{
    (void)state;
    static const char usual_options[] = "{\"mono\":1,\"rate\":[8,2]}";
    MR_AUTO_JSON json_t *options = options_of(usual_options);
    struct mr_task_draft draft = draft_with(options);
    draft.original_file = "song.wav";
    int64_t id = finish(&draft, &usual);
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        const char *text = asked[i].options ? asked[i].options : usual_options;
        MR_AUTO_JSON json_t *others = options_of(text[0] ? text : NULL);
        struct mr_task_draft asks = draft_with(others);
        asks.original_file = asked[i].file ? asked[i].file : "song.wav";
        asks.original_format = asked[i].extension ? asked[i].extension : "wav";
        asks.new_format = asked[i].format ? asked[i].format : "mp3";
        asks.kind = asked[i].kind ? asked[i].kind : MR_KIND_CONVERT;
        asks.original_size = asked[i].size ? asked[i].size : 123;
        asks.user_id = asked[i].is_others ? test_other : test_owner;
        int64_t found = answer_for(&asks, asked[i].made.is_known ? &asked[i].made : &usual);
        if (found != (asked[i].is_same ? id : 0))
            fail_msg("%s: task %lld answers, not %lld", asked[i].what, (long long)found, (long long)id);
    }
}

/* Its text names the picture by the name of the file. */
static void a_filmstrip_belongs_to_a_name(void **state)
{
    (void)state;
    MR_AUTO_JSON json_t *options = options_of("{\"filmstrip\":{}}");
    struct mr_task_draft draft = draft_with(options), same = draft_with(options), other = draft_with(options);
    other.original_file = "b.wav";
    int64_t id = finish(&draft, &usual);
    assert_int_equal(answer_for(&same, &usual), id);
    assert_int_equal(answer_for(&other, &usual), 0);
}

static void empty_options_are_none(void **state)
{
    (void)state;
    const struct mr_made_from made = {.is_known = true, .crc32c = 3, .engine = "empty"};
    MR_AUTO_JSON json_t *options = options_of("{}");
    const struct mr_task_draft draft = draft_with(NULL), asks = draft_with(options);
    int64_t id = finish(&draft, &made);
    assert_int_equal(answer_for(&asks, &made), id);
}

/* What has become of the task since makes it no answer. */
static const char *const became[] = {
    "processed_at = now() - interval '29 days'", /* the bucket may have deleted its objects */
    "status = 'uploaded', generation = 2",       /* it runs again */
    "result_generation = 0",                     /* a worker from before has made the present result */
    "input_crc32c = input_crc32c + 1",           /* another row of the same hash */
    "receipt = NULL",
    "input_crc32c = NULL, engine = NULL, result_hash = NULL, result_generation = NULL", /* from before */
};

static void a_task_that_has_changed_answers_nothing(void **state)
{
    (void)state;
    const struct mr_made_from made = {.is_known = true, .crc32c = 4, .engine = "became"};
    for (size_t i = 0; i < sizeof became / sizeof *became; i++) {
        const struct mr_task_draft draft = draft_with(NULL), asks = draft_with(NULL),
                                   later = draft_with(NULL);
        int64_t id = finish(&draft, &made);
        assert_int_equal(answer_for(&asks, &made), id);
        task_set(id, became[i]);
        if (answer_for(&later, &made) != 0)
            fail_msg("%s: it answers", became[i]);
    }
}

static void other_ends_answer_nothing(void **state)
{
    (void)state;
    const struct mr_made_from made = {.is_known = true, .crc32c = 5, .engine = "ends"}, unknown = {0};
    const struct mr_task_draft fails = draft_with(NULL), asks = draft_with(NULL), old = draft_with(NULL),
                               deleted = draft_with(NULL), last = draft_with(NULL);
    MR_AUTO(mr_claim) struct mr_claim claim = {0};
    char key[MR_INT64_TEXT_MAX];
    MR_AUTO_JSON json_t *objects = NULL;
    (void)start(&fails, &claim);
    assert_true(task_fail(&claim, "corrupt_input", "x"));
    (void)finish(&old, &unknown); /* whose input's checksum is not known */
    assert_int_equal(answer_for(&asks, &made), 0);
    mr_int64_text(finish(&deleted, &made), key);
    assert_int_equal(mr_tasks_delete(test_db, test_owner, key, &objects, NULL), MR_OK);
    assert_int_equal(json_array_size(objects), 3);
    assert_int_equal(answer_for(&last, &made), 0);
}

/* The statements that make a task and run it again keep what the request says, and the claim reads it. */
static void the_wish_is_of_one_run(void **state)
{
    (void)state;
    struct mr_task_draft draft = draft_with(NULL);
    draft.reuse = true;
    MR_AUTO(mr_claim) struct mr_claim claim = {0};
    char key[MR_INT64_TEXT_MAX];
    int64_t id = start(&draft, &claim);
    mr_int64_text(id, key);
    assert_true(claim.reuse);
    for (int generation = 2; generation <= 3; generation++) {
        const struct mr_task_change change = {.reuse = generation == 3};
        MR_AUTO(mr_claim) struct mr_claim again = {0};
        MR_AUTO_JSON json_t *view = NULL;
        MR_AUTO_JSON json_t *objects = NULL;
        struct mr_message message;
        assert_int_equal(mr_tasks_redo(test_db, test_owner, key, &change, &view, &objects, &message, NULL),
                         MR_OK);
        assert_int_equal(task_claim(id, generation, &again), MR_CLAIM_OURS);
        assert_int_equal(again.reuse, generation == 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_result_comes_with_its_outputs),
        cmocka_unit_test(all_has_to_be_the_same),
        cmocka_unit_test(a_filmstrip_belongs_to_a_name),
        cmocka_unit_test(empty_options_are_none),
        cmocka_unit_test(a_task_that_has_changed_answers_nothing),
        cmocka_unit_test(other_ends_answer_nothing),
        cmocka_unit_test(the_wish_is_of_one_run),
    };
    return cmocka_run_group_tests(tests, fixture_db_setup_users, fixture_db_teardown);
}
