/* Tasks, outbox, dead letters, orphaned objects and the changes of state, against a real PostgreSQL. */
#include "shared/base/clock.h"
#include "shared/base/encoding.h"
#include "shared/base/random.h"
#include "shared/data/dead_letters.h"
#include "shared/data/leases.h"
#include "shared/data/orphans.h"
#include "shared/data/outbox.h"
#include "shared/data/task_state.h"
#include "tests/unit/fixture_tasks.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static struct mr_task_draft draft_of(int64_t user_id)
{
    struct mr_task_draft draft = {.user_id = user_id,
                                  .kind = "convert",
                                  .priority = "normal",
                                  .new_format = "mp3",
                                  .original_file = "Canción.wav",
                                  .original_format = "wav",
                                  .original_size = 123,
                                  .input_object = "inputs/x",
                                  .input_generation = 77};
    struct mr_err err = {0};
    assert_int_equal(mr_uuid_generate(draft.file_id, &err), MR_OK);
    return draft;
}

static int64_t new_task(void)
{
    struct mr_task_draft draft = draft_of(test_owner);
    const struct mr_task_draft *drafts[] = {&draft};
    json_t *view = NULL;
    struct mr_err err = {0};
    assert_int_equal(mr_tasks_insert(test_db, drafts, 1, &view, &err), MR_OK);
    int64_t id = json_integer_value(json_object_get(view, "id"));
    json_decref(view);
    return id;
}

static void inserting_twice_makes_one_task(void **state)
{
    (void)state;
    struct mr_err err = {0};
    struct mr_task_draft a = draft_of(test_owner), b = draft_of(test_owner);
    const struct mr_task_draft *drafts[] = {&a, &b};
    json_t *first[2], *second[2];
    assert_int_equal(mr_orphans_add(test_db, "inputs/x", 1000, &err), MR_OK);
    assert_int_equal(mr_tasks_insert(test_db, drafts, 2, first, &err), MR_OK);
    assert_int_equal(mr_tasks_insert(test_db, drafts, 2, second, &err), MR_OK);
    for (int i = 0; i < 2; i++) {
        assert_true(json_equal(first[i], second[i]));
        assert_text(first[i], "file_id", drafts[i]->file_id);
        json_decref(first[i]);
        json_decref(second[i]);
    }
    MR_AUTO_STR char *orphans =
        fixture_db_ask(test_db, "SELECT count(*) AS answer FROM stray_objects WHERE name = 'inputs/x'");
    assert_string_equal(orphans, "0");
}

static void a_draft_of_nobody_fails_alone(void **state)
{
    (void)state;
    struct mr_task_draft draft = draft_of(999999);
    const struct mr_task_draft *drafts[] = {&draft};
    json_t *view = NULL;
    struct mr_err err = {0};
    assert_int_equal(mr_tasks_insert(test_db, drafts, 1, &view, &err), MR_UNAUTHENTICATED);
    assert_string_equal(err.message, "token rejected: its user no longer exists");
    assert_null(view);
}

