/* Tasks that are run again with changes, and how they are found and listed, against a real PostgreSQL. */
#include "shared/base/encoding.h"
#include "shared/data/leases.h"
#include "shared/data/orphans.h"
#include "shared/media/presets.h"
#include "tests/unit/fixture_tasks.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

struct redone {
    json_t *view, *objects;
    struct mr_message message;
};

static struct redone redo(const char *key, const struct mr_task_change *change)
{
    struct redone redone = {0};
    struct mr_err err = {0};
    if (mr_tasks_redo(test_db, test_owner, key, change, &redone.view, &redone.objects, &redone.message,
                      &err) != MR_OK)
        fail_msg("%s", err.message);
    return redone;
}

static void redone_free(struct redone *redone)
{
    json_decref(redone->view);
    json_decref(redone->objects);
}
MR_DEFINE_VALUE_CLEANUP(redone, redone_free)

static void claim_it(const json_t *view, int64_t generation, struct mr_claim *claim)
{
    int64_t id = json_integer_value(json_object_get(view, "id"));
    assert_int_equal(task_claim(id, generation, claim), MR_CLAIM_OURS);
}

static bool commit(const struct mr_claim *claim, const char *object)
{
    MR_AUTO(mr_output)
    struct mr_output output = {strdup(object), 5, strdup("a.mp3"), strdup("mp3"), strdup("audio/mpeg"), 456,
                               false};
    MR_AUTO_JSON json_t *receipt = json_pack("{s:b}", "copied", 0);
    const struct mr_commit one = {.outputs = &output, .count = 1, .receipt = receipt};
    struct mr_err err = {0};
    bool ours = false;
    assert_int_equal(mr_lease_commit(test_db, claim, &one, &ours, &err), MR_OK);
    return ours;
}

static void a_finished_task_is_run_again(void **state)
{
    (void)state;
    struct mr_task_draft draft = task_draft(test_owner);
    draft.priority = "high";
    MR_AUTO_JSON json_t *view = task_insert(&draft);
    MR_AUTO(mr_claim) struct mr_claim claim = {0};
    MR_AUTO(mr_claim) struct mr_claim second = {0};
    claim_it(view, 1, &claim);
    assert_true(commit(&claim, "results/redone1"));
    MR_AUTO_JSON json_t *options = json_pack("{s:i}", "sample_rate", 8000);
    MR_AUTO(redone)
    struct redone redone =
        redo(draft.file_id, &(struct mr_task_change){.new_format = "wav", .options = options});
    assert_text(redone.view, "status", "uploaded");
    assert_text(redone.view, "new_format", "wav");
    assert_true(json_equal(json_object_get(redone.view, "options"), options));
    static const char *const cleared[] = {"processed_file", "processed_at", "receipt", "result", "error"};
    for (size_t i = 0; i < sizeof cleared / sizeof *cleared; i++)
        assert_text(redone.view, cleared[i], NULL);
    assert_int_equal(json_array_size(json_object_get(redone.view, "outputs")), 0);
    assert_int_equal(json_integer_value(json_object_get(redone.view, "attempts")), 0);
    assert_int_equal(json_array_size(redone.objects), 1);
    assert_string_equal(json_string_value(json_array_get(redone.objects, 0)), "results/redone1");
    assert_answer("t", "SELECT delete_after <= now() FROM stray_objects WHERE name = ", "results/redone1");
    assert_answer("t", "SELECT published_at IS NULL FROM tasks WHERE file_id = ", draft.file_id);
    assert_int_equal(redone.message.generation, 2);
    assert_true(redone.message.high);
    assert_string_equal(redone.message.kind, "convert");
    claim_it(view, 2, &second);
    assert_int_equal(second.attempts, 1);
    assert_true(commit(&second, "results/redone2"));
}

