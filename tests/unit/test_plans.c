/*
 * No statement that runs while tasks are made, run, read or swept depends on the length of the queue, on the number of
 * finished tasks, or on how old PostgreSQL's statistics are: against a real PostgreSQL with many rows. Each call may read
 * a fixed number of rows, and each plan that is kept may only use indexes by key.
 */
#include "shared/base/encoding.h"
#include "shared/base/json.h"
#include "shared/data/dead_letters.h"
#include "shared/data/deliveries.h"
#include "shared/data/events.h"
#include "shared/data/idempotency.h"
#include "shared/data/operators.h"
#include "shared/data/orphans.h"
#include "shared/data/outbox.h"
#include "shared/data/outputs.h"
#include "shared/data/quota_check.h"
#include "shared/data/results.h"
#include "shared/data/uploads.h"
#include "shared/data/waiting.h"
#include "tests/unit/fixture_tasks.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

enum {
    QUEUED = 100000,
    FINISHED = 100000,
    ROUNDS = 7 /* more than PostgreSQL plans again */,
    PAGE = 100,
    LOOKED = 2500,
    PORTION = 50000
};

static const struct mr_quotas no_quotas = {.limits = {[0 ... MR_QUOTA_COUNT - 1] = INT32_MAX}};

/* Of the tasks of the rounds, and of those that answer them; many_id: the newest of these; 0 while there are none. */
enum { INPUT_BYTES = 5 };
static const struct mr_made_from made_of_many = {.is_known = true, .crc32c = 8, .engine = "x"};
static int64_t many_id;

static void ask(const char *sql)
{
    free(fixture_db_ask(test_db, sql));
}

/* Rows that are added as they would be after a long time, without the triggers. */
static void make_functions(void)
{
    ask("CREATE FUNCTION fill(owner bigint, amount bigint, state text) RETURNS void LANGUAGE sql AS $$"
        " SELECT set_config('session_replication_role', 'replica', false);"
        " INSERT INTO tasks (file_id, user_id, status, original_file, published_at, uploaded_at, created_at, "
        "event_id)"
        " SELECT gen_random_uuid(), owner, state, 'a.wav', now() - interval '1 h', now() - interval '1 h',"
        " now() - interval '1 h', nextval('task_events') FROM generate_series(1, amount);"
        " SELECT set_config('session_replication_role', 'origin', false) $$");
    ask("CREATE FUNCTION fill_deliveries() RETURNS void LANGUAGE sql AS $$"
        " SELECT set_config('session_replication_role', 'replica', false);"
        " INSERT INTO deliveries (task_id, task_user_id, generation, channel, target, status)"
        " SELECT id, user_id, 1, 'webhook', 'https://example.com/', 'sent' FROM tasks WHERE status = "
        "'processed' LIMIT 20000;"
        " SELECT set_config('session_replication_role', 'origin', false) $$");
    ask("CREATE FUNCTION fill_results(one bigint) RETURNS void LANGUAGE sql AS $$"
        " SELECT set_config('session_replication_role', 'replica', false);"
        " INSERT INTO tasks (file_id, user_id, status, new_format, original_file, original_format, "
        "original_size,"
        " input_crc32c, engine, result_hash, result_generation, receipt, processed_at, published_at, "
        "uploaded_at,"
        " created_at, event_id) SELECT gen_random_uuid(), user_id, status, new_format, original_file, "
        "original_format,"
        " original_size, input_crc32c, engine, result_hash, result_generation, receipt, now() - interval '1 "
        "h',"
        " now() - interval '1 h', now() - interval '1 h', now() - interval '1 h', nextval('task_events')"
        " FROM tasks, generate_series(1, 20000) WHERE id = one;"
        " SELECT set_config('session_replication_role', 'origin', false) $$");
    ask("CREATE FUNCTION drain() RETURNS void LANGUAGE sql AS $$"
        " SELECT set_config('session_replication_role', 'replica', false);"
        " DELETE FROM tasks WHERE status = 'uploaded';"
        " SELECT set_config('session_replication_role', 'origin', false) $$");
    ask("CREATE FUNCTION rows_read() RETURNS bigint LANGUAGE sql AS $$ SELECT (SELECT sum(seq_tup_read) FROM"
        " pg_stat_user_tables)::bigint + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes)::bigint $$");
    ask("CREATE FUNCTION pages_read() RETURNS bigint LANGUAGE sql AS $$ SELECT sum(heap_blks_read + "
        "heap_blks_hit"
        " + coalesce(idx_blks_read + idx_blks_hit, 0))::bigint FROM pg_statio_user_tables $$");
    ask("CREATE FUNCTION plans() RETURNS text LANGUAGE plpgsql AS $$ DECLARE made record; plan json; answer "
        "text := '';"
        " BEGIN PERFORM set_config('plan_cache_mode', 'force_generic_plan', true); FOR made IN SELECT name, "
        "repeat("
        "'NULL, ', cardinality(parameter_types) - 1) || 'NULL' AS nulls, cardinality(parameter_types) AS n "
        "FROM"
        " pg_prepared_statements WHERE name !~ '^(asked_|rows_|flush_)' LOOP EXECUTE format('EXPLAIN (FORMAT "
        "JSON) EXECUTE %I'"
        " || CASE WHEN made.n > 0 THEN '(' || made.nulls || ')' ELSE '' END, made.name) INTO plan;"
        " answer := answer || ',' || json_build_array(made.name, plan); END LOOP; RETURN '[' || "
        "substr(answer, 2) || ']';"
        " END $$");
}