static void a_new_task_shows_every_field(void **state)
{
    (void)state;
    MR_AUTO_JSON json_t *view = task_view_of(new_task());
    static const struct {
        const char *key, *text;
    } texts[] = {{"kind", "convert"},
                 {"status", "uploaded"},
                 {"new_format", "mp3"},
                 {"priority", "normal"},
                 {"original_format", "wav"},
                 {"original_file", "Canción.wav"},
                 {"uploaded_filename", "Canción.wav"},
                 {"processed_at", NULL},
                 {"processed_file", NULL},
                 {"url", NULL},
                 {"callback_url", NULL},
                 {"result", NULL}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_text(view, texts[i].key, texts[i].text);
    assert_int_equal(json_integer_value(json_object_get(view, "original_size")), 123);
    assert_int_equal(json_integer_value(json_object_get(view, "user_id")), test_owner);
    assert_int_equal(json_array_size(json_object_get(view, "outputs")), 0);
    assert_true(json_is_array(json_object_get(view, "deliveries")));
    assert_true(json_is_null(json_object_get(view, "error")));
    const char *uploaded = json_string_value(json_object_get(view, "uploaded_at"));
    assert_int_equal(strlen(uploaded), strlen("2026-01-31T23:59:59.123456Z"));
    assert_int_equal(uploaded[26], 'Z');
}

static void keys_that_find_nothing(void **state)
{
    (void)state;
    int64_t id = new_task();
    char own[MR_INT64_TEXT_MAX];
    mr_int64_text(id, own);
    const struct {
        int64_t user;
        const char *key;
    } table[] = {{test_other, own},
                 {test_owner, "999999999"},
                 {test_owner, "0"},
                 {test_owner, "-1"},
                 {test_owner, "1; DROP TABLE tasks"},
                 {test_owner, ""},
                 {test_owner, "99999999999999999999"},
                 {test_owner, "01234567-0123-0123-0123-0123456789ab"}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct mr_err err = {0};
        json_t *view = NULL;
        struct mr_output output;
        assert_int_equal(mr_tasks_get(test_db, table[i].user, table[i].key, &view, &err), MR_NOT_FOUND);
        assert_int_equal(mr_outputs_find(test_db, table[i].user, table[i].key, 0, &output, &err),
                         MR_NOT_FOUND);
        assert_int_equal(mr_tasks_delete(test_db, table[i].user, table[i].key, &view, &err), MR_NOT_FOUND);
    }
}

static int64_t page_id(const struct mr_task_page *page, int index)
{
    struct mr_err err = {0};
    MR_AUTO_JSON json_t *view = NULL;
    assert_int_equal(mr_task_page_view(page, index, &view, &err), MR_OK);
    return json_integer_value(json_object_get(view, "id"));
}

static void lists_page_in_both_orders(void **state)
{
    (void)state;
    int64_t reader = fixture_db_user(test_db, "reader"), ids[3];
    for (int i = 0; i < 3; i++) {
        struct mr_task_draft draft = draft_of(reader);
        const struct mr_task_draft *drafts[] = {&draft};
        json_t *view = NULL;
        struct mr_err err = {0};
        assert_int_equal(mr_tasks_insert(test_db, drafts, 1, &view, &err), MR_OK);
        ids[i] = json_integer_value(json_object_get(view, "id"));
        json_decref(view);
    }
    const struct {
        struct mr_task_filter filter;
        size_t count;
        int64_t first;
    } table[] = {
        {{.max = 10}, 3, ids[0]},
        {{.max = 2}, 2, ids[0]},
        {{.max = 2, .after = ids[1]}, 1, ids[2]},
        {{.max = 10, .falling = true}, 3, ids[2]},
        {{.max = 2, .falling = true, .after = ids[2]}, 2, ids[1]},
        {{.max = 10, .falling = true, .after = ids[0]}, 0, 0},
        {{.max = 10, .status = "uploaded"}, 3, ids[0]},
        {{.max = 10, .status = "failed"}, 0, 0},
        {{.max = 10, .statuses = "failed,uploaded"}, 3, ids[0]},
        {{.max = 10, .statuses = "failed,processed"}, 0, 0},
        {{.max = 2, .kind = "convert"}, 2, ids[0]},
        {{.max = 2, .kind = "convert", .after = ids[1]}, 1, ids[2]},
        {{.max = 2, .kind = "convert", .falling = true}, 2, ids[2]},
        {{.max = 2, .kind = "convert", .falling = true, .after = ids[2]}, 2, ids[1]},
        {{.max = 10, .kind = "probe"}, 0, 0},
        {{.max = 10, .format = "mp3"}, 3, ids[0]},
        {{.max = 10, .format = "wav"}, 0, 0},
        {{.max = 10, .name = "%"}, 0, 0},
        {{.max = 10, .created_before = "2020-01-01"}, 0, 0},
        {{.max = 10, .created_after = "2020-01-01T00:00:00Z"}, 3, ids[0]},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        MR_AUTO(mr_task_page) struct mr_task_page *page = NULL;
        struct mr_err err = {0};
        assert_int_equal(mr_tasks_list(test_db, reader, &table[i].filter, &page, &err), MR_OK);
        assert_int_equal(mr_task_page_count(page), table[i].count);
        assert_int_equal(mr_task_page_next(page) != 0, (int64_t)table[i].count == table[i].filter.max);
        if (table[i].count)
            assert_int_equal(page_id(page, 0), table[i].first);
        int64_t all = -1;
        assert_int_equal(mr_tasks_count(test_db, reader, &table[i].filter, &all, &err), MR_OK);
        assert_true(all == 0 || all == 3);
        assert_true(all >= (int64_t)table[i].count);
    }
}

/* Tasks with long options; returns the id of the first. */
static int64_t long_tasks(int64_t user, int count, int bytes)
{
    static const struct mr_statement insert = {
        "long_tasks",
        "WITH made AS (INSERT INTO tasks (file_id, user_id, new_format, options, receipt, status)"
        " SELECT gen_random_uuid(), $1::bigint, 'mp3', jsonb_build_object('long', repeat('x', $3::int)),"
        " jsonb_build_object('kept', repeat('y', 200000)), 'processed' FROM generate_series(1, $2::int)"
        " RETURNING id) SELECT min(id) AS first FROM made",
        3};
    char owner[MR_INT64_TEXT_MAX], number[MR_INT64_TEXT_MAX], length[MR_INT64_TEXT_MAX];
    struct mr_err err = {0};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    mr_int64_text(user, owner);
    mr_int64_text(count, number);
    mr_int64_text(bytes, length);
    assert_int_equal(mr_db_exec(test_db, &insert, (const char *const[]){owner, number, length}, &rows, &err),
                     MR_OK);
    return mr_rows_int64(rows, 0, "first");
}

/* Bytes of all tasks of a page as JSON. */
static size_t page_bytes(const struct mr_task_page *page)
{
    size_t bytes = 0;
    for (int i = 0; i < mr_task_page_count(page); i++) {
        struct mr_err err = {0};
        MR_AUTO_JSON json_t *view = NULL;
        assert_int_equal(mr_task_page_view(page, i, &view, &err), MR_OK);
        assert_null(json_object_get(view, "receipt"));
        bytes += json_dumpb(view, NULL, 0, MR_JSON_FLAGS);
    }
    return bytes;
}

/* The usual thousand tasks still fit on one page. */
static void a_page_holds_a_thousand_usual_tasks(void **state)
{
    (void)state;
    enum { THOUSAND = 1000, OPTIONS = 10 };
    int64_t user = fixture_db_user(test_db, "usual");
    long_tasks(user, THOUSAND, OPTIONS);
    run_sql("WITH made AS (INSERT INTO outputs SELECT t.id, 0, 'of-usual/' || t.id, 1, 'Song.mp3', 'mp3', "
            "'audio/mpeg', 9"
            " FROM tasks t JOIN users u ON u.id = t.user_id WHERE u.username = 'usual' RETURNING 1)"
            " SELECT (count(*) = 1000)::int AS answer FROM made");
    const struct mr_task_filter filter = {.max = THOUSAND};
    MR_AUTO(mr_task_page) struct mr_task_page *page = NULL;
    struct mr_err err = {0};
    assert_int_equal(mr_tasks_list(test_db, user, &filter, &page, &err), MR_OK);
    assert_int_equal(mr_task_page_count(page), THOUSAND);
    assert_true(page_bytes(page) < MR_TASK_PAGE_BYTES);
}

/* Each task stands on one page, and no page is longer than the bound and a task. */
static void pages_are_bounded_in_bytes(void **state)
{
    (void)state;
    enum { SMALL = 1000, LARGE = 30000, HUGE_ONE = 3 << 20, COUNT = 80 };
    static const int sizes[] = {SMALL, LARGE, HUGE_ONE};
    static const int counts[] = {COUNT, COUNT, 2};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int falling = 0; falling < 2; falling++) {
            char name[] = {'l', (char)('0' + i), (char)('0' + falling), 0};
            int64_t user = fixture_db_user(test_db, name), first = long_tasks(user, counts[i], sizes[i]);
            struct mr_task_filter filter = {.max = 1000, .falling = falling};
            int seen = 0;
            for (bool more = true; more;) {
                MR_AUTO(mr_task_page) struct mr_task_page *page = NULL;
                struct mr_err err = {0};
                assert_int_equal(mr_tasks_list(test_db, user, &filter, &page, &err), MR_OK);
                int count = mr_task_page_count(page);
                for (int row = 0; row < count; row++, seen++)
                    assert_int_equal(page_id(page, row), first + (falling ? counts[i] - 1 - seen : seen));
                assert_true(page_bytes(page) <= MR_TASK_PAGE_BYTES + (size_t)sizes[i] + 2000);
                more = mr_task_page_next(page) != 0;
                assert_true(count > 0 || !more);
                if (count)
                    filter.after = page_id(page, count - 1);
            }
            assert_int_equal(seen, counts[i]);
        }
}