static void running_work_loses_its_generation(void **state)
{
    (void)state;
    struct mr_task_draft draft = task_draft(test_owner);
    MR_AUTO_JSON json_t *view = task_insert(&draft);
    MR_AUTO(mr_claim) struct mr_claim claim = {0};
    struct mr_err err = {0};
    bool ours = true;
    claim_it(view, 1, &claim);
    MR_AUTO(redone) struct redone redone = redo(draft.file_id, &(struct mr_task_change){.new_format = "ogg"});
    assert_int_equal(redone.message.generation, 2);
    assert_int_equal(mr_lease_heartbeat(test_db, &claim, 60, 500, &ours, &err), MR_OK);
    assert_false(ours);
    assert_false(commit(&claim, "results/late"));
    assert_false(task_start(&claim));
    assert_false(task_fail(&claim, "x", "y"));
    assert_false(task_release(&claim, MR_RELEASE_UNCOUNTED));
    assert_false(task_defer(&claim));
    MR_AUTO_JSON json_t *after = task_view(draft.file_id);
    assert_text(after, "status", "uploaded");
    assert_int_equal(json_integer_value(json_object_get(after, "attempts")), 0);
}

/* A change may name some fields only; the others keep their values. */
static const struct {
    const char *preset, *format, *options; /* of the task: a preset or options */
    struct {
        const char *preset, *format, *options;
    } change;
    const char *kind, *new_preset, *new_format, *new_options; /* kind NULL: refused with the next two */
    const char *code, *field;
} changes[] = {
    {NULL, "mp4", "{\"fps\":25}", {NULL, "webm", NULL}, "convert", NULL, "webm", "{\"fps\":25}", NULL, NULL},
    {NULL, "mp4", "{\"fps\":25}", {NULL, NULL, "{}"}, "convert", NULL, "mp4", "{}", NULL, NULL},
    {NULL, "mp4", "{\"fps\":25}", {NULL, "mp3", "{}"}, "convert", NULL, "mp3", "{}", NULL, NULL},
    {NULL, "mp4", "{\"fps\":25}", {NULL, "mp3", NULL}, NULL, NULL, NULL, NULL, "bad_option", "options.fps"},
    {NULL, "mp3", NULL, {NULL, NULL, "{\"fps\":25}"}, NULL, NULL, NULL, NULL, "bad_option", "options.fps"},
    {NULL, "mp4", "{\"fps\":25}", {"fpv", NULL, NULL}, "edit", "fpv", "mp4", NULL, NULL, NULL},
    {NULL, "mp3", NULL, {"idrl", NULL, NULL}, "edit", "idrl", "mp4", NULL, NULL, NULL},
    {NULL, "mp3", NULL, {"fpv", "webm", NULL}, "edit", "fpv", "webm", NULL, NULL, NULL},
    {NULL, "mp4", NULL, {"fpv", "mp3", NULL}, NULL, NULL, NULL, NULL, "wrong_format", "newFormat"},
    {"fpv", "mp4", NULL, {"idrl", NULL, NULL}, "edit", "idrl", "mp4", NULL, NULL, NULL},
    {"fpv", "mp4", NULL, {NULL, "mkv", NULL}, "edit", "fpv", "mkv", NULL, NULL, NULL},
    {"fpv", "mp4", NULL, {NULL, "wav", NULL}, NULL, NULL, NULL, NULL, "wrong_format", "newFormat"},
    {"fpv", "mp4", NULL, {NULL, "wav", "{}"}, "convert", NULL, "wav", "{}", NULL, NULL},
    {"fpv",
     "mov",
     NULL,
     {NULL, NULL, "{\"mute\":true}"},
     "convert",
     NULL,
     "mov",
     "{\"mute\":true}",
     NULL,
     NULL},
};

static json_t *options_of(const char *preset, const char *text)
{
    const struct mr_preset *found = mr_preset_find(preset);
    return found || text ? json_loads(found ? found->options : text, 0, NULL) : NULL;
}