struct reads {
    int64_t rows, pages; /* what an index reads and leaves out counts as pages only */
};

static struct reads reads_so_far(void)
{
    static const struct mr_statement flush = {"flush_statistics", "SELECT pg_stat_force_next_flush()", 0};
    static const struct mr_statement sum = {"rows_read", "SELECT rows_read() AS n, pages_read() AS pages", 0};
    MR_AUTO(mr_rows) struct mr_rows *flushed = NULL;
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    assert_int_equal(mr_db_exec(test_db, &flush, NULL, &flushed, NULL), MR_OK);
    assert_int_equal(mr_db_exec(test_db, &sum, NULL, &rows, NULL), MR_OK);
    return (struct reads){mr_rows_int64(rows, 0, "n"), mr_rows_int64(rows, 0, "pages")};
}

/* Far below what an index of 100,000 rows has. */
enum {
    PAGES_MAX = 300, /* of a call, besides some for each row */
    DEAD_MAX =
        150 /* old versions of rows, which an index keeps while another session's snapshot may see them */
};

/* Runs a call, which may read up to `most` living rows of tables and indexes. */
#define READS(most, call)                                                                                    \
    do {                                                                                                     \
        const struct reads before = reads_so_far();                                                          \
        call;                                                                                                \
        const struct reads after = reads_so_far();                                                           \
        int64_t rows = after.rows - before.rows, pages = after.pages - before.pages;                         \
        if (rows > (most) + DEAD_MAX || pages > PAGES_MAX + 6 * rows)                                        \
            fail_msg("%s: reads %" PRId64 " rows, %" PRId64 " pages: more than %d rows", #call, rows, pages, \
                     most);                                                                                  \
    } while (0)
#define DO(call) assert_int_equal(call, MR_OK)

struct round {
    int64_t id;
    char key[MR_INT64_TEXT_MAX], file_id[MR_UUID_TEXT_MAX];
    struct mr_message message;
};

static void insert(struct round *round, bool is_keyed)
{
    struct mr_task_draft draft = task_draft(test_owner), other = task_draft(test_other);
    const struct mr_task_draft *drafts[] = {&draft, &other};
    json_t *views[2] = {0};
    enum mr_quota over[2];
    struct mr_outbox_batch batch = {0};
    const int64_t settled[] = {1, 2};
    DO(mr_outbox_batch_new(&batch.id, NULL));
    batch.settled = settled, batch.settled_count = 2;
    draft.callback_url = "https://example.com/";
    draft.input_object = draft.file_id;
    other.input_object = other.file_id;
    if (is_keyed)
        draft.idempotency_key = draft.file_id, draft.request_hash = "x";
    DO(mr_tasks_insert_within(test_db, &no_quotas, &batch, drafts, 2, views, over, NULL));
    *round = (struct round){.id = json_integer_value(json_object_get(views[0], "id"))};
    round->message = (struct mr_message){.kind = "convert", .task_id = round->id, .generation = 1};
    mr_int64_text(round->id, round->key);
    snprintf(round->file_id, sizeof round->file_id, "%s", draft.file_id);
    json_decref(views[0]);
    json_decref(views[1]);
}