static void a_deleted_task_hands_over_its_objects(void **state)
{
    (void)state;
    int64_t id = new_task();
    MR_AUTO(mr_claim) struct mr_claim claim = {0};
    struct mr_err err = {0};
    char key[MR_INT64_TEXT_MAX];
    mr_int64_text(id, key);
    assert_int_equal(task_claim(id, 1, &claim), MR_CLAIM_OURS);
    assert_true(task_commit(&claim, "results/deleted"));
    MR_AUTO_JSON json_t *objects = NULL;
    assert_int_equal(mr_tasks_delete(test_db, test_owner, key, &objects, &err), MR_OK);
    assert_int_equal(json_array_size(objects), 2);
    MR_AUTO_JSON json_t *due = NULL;
    assert_int_equal(mr_orphans_due(test_db, 100, &due, &err), MR_OK);
    assert_int_equal(json_array_size(due), 2);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(mr_orphans_forget(test_db, json_string_value(json_array_get(due, i)), &err), MR_OK);
    MR_AUTO_JSON json_t *after = NULL;
    assert_int_equal(mr_orphans_due(test_db, 100, &after, &err), MR_OK);
    assert_int_equal(json_array_size(after), 0);
}

static void a_running_task_that_is_deleted_is_lost(void **state)
{
    (void)state;
    int64_t id = new_task();
    MR_AUTO(mr_claim) struct mr_claim claim = {0};
    struct mr_err err = {0};
    char key[MR_INT64_TEXT_MAX];
    bool ours = true;
    mr_int64_text(id, key);
    assert_int_equal(task_claim(id, 1, &claim), MR_CLAIM_OURS);
    MR_AUTO_JSON json_t *objects = NULL;
    assert_int_equal(mr_tasks_delete(test_db, test_owner, key, &objects, &err), MR_OK);
    assert_int_equal(mr_lease_heartbeat(test_db, &claim, 60, 0, &ours, &err), MR_OK);
    assert_false(ours);
    assert_false(task_commit(&claim, "results/orphan"));
    assert_int_equal(mr_orphans_forget(test_db, "inputs/x", &err), MR_OK);
}