static void check_change(size_t i)
{
    struct mr_task_draft draft = task_draft(test_owner);
    MR_AUTO_JSON json_t *before = options_of(changes[i].preset, changes[i].options);
    MR_AUTO_JSON json_t *options = options_of(NULL, changes[i].change.options);
    const struct mr_task_change change = {
        .new_format = changes[i].change.format, .preset = changes[i].change.preset, .options = options};
    draft.kind = changes[i].preset ? MR_KIND_EDIT : MR_KIND_CONVERT;
    draft.preset = changes[i].preset;
    draft.new_format = changes[i].format;
    draft.options = before;
    task_insert_new(&draft);
    if (!changes[i].kind) {
        json_t *view = NULL, *objects = NULL;
        struct mr_message message;
        struct mr_err err = {0};
        assert_int_equal(
            mr_tasks_redo(test_db, test_owner, draft.file_id, &change, &view, &objects, &message, &err),
            MR_INVALID);
        assert_string_equal(mr_code_name(err.code), changes[i].code);
        assert_ptr_equal(strstr(err.message, changes[i].field), err.message);
        assert_answer("1", "SELECT generation FROM tasks WHERE file_id = ", draft.file_id);
        return;
    }
    MR_AUTO(redone) struct redone redone = redo(draft.file_id, &change);
    MR_AUTO_JSON json_t *after = options_of(changes[i].new_preset, changes[i].new_options);
    assert_text(redone.view, "kind", changes[i].kind);
    assert_text(redone.view, "preset", changes[i].new_preset);
    assert_text(redone.view, "new_format", changes[i].new_format);
    assert_true(json_equal(json_object_get(redone.view, "options"), after));
    assert_string_equal(redone.message.kind, changes[i].kind);
}

static void a_change_is_merged_with_the_first_request(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        check_change(i);
}

static void every_state_may_be_left(void **state)
{
    (void)state;
    static const char *const states[] = {
        "status = 'uploaded'",
        "status = 'processing', lease_expires_at = now() + interval '1 min'",
        "status = 'failed', error_code = 'x', error_detail = 'y'",
        "status = 'canceled'",
    };
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        struct mr_task_draft draft = task_draft(test_owner);
        task_insert_new(&draft);
        char sql[300];
        snprintf(sql, sizeof sql, "UPDATE tasks SET %s WHERE file_id = '%s' RETURNING 1 AS answer", states[i],
                 draft.file_id);
        run_sql(sql);
        MR_AUTO(redone) struct redone redone = redo(draft.file_id, &(struct mr_task_change){0});
        assert_text(redone.view, "status", "uploaded");
        assert_text(redone.view, "new_format", "mp3");
        assert_int_equal(redone.message.generation, 2);
    }
}