static void admit(struct round *round)
{
    struct mr_task_draft again = task_draft(test_owner);
    bool others = false;
    READS(150, insert(round, true));
    READS(150, insert(round, false));
    MR_AUTO_JSON json_t *view = NULL;
    snprintf(again.file_id, sizeof again.file_id, "%s", round->file_id);
    READS(60, DO(mr_idempotency_resolve(test_db, &again, &view, NULL)));
    READS(60, DO(mr_outbox_mark(test_db, &round->message, 1, NULL)));
    READS(60, DO(mr_outbox_settle(test_db, &round->id, 1, NULL)));
    READS(60, DO(mr_outbox_heard(test_db, false, 1 + round->id, NULL)));
    READS(60, DO(mr_waiting_has_others(test_db, test_owner, false, &others, NULL)));
    struct mr_message first = round->message;
    READS(60, DO(mr_waiting_exchange(test_db, &first, NULL)));
    READS(60, DO(mr_waiting_put_off(test_db, &round->message, &others, NULL)));
}

static void look_and_recall(struct round *round)
{
    struct mr_waiting waiting = {.task_id = round->id, .generation = 1};
    struct mr_message recalled[5];
    size_t count = 0;
    READS(60, DO(mr_waiting_look(test_db, &waiting, 1, NULL)));
    assert_int_equal(waiting.state, MR_WAITING_READY);
    READS(200, DO(mr_waiting_recall(test_db, false, recalled, 5, &count, NULL)));
    assert_true(count > 0);
}

/* None, whatever the table is like; and then the newest of many. */
static void look_for_results(const struct mr_claim *claim)
{
    static const struct mr_made_from none = {.crc32c = 7, .engine = "x"};
    MR_AUTO(mr_result) struct mr_result result = {0};
    MR_AUTO(mr_result) struct mr_result newest = {0};
    bool ours = false;
    READS(60, DO(mr_result_find(test_db, claim, &none, &ours, &result, NULL)));
    assert_true(ours && result.task_id == 0);
    READS(60, DO(mr_result_find(test_db, claim, &made_of_many, &ours, &newest, NULL)));
    assert_true(ours);
    assert_int_equal(newest.task_id, many_id);
}

static void run(struct round *round)
{
    MR_AUTO(mr_claim) struct mr_claim claim = {0};
    MR_AUTO(mr_claim) struct mr_claim none = {0};
    bool ours = false;
    READS(60, assert_int_equal(task_claim(round->id, 1, &claim), MR_CLAIM_OURS));
    READS(60, assert_true(task_release(&claim, MR_RELEASE_STOP)));
    mr_claim_free(&claim);
    READS(60, assert_int_equal(task_claim(round->id, 1, &claim), MR_CLAIM_OURS));
    READS(60, assert_true(task_defer(&claim)));
    mr_claim_free(&claim);
    READS(60, assert_int_equal(task_claim(round->id, 1, &claim), MR_CLAIM_OURS));
    READS(60, assert_int_equal(task_claim(round->id, 1, &none), MR_CLAIM_ELSEWHERE));
    READS(60, assert_true(task_start(&claim)));
    READS(60, DO(mr_lease_heartbeat(test_db, &claim, 60, 500, &ours, NULL)));
    READS(60, DO(mr_lease_set_input(test_db, &claim, round->file_id, 1, INPUT_BYTES, "a.wav", "wav", &ours,
                                    NULL)));
    assert_true(ours);
    look_for_results(&claim);
    READS(60, assert_true(task_commit(&claim, round->key)));
}

static void list_deliveries(const char *status)
{
    const struct mr_delivery_filter filter = {.max = PAGE, .status = status};
    MR_AUTO_JSON json_t *page = NULL;
    READS(PAGE * 12, DO(mr_deliveries_list(test_db, test_owner, &filter, &page, NULL)));
    assert_true(json_array_size(page) > 0 || status);
}

static void deliver(struct round *round)
{
    struct mr_message owed[MR_DELIVERIES_OF_TASK];
    MR_AUTO(mr_delivery) struct mr_delivery delivery = {0};
    enum mr_delivery_claim outcome;
    size_t count = 0;
    bool ours = false;
    READS(60, DO(mr_deliveries_of_task(test_db, round->id, owed, &count, NULL)));
    assert_int_equal(count, 1);
    READS(60, DO(mr_deliveries_mark(test_db, owed, 1, NULL)));
    READS(60, DO(mr_delivery_claim(test_db, owed[0].id, 60, 5, &outcome, &delivery, NULL)));
    READS(60, DO(mr_delivery_finish(test_db, &delivery, MR_DELIVERY_SENT, 0, NULL, &ours, NULL)));
    list_deliveries(NULL);
    list_deliveries("failed");
    READS(100, DO(mr_deliveries_due(test_db, 600, owed, 1, &count, NULL)));
}