static size_t due_of_lane(int64_t id, bool high)
{
    struct mr_message due[200];
    size_t count = 0, found = 0;
    struct mr_err err = {0};
    assert_int_equal(mr_outbox_due(test_db, high, 600, due, 200, &count, &err), MR_OK);
    for (size_t i = 0; i < count; i++) {
        assert_true(due[i].high == high);
        if (due[i].task_id != id)
            continue;
        assert_string_equal(due[i].kind, "convert");
        assert_int_equal(due[i].generation, 1);
        found++;
    }
    return found;
}

static size_t due_count(int64_t id)
{
    return due_of_lane(id, false);
}

static void the_outbox_owes_what_was_not_heard_of(void **state)
{
    (void)state;
    int64_t id = new_task();
    struct mr_err err = {0};
    const struct mr_message sent = {.kind = "convert", .task_id = id, .generation = 1};
    const struct mr_message other = {.kind = "convert", .task_id = id, .generation = 2};
    assert_int_equal(due_count(id), 0); /* admission is about to publish it */
    task_set(id, "uploaded_at = now() - interval '6 s'");
    assert_int_equal(due_count(id), 1);
    assert_int_equal(mr_outbox_mark(test_db, &other, 1, &err), MR_OK); /* of another request: has no effect */
    assert_int_equal(due_count(id), 1);
    assert_int_equal(mr_outbox_mark(test_db, &sent, 1, &err), MR_OK);
    assert_int_equal(due_count(id), 0);
    task_set(id, "published_at = now() - interval '601 s'");
    assert_int_equal(due_count(id), 1);
    assert_int_equal(mr_outbox_mark(test_db, &sent, 1, &err), MR_OK);
    MR_AUTO(mr_claim) struct mr_claim claim = {0};
    assert_int_equal(task_claim(id, 1, &claim), MR_CLAIM_OURS);
    assert_int_equal(due_count(id), 0);
    task_set(id, "published_at = now() - interval '30 s', lease_expires_at = now() - interval '1 s'");
    assert_int_equal(due_count(id), 1);
    assert_int_equal(mr_outbox_mark(test_db, &sent, 1, &err), MR_OK);
    assert_int_equal(due_count(id), 0);
}