static void what_cannot_be_run_again(void **state)
{
    (void)state;
    struct mr_task_draft draft = task_draft(test_owner);
    const struct mr_task_change change = {.new_format = "wav"};
    task_insert_new(&draft);
    json_t *view = NULL, *objects = NULL;
    struct mr_message message;
    struct mr_err err = {0};
    const struct {
        int64_t user;
        const char *key;
    } table[] = {
        {test_other, draft.file_id}, {test_owner, "999999999"}, {test_owner, "a.wav"}, {test_owner, ""}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        assert_int_equal(
            mr_tasks_redo(test_db, table[i].user, table[i].key, &change, &view, &objects, &message, &err),
            MR_NOT_FOUND);
    char sql[300];
    snprintf(sql, sizeof sql,
             "INSERT INTO tasks (file_id, user_id, status, new_format) SELECT gen_random_uuid(), user_id,"
             " 'awaiting_upload', 'mp3' FROM tasks WHERE file_id = '%s' RETURNING file_id AS answer",
             draft.file_id);
    MR_AUTO_STR char *awaiting = fixture_db_ask(test_db, sql);
    assert_int_equal(mr_tasks_redo(test_db, test_owner, awaiting, &change, &view, &objects, &message, &err),
                     MR_CONFLICT);
    assert_string_equal(mr_code_name(err.code), "awaiting_upload");
}

static void a_result_is_found_by_the_name_of_its_upload(void **state)
{
    (void)state;
    struct mr_task_draft drafts[3] = {task_draft(test_owner), task_draft(test_owner), task_draft(test_owner)};
    char number[MR_INT64_TEXT_MAX];
    struct mr_err err = {0};
    struct mr_output output;
    drafts[0].original_file = drafts[1].original_file = "Canción – uno.mp3";
    MR_AUTO_JSON json_t *first = task_insert(&drafts[0]);
    mr_int64_text(json_integer_value(json_object_get(first, "id")), number);
    drafts[2].original_file = number; /* a name that is another task's number */
    MR_AUTO_JSON json_t *second = task_insert(&drafts[1]);
    MR_AUTO_JSON json_t *third = task_insert(&drafts[2]);
    json_t *const views[] = {first, second, third};
    for (int i = 0; i < 3; i++) {
        MR_AUTO(mr_claim) struct mr_claim claim = {0};
        char object[32];
        snprintf(object, sizeof object, "results/named%d", i);
        if (i == 1) { /* the newest of that name decides, ready or not */
            assert_int_equal(mr_outputs_find(test_db, test_owner, drafts[0].original_file, 0, &output, &err),
                             MR_INVALID);
            assert_string_equal(mr_code_name(err.code), "not_ready");
        }
        claim_it(views[i], 1, &claim);
        assert_true(commit(&claim, object));
    }
    const struct {
        const char *key, *object;
    } table[] = {{drafts[0].original_file, "results/named1"},
                 {number, "results/named0"},
                 {drafts[2].file_id, "results/named2"}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        MR_AUTO(mr_output) struct mr_output found = {0};
        assert_int_equal(mr_outputs_find(test_db, test_owner, table[i].key, 0, &found, &err), MR_OK);
        assert_string_equal(found.object, table[i].object);
    }
    assert_int_equal(mr_outputs_find(test_db, test_other, drafts[0].original_file, 0, &output, &err),
                     MR_NOT_FOUND);
    assert_int_equal(mr_outputs_find(test_db, test_owner, "no such name", 0, &output, &err), MR_NOT_FOUND);
    struct mr_task_draft last = task_draft(test_owner);
    last.original_file = "4000000000"; /* looks like a number, but no task has it */
    task_insert_new(&last);
    assert_int_equal(mr_outputs_find(test_db, test_owner, "4000000000", 0, &output, &err), MR_INVALID);
    assert_string_equal(mr_code_name(err.code), "not_ready");
}

static void tasks_of_all_users_are_listed(void **state)
{
    (void)state;
    struct mr_task_draft a = task_draft(test_owner), b = task_draft(test_other);
    task_insert_new(&a);
    task_insert_new(&b);
    for (int falling = 0; falling < 2; falling++) {
        struct mr_task_filter filter = {.max = 2, .falling = falling};
        MR_AUTO(mr_task_page) struct mr_task_page *page = NULL;
        struct mr_err err = {0};
        assert_int_equal(mr_tasks_list(test_db, MR_EVERYBODY, &filter, &page, &err), MR_OK);
        assert_int_equal(mr_task_page_count(page), 2);
        for (int i = 0; falling && i < 2; i++) {
            MR_AUTO_JSON json_t *one = NULL;
            assert_int_equal(mr_task_page_view(page, i, &one, &err), MR_OK);
            assert_text(one, "file_id", i ? a.file_id : b.file_id);
        }
    }
}

static void deliveries_of_the_current_request_are_listed(void **state)
{
    (void)state;
    struct mr_task_draft draft = task_draft(test_owner);
    draft.callback_url = "https://example.com/hook";
    draft.notify_mail = true;
    MR_AUTO_JSON json_t *view = task_insert(&draft);
    MR_AUTO(mr_claim) struct mr_claim claim = {0};
    claim_it(view, 1, &claim);
    assert_true(commit(&claim, "results/told"));
    MR_AUTO_JSON json_t *done = task_view(draft.file_id);
    const json_t *deliveries = json_object_get(done, "deliveries");
    assert_int_equal(json_array_size(deliveries), 2);
    assert_text(json_array_get(deliveries, 0), "status", "pending");
    assert_text(json_array_get(deliveries, 0), "error", NULL);
    MR_AUTO(redone) struct redone redone = redo(draft.file_id, &(struct mr_task_change){0});
    assert_int_equal(json_array_size(json_object_get(redone.view, "deliveries")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_finished_task_is_run_again),
        cmocka_unit_test(running_work_loses_its_generation),
        cmocka_unit_test(a_change_is_merged_with_the_first_request),
        cmocka_unit_test(every_state_may_be_left),
        cmocka_unit_test(what_cannot_be_run_again),
        cmocka_unit_test(a_result_is_found_by_the_name_of_its_upload),
        cmocka_unit_test(tasks_of_all_users_are_listed),
        cmocka_unit_test(deliveries_of_the_current_request_are_listed),
    };
    return cmocka_run_group_tests(tests, fixture_db_setup_users, fixture_db_teardown);
}