static void list(int64_t user, const char *status, bool falling)
{
    const struct mr_task_filter filter = {.max = PAGE, .status = status, .falling = falling};
    MR_AUTO(mr_task_page) struct mr_task_page *page = NULL;
    DO(mr_tasks_list(test_db, user, &filter, &page, NULL));
}

static void read_lists(void)
{
    static const char *const states[] = {NULL, "uploaded", "processed", "failed", "canceled"};
    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        for (int falling = 0; falling < 2; falling++) {
            READS(PAGE * 12, list(test_owner, states[i], falling));
            READS(PAGE * 12, list(MR_EVERYBODY, states[i], falling));
        }
}

/* Of the last of three searches nothing fits: it ends at its bound. */
static void search(void)
{
    static const struct mr_task_filter filters[] = {
        {.max = PAGE, .statuses = "uploaded,failed"},
        {.max = PAGE, .status = "processed", .name = "A.W"},
        {.max = PAGE, .created_after = "2999-01-01"},
        {.max = PAGE, .created_before = "2001-01-01"},
        {.max = PAGE, .kind = "probe"},
    };
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++)
        for (int falling = 0; falling < 2; falling++)
            for (int everybody = 0; everybody < 2; everybody++) {
                struct mr_task_filter filter = filters[i];
                MR_AUTO(mr_task_page) struct mr_task_page *page = NULL;
                filter.falling = falling;
                READS(LOOKED * 2 + PAGE * 12, DO(mr_tasks_list(test_db, everybody ? MR_EVERYBODY : test_owner,
                                                               &filter, &page, NULL)));
            }
}

static void read_one(struct round *round)
{
    MR_AUTO_JSON json_t *view = NULL;
    MR_AUTO_JSON json_t *same = NULL;
    MR_AUTO(mr_output) struct mr_output output = {0};
    MR_AUTO(mr_output) struct mr_output named = {0};
    MR_AUTO(mr_task_events) struct mr_task_events events = {0};
    MR_AUTO(mr_task_events) struct mr_task_events found = {0};
    MR_AUTO(mr_task_events) struct mr_task_events later = {0};
    READS(60, DO(mr_tasks_get(test_db, test_owner, round->key, &view, NULL)));
    READS(60, DO(mr_tasks_get(test_db, test_owner, round->file_id, &same, NULL)));
    READS(60, DO(mr_outputs_find(test_db, test_owner, round->file_id, 0, &output, NULL)));
    READS(60, DO(mr_outputs_find(test_db, test_owner, "a.wav", 0, &named, NULL)));
    READS(60, DO(mr_events_read(test_db, &round->id, 1, &events, NULL)));
    READS(60, DO(mr_events_find(test_db, test_owner, round->key, &found, NULL)));
    READS(60, DO(mr_events_after(test_db, test_owner, events.items[0].event_id - 1, 0, 5, &later, NULL)));
}

static void change(struct round *round)
{
    static const struct mr_task_change none = {0};
    MR_AUTO_JSON json_t *view = NULL;
    MR_AUTO_JSON json_t *objects = NULL;
    MR_AUTO_JSON json_t *gone = NULL;
    MR_AUTO(mr_claim) struct mr_claim claim = {0};
    struct mr_message message;
    const struct mr_quota_need need = {.tasks = 1};
    READS(60, DO(mr_tasks_redo(test_db, test_owner, round->key, &none, &view, &objects, &message, NULL)));
    READS(60, DO(mr_dead_letter_accept(test_db, &message, 86400, NULL)));
    READS(60, assert_int_equal(task_claim(round->id, 2, &claim), MR_CLAIM_OURS));
    READS(60, assert_true(task_fail(&claim, "corrupt_input", "x")));
    struct mr_requeued again;
    READS(60, DO(mr_operators_requeue(test_db, round->key, &again, NULL)));
    READS(60, DO(mr_quota_check(test_db, &no_quotas, test_owner, &need, NULL)));
    READS(60, DO(mr_tasks_delete(test_db, test_owner, round->key, &gone, NULL)));
}