/* Sets how far the lane has come, and since when. */
static void set_front(const char *front, const char *changed)
{
    char sql[300];
    snprintf(sql, sizeof sql,
             "UPDATE lanes SET front = now() - interval '%s', changed_at = now() - interval '%s'"
             " WHERE priority = 'normal' RETURNING 1 AS answer",
             front, changed);
    run_sql(sql);
}

static void a_task_is_lost_when_the_queue_has_passed_it(void **state)
{
    (void)state;
    int64_t id = new_task();
    struct mr_err err = {0};
    task_set(id, "uploaded_at = now() - interval '3 h', published_at = now() - interval '2 h'");
    set_front("2 h", "0 s"); /* workers receive messages as old as its own */
    assert_int_equal(due_count(id), 0);
    set_front("115 min", "0 s"); /* newer, by less than the 600 s */
    assert_int_equal(due_count(id), 0);
    set_front("109 min", "0 s");
    assert_int_equal(due_count(id), 1);
    set_front("115 min", "601 s"); /* nothing newer arrives */
    assert_int_equal(due_count(id), 1);
    assert_int_equal(mr_outbox_heard(test_db, false, 1, &err), MR_OK); /* older than the front: no news */
    assert_int_equal(due_count(id), 1);
    assert_int_equal(mr_outbox_heard(test_db, false, mr_time_now_us() / 1000000 - 6800, &err), MR_OK);
    assert_int_equal(due_count(id), 0);
    task_set(id, "published_at = now() - interval '601 s'"); /* has waited for much longer: a longer pause */
    set_front("0 s", "0 s");
    assert_int_equal(due_count(id), 0);
}

static void a_run_gets_each_task_once(void **state)
{
    (void)state;
    enum { TASKS = 250, BATCH = 60 };
    struct mr_message due[BATCH];
    struct mr_err err = {0};
    size_t count = BATCH, total = 0, seen[2] = {0};
    for (int i = 0; i < TASKS; i++)
        (void)new_task();
    run_sql("WITH late AS (UPDATE tasks SET published_at = now() - interval '2 h', uploaded_at = now() - "
            "interval '3 h'"
            " WHERE id IN (SELECT id FROM tasks ORDER BY id DESC LIMIT 250) RETURNING 1) SELECT (count(*) = "
            "250)::int"
            " AS answer FROM late");
    for (int stands = 0; stands < 2; stands++) {
        set_front(stands ? "115 min" : "0 s", stands ? "1 h" : "0 s");
        for (count = BATCH, total = 0; count == BATCH; total += count) {
            assert_int_equal(mr_outbox_due(test_db, false, 600, due, BATCH, &count, &err), MR_OK);
            assert_int_equal(mr_outbox_mark(test_db, due, count, &err), MR_OK);
        }
        seen[stands] = total;
    }
    assert_in_range(seen[0], TASKS, TASKS + 50); /* and tasks of other tests */
    assert_in_range(seen[1], 0, 50);
}

static void a_dead_letter_fails_only_what_has_waited_for_too_long(void **state)
{
    (void)state;
    struct mr_err err = {0};
    int64_t interrupted = new_task(), released = new_task(), old = new_task(), running = new_task();
    MR_AUTO(mr_claim) struct mr_claim a = {0};
    MR_AUTO(mr_claim) struct mr_claim b = {0};
    task_set(interrupted,
             "attempts = 1, interruptions = 1, published_at = now()"); /* a kill, then a full queue */
    assert_int_equal(task_claim(released, 1, &a), MR_CLAIM_OURS);
    assert_true(task_start(&a) && task_release(&a, MR_RELEASE_KILL));
    task_set(released, "published_at = now()");
    assert_int_equal(task_claim(running, 1, &b), MR_CLAIM_OURS);
    task_set(running, "uploaded_at = now() - interval '25 h'");
    task_set(old, "uploaded_at = now() - interval '25 h'");
    const struct {
        int64_t id;
        const char *after;
    } table[] = {{interrupted, "uploaded"}, {released, "uploaded"}, {old, "failed"}, {running, "processing"}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct mr_message message = {.kind = "convert", .task_id = table[i].id, .generation = 1};
        assert_int_equal(mr_dead_letter_accept(test_db, &message, 86400, &err), MR_OK);
        assert_state(table[i].id, table[i].after);
        char key[MR_INT64_TEXT_MAX];
        mr_int64_text(table[i].id, key);
        assert_answer("t", "SELECT published_at IS NULL FROM tasks WHERE id = ", key);
    }
}

static void the_database_allows_certain_changes_of_state(void **state)
{
    (void)state;
    static const bool allowed[MR_TASK_STATES][MR_TASK_STATES] = {
        [MR_TASK_AWAITING_UPLOAD] =
            {[MR_TASK_UPLOADED] = true, [MR_TASK_FAILED] = true, [MR_TASK_CANCELED] = true},
        [MR_TASK_UPLOADED] =
            {[MR_TASK_PROCESSING] = true, [MR_TASK_FAILED] = true, [MR_TASK_CANCELED] = true},
        [MR_TASK_PROCESSING] = {[MR_TASK_PROCESSED] = true,
                                [MR_TASK_FAILED] = true,
                                [MR_TASK_CANCELED] = true,
                                [MR_TASK_UPLOADED] = true},
        [MR_TASK_PROCESSED] = {[MR_TASK_UPLOADED] = true},
        [MR_TASK_FAILED] = {[MR_TASK_UPLOADED] = true},
        [MR_TASK_CANCELED] = {[MR_TASK_UPLOADED] = true},
    };
    static const struct mr_statement ask = {"transition",
                                            "SELECT task_transition_allowed($1, $2)::int AS allowed", 2};
    for (int before = 0; before < MR_TASK_STATES; before++)
        for (int after = 0; after < MR_TASK_STATES; after++) {
            const char *const names[] = {mr_task_state_name((enum mr_task_state)before),
                                         mr_task_state_name((enum mr_task_state)after)};
            struct mr_err err = {0};
            MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
            assert_int_equal(mr_db_exec(test_db, &ask, names, &rows, &err), MR_OK);
            assert_int_equal(mr_rows_int64(rows, 0, "allowed"), allowed[before][after]);
        }
}

static void the_database_refuses_a_forbidden_way(void **state)
{
    (void)state;
    static const struct mr_statement jump = {
        "jump", "UPDATE tasks SET status = 'processed' WHERE id = $1::bigint AND status = 'uploaded'", 1};
    static const struct mr_statement back = {
        "back", "UPDATE tasks SET status = 'uploaded' WHERE id = $1::bigint AND status = 'processed'", 1};
    char id[MR_INT64_TEXT_MAX];
    struct mr_err err = {0};
    int64_t task = new_task();
    mr_int64_text(task, id);
    assert_int_equal(mr_db_exec(test_db, &jump, (const char *const[]){id}, NULL, &err), MR_INVALID);
    MR_AUTO(mr_claim) struct mr_claim claim = {0};
    assert_int_equal(task_claim(task, 1, &claim), MR_CLAIM_OURS);
    assert_true(task_commit(&claim, "results/final"));
    assert_int_equal(mr_db_exec(test_db, &back, (const char *const[]){id}, NULL, &err), MR_INVALID);
}