/* The queue is an hour old, and workers have come as far as its messages: nothing of it is lost. */
static void sweep(void)
{
    struct mr_message due[500];
    MR_AUTO_JSON json_t *names = NULL;
    size_t count = 0;
    int64_t purged = 0;
    READS(2000, DO(mr_outbox_due(test_db, false, 120, due, 500, &count, NULL)));
    assert_true(count <= 120);
    DO(mr_outbox_recover(test_db, NULL)); /* the rounds' own tasks, which are written to every index */
    READS(50, DO(mr_outbox_recover(test_db, NULL)));
    READS(50, DO(mr_outbox_due(test_db, true, 120, due, 500, &count, NULL)));
    READS(500, DO(mr_orphans_due(test_db, 200, &names, NULL)));
    READS(50, DO(mr_idempotency_purge(test_db, 1000, &purged, NULL)));
}

/* What operators ask for reads so much at most, and to requeue a task no more than to run it again. */
static void look_as_operator(void)
{
    enum { OF_LOOKED = 2 * MR_OPERATORS_LOOKED_MAX + 400 };
    const struct mr_operators_page page = {.max = PAGE};
    json_t *report = NULL;
    int64_t next = 0;
    READS(OF_LOOKED, DO(mr_operators_failures(test_db, 86400, &report, NULL)));
    json_decref(report);
    READS(OF_LOOKED, DO(mr_operators_failed(test_db, NULL, &page, &report, &next, NULL)));
    json_decref(report);
    READS(OF_LOOKED, DO(mr_operators_stuck(test_db, 600, PAGE, &report, NULL)));
    json_decref(report);
    READS(PAGE * 12, DO(mr_operators_dead_letters(test_db, &page, &report, &next, NULL)));
    json_decref(report);
    READS(200, DO(mr_operators_leases(test_db, &report, NULL)));
    json_decref(report);
    READS(60, DO(mr_operators_usage(test_db, "owner", &report, NULL)));
    json_decref(report);
}

static void play(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct round round;
        admit(&round);
        look_and_recall(&round);
        run(&round);
        deliver(&round);
        read_one(&round);
        change(&round);
        sweep();
        read_lists();
        if (i < ROUNDS / 2) { /* several times with each statement */
            search();
            look_as_operator();
        }
    }
}

/* A node of a plan that reads a table, or the part of a table that an index has, from end to end. */
static bool reads_all(const json_t *node, bool is_of_queue)
{
    const char *type = json_string_value(json_object_get(node, "Node Type"));
    const char *index = json_string_value(json_object_get(node, "Index Name"));
    if (!type)
        return false;
    if (strcmp(type, "Seq Scan") == 0)
        return strcmp(json_string_value(json_object_get(node, "Relation Name")), "task_events") != 0;
    if (index && !is_of_queue &&
        (strncmp(index, "tasks_queue", 11) == 0 || strcmp(index, "tasks_running") == 0))
        return true;
    const char *bounds = json_string_value(json_object_get(node, "Index Cond"));
    if (index && bounds && strcmp(index, "tasks_by_status") == 0)
        return !strstr(bounds, "(id ") && !strstr(bounds, "(status, id)"); /* all tasks of a status */
    return index && !bounds;
}

/* Of the reports for operators, which read a number of rows of an index (LIMIT), or what all workers do at a time. */
static bool is_report(const char *name)
{
    return strncmp(name, "operators_", 10) == 0;
}

static int count_bad(const char *name, const json_t *node, bool is_of_queue)
{
    const json_t *child = NULL;
    size_t i = 0;
    int bad = !is_report(name) && reads_all(node, is_of_queue);
    if (bad) {
        MR_AUTO_STR char *text = json_dumps(node, JSON_COMPACT);
        print_error("%s: %s\n", name, text);
    }
    json_array_foreach (json_object_get(node, "Plans"), i, child)
        bad += count_bad(name, child, is_of_queue);
    return bad;
}