static void states_have_names(void **state)
{
    (void)state;
    enum mr_task_state parsed;
    for (int i = 0; i < MR_TASK_STATES; i++) {
        assert_true(mr_task_state_parse(mr_task_state_name((enum mr_task_state)i), &parsed));
        assert_int_equal(parsed, i);
    }
    assert_false(mr_task_state_parse("done", &parsed));
    assert_true(mr_task_state_is_final(MR_TASK_CANCELED));
    assert_false(mr_task_state_is_final(MR_TASK_PROCESSING));
}

/* So that one lane's backlog, whose topic fails, does not fill the sweep's batches for both. */
static void each_priority_is_due_apart(void **state)
{
    (void)state;
    int64_t id = new_task();
    task_set(id, "uploaded_at = now() - interval '10 s'");
    assert_int_equal(due_of_lane(id, false), 1);
    assert_int_equal(due_of_lane(id, true), 0);
    task_set(id, "priority = 'high'");
    assert_int_equal(due_of_lane(id, false), 0);
    assert_int_equal(due_of_lane(id, true), 1);
}

static void a_canceled_task_keeps_its_input(void **state)
{
    (void)state;
    struct mr_task_draft draft = task_draft(test_owner);
    MR_AUTO(mr_claim) struct mr_claim claim = {0}, second = {0};
    struct mr_err err = {0};
    task_insert_new(&draft);
    MR_AUTO_JSON json_t *before = task_view(draft.file_id);
    int64_t id = json_integer_value(json_object_get(before, "id"));
    assert_int_equal(task_claim(id, 1, &claim), MR_CLAIM_OURS);
    MR_AUTO_JSON json_t *view = NULL;
    json_t *none = NULL;
    assert_int_equal(mr_tasks_cancel(test_db, test_other, draft.file_id, &none, &err), MR_NOT_FOUND);
    assert_int_equal(mr_tasks_cancel(test_db, test_owner, draft.file_id, &view, &err), MR_OK);
    assert_text(view, "status", "canceled");
    assert_false(task_start(&claim));
    assert_false(task_commit(&claim, "outputs/late"));
    MR_AUTO_JSON json_t *again = NULL;
    assert_int_equal(mr_tasks_cancel(test_db, test_owner, draft.file_id, &again, &err), MR_OK);
    run_sql("SELECT count(*) AS answer FROM tasks WHERE status = 'canceled' AND input_object IS NOT NULL");
    struct mr_task_draft ended = task_draft(test_owner);
    task_insert_new(&ended);
    MR_AUTO_JSON json_t *other = task_view(ended.file_id);
    assert_int_equal(task_claim(json_integer_value(json_object_get(other, "id")), 1, &second), MR_CLAIM_OURS);
    assert_true(task_fail(&second, "invalid_media", "no media"));
    assert_int_equal(mr_tasks_cancel(test_db, test_owner, ended.file_id, &none, &err), MR_CONFLICT);
    assert_int_equal(err.code, MR_CODE_TASK_HAS_ENDED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inserting_twice_makes_one_task),
        cmocka_unit_test(a_draft_of_nobody_fails_alone),
        cmocka_unit_test(a_new_task_shows_every_field),
        cmocka_unit_test(keys_that_find_nothing),
        cmocka_unit_test(lists_page_in_both_orders),
        cmocka_unit_test(pages_are_bounded_in_bytes),
        cmocka_unit_test(a_page_holds_a_thousand_usual_tasks),
        cmocka_unit_test(a_deleted_task_hands_over_its_objects),
        cmocka_unit_test(a_running_task_that_is_deleted_is_lost),
        cmocka_unit_test(the_outbox_owes_what_was_not_heard_of),
        cmocka_unit_test(a_task_is_lost_when_the_queue_has_passed_it),
        cmocka_unit_test(a_run_gets_each_task_once),
        cmocka_unit_test(a_dead_letter_fails_only_what_has_waited_for_too_long),
        cmocka_unit_test(the_database_allows_certain_changes_of_state),
        cmocka_unit_test(the_database_refuses_a_forbidden_way),
        cmocka_unit_test(states_have_names),
        cmocka_unit_test(each_priority_is_due_apart),
        cmocka_unit_test(a_canceled_task_keeps_its_input),
    };
    return cmocka_run_group_tests(tests, fixture_db_setup_users, fixture_db_teardown);
}