/* Of the statements that look for tasks, and so may use the indexes of the queue, or order by them without a bound. */
static bool looks_for_tasks(const char *name)
{
    static const char *const names[] = {"outbox_due", "waiting_has_others", "waiting_recall"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static void check_plans(void)
{
    MR_AUTO_STR char *text = fixture_db_ask(test_db, "SELECT plans() AS answer");
    MR_AUTO_JSON json_t *plans = json_loads(text, 0, NULL);
    const json_t *plan = NULL;
    size_t i = 0;
    int bad = 0;
    assert_true(json_array_size(plans) > 40);
    json_array_foreach (plans, i, plan) {
        const char *name = json_string_value(json_array_get(plan, 0));
        const json_t *node = json_object_get(json_array_get(json_array_get(plan, 1), 0), "Plan");
        bad += count_bad(name, node, looks_for_tasks(name));
    }
    assert_int_equal(bad, 0);
}

/* A report that somebody runs meanwhile: what it may still see is not removed from the indexes. */
static void play_beside_an_old_snapshot(void)
{
    static const struct mr_statement isolate = {"isolate", "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
                                                0};
    static const struct mr_statement look = {"look", "SELECT count(*) FROM users", 0};
    struct mr_db *other = NULL;
    struct mr_db_tx *tx = NULL;
    MR_AUTO(mr_rows) struct mr_rows *set = NULL;
    MR_AUTO(mr_rows) struct mr_rows *seen = NULL;
    DO(mr_db_open(test_conninfo, 1, &other, NULL));
    DO(mr_db_begin(other, &tx, NULL));
    DO(mr_db_tx_exec(tx, &isolate, NULL, &set, NULL));
    DO(mr_db_tx_exec(tx, &look, NULL, &seen, NULL));
    play();
    DO(mr_db_commit(&tx, NULL));
    mr_db_close(other);
}

static void connect_anew(void)
{
    mr_db_close(test_db);
    DO(mr_db_open(test_conninfo, 1, &test_db, NULL));
}

/* In portions that PostgreSQL makes in time on a busy machine. */
static void fill(int64_t count, const char *status)
{
    for (; count > 0; count -= PORTION) {
        char sql[200];
        snprintf(sql, sizeof sql, "SELECT fill(%" PRId64 ", %" PRId64 ", '%s')", test_owner,
                 count < PORTION ? count : PORTION, status);
        ask(sql);
    }
}

/* A result that answers the tasks of the rounds, and many before it that would, too. */
static void fill_results(void)
{
    struct mr_task_draft draft = task_draft(test_owner);
    MR_AUTO(mr_claim) struct mr_claim claim = {0};
    char object[] = "results/many.mp3", name[] = "a.mp3", format[] = "mp3", type[] = "audio/mpeg";
    struct mr_output output = {object, 5, name, format, type, 456, false};
    MR_AUTO_JSON json_t *receipt = json_object();
    const struct mr_commit commit = {
        .outputs = &output, .count = 1, .receipt = receipt, .made = made_of_many};
    bool ours = false;
    char sql[60];
    draft.original_size = INPUT_BYTES;
    MR_AUTO_JSON json_t *view = task_insert(&draft);
    many_id = json_integer_value(json_object_get(view, "id"));
    assert_int_equal(task_claim(many_id, 1, &claim), MR_CLAIM_OURS);
    DO(mr_lease_commit(test_db, &claim, &commit, &ours, NULL));
    snprintf(sql, sizeof sql, "SELECT fill_results(%" PRId64 ")", many_id);
    ask(sql);
}

static void fill_finished(void)
{
    const char *wanted = getenv("TEST_FINISHED_TASKS");
    fill(wanted ? (int64_t)strtoll(wanted, NULL, 10) : FINISHED, "processed");
    ask("SELECT fill_deliveries()");
    fill_results();
}

static void fill_queue(void)
{
    fill(QUEUED, "uploaded");
    ask("UPDATE lanes SET front = now() - interval '59 min', changed_at = now()");
}

static int setup(void **state)
{
    fixture_db_setup_users(state);
    connect_anew();
    make_functions();
    ask("DO $$ DECLARE r record; BEGIN FOR r IN SELECT oid::regclass AS name FROM pg_class WHERE relkind = "
        "'r'"
        " AND relnamespace = 'public'::regnamespace LOOP EXECUTE format('ALTER TABLE %s SET "
        "(autovacuum_enabled = off)',"
        " r.name); END LOOP; END $$");
    return 0;
}

/* One test, because each scene takes the tables as the one before has left them. */
static void no_call_reads_more_with_a_long_queue(void **state)
{
    (void)state;
    ask("ANALYZE");
    play(); /* plans are made while the tables are small, and kept */
    check_plans();
    play_beside_an_old_snapshot();
    fill_finished();
    play();
    connect_anew();
    ask("ANALYZE"); /* with an empty queue */
    fill_queue();
    play();
    check_plans();
    ask("ANALYZE");
    play();
    check_plans();
    ask("SELECT drain()"); /* the statistics know of a long one */
    ask("VACUUM tasks");
    connect_anew();
    play();
    check_plans();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_call_reads_more_with_a_long_queue),
    };
    return cmocka_run_group_tests(tests, setup, fixture_db_teardown);
}
