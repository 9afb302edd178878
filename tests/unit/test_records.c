/* The records of kind insert_records against a real PostgreSQL: exact counts, also when workers overlap, die or are late.
 */
#include "shared/base/encoding.h"
#include "shared/data/records.h"
#include "shared/data/records_rows.h"
#include "tests/unit/fixture_tasks.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static int64_t new_task(void)
{
    static const struct mr_statement make = {"test_make_task",
                                             "INSERT INTO tasks (file_id, user_id, kind, options, "
                                             "uploaded_at) VALUES (gen_random_uuid(), $1::bigint,"
                                             " 'insert_records', '{\"records\": 1}', now()) RETURNING id",
                                             1};
    struct mr_err err = {0};
    char text[MR_INT64_TEXT_MAX];
    mr_int64_text(test_owner, text);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    assert_int_equal(mr_db_exec(test_db, &make, (const char *const[]){text}, &rows, &err), MR_OK);
    return mr_rows_int64(rows, 0, "id");
}

/* The first field of what a statement about one task (its $1) gives. */
static int64_t ask(const struct mr_statement *statement, int64_t task)
{
    struct mr_err err = {0};
    char text[MR_INT64_TEXT_MAX];
    mr_int64_text(task, text);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    assert_int_equal(mr_db_exec(test_db, statement, (const char *const[]){text}, &rows, &err), MR_OK);
    return mr_rows_count(rows) ? mr_rows_int64(rows, 0, "answer") : -1;
}

static void let_lease_run_out(int64_t task)
{
    static const struct mr_statement expire = {
        "test_expire", "UPDATE tasks SET lease_expires_at = now() - interval '1 s' WHERE id = $1::bigint", 1};
    ask(&expire, task);
}

static void order_anew(int64_t task)
{
    static const struct mr_statement redo = {
        "test_redo",
        "UPDATE tasks SET generation = generation + 1, status = 'uploaded', lease_expires_at = NULL"
        " WHERE id = $1::bigint",
        1};
    ask(&redo, task);
}

static void delete_task(int64_t task)
{
    static const struct mr_statement delete = {"test_delete", "DELETE FROM tasks WHERE id = $1::bigint", 1};
    ask(&delete, task);
}

static struct mr_claim claim(int64_t task, int64_t generation)
{
    struct mr_claim claim = {0};
    assert_int_equal(task_claim(task, generation, &claim), MR_CLAIM_OURS);
    return claim;
}

static enum mr_records_state begin(const struct mr_claim *held, int64_t *done)
{
    enum mr_records_state state = MR_RECORDS_LOST;
    struct mr_err err = {0};
    assert_int_equal(mr_records_begin(test_db, held, &state, done, &err), MR_OK);
    return state;
}

static enum mr_records_state insert(const struct mr_claim *held, int64_t done, int64_t count)
{
    enum mr_records_state state = MR_RECORDS_OLD;
    struct mr_err err = {0};
    assert_int_equal(mr_records_insert(test_db, held, done, count, &state, &err), MR_OK);
    return state;
}

static void purge_all(void)
{
    struct mr_err err = {0};
    int64_t count = 0;
    for (bool any = true; any;)
        assert_int_equal(mr_records_purge_orphan(test_db, &any, &count, &err), MR_OK);
}

/* Each table holds exactly the records 1 … n, and so says the run. */
static void assert_records(int64_t task, int64_t n)
{
    static const struct mr_statement counts[] = {
        {"test_users",
         "SELECT count(*) FILTER (WHERE n BETWEEN 1 AND (SELECT count(*) FROM records.users"
         " WHERE task_id = $1::bigint)) AS answer FROM records.users WHERE task_id = $1::bigint",
         1},
        {"test_products",
         "SELECT count(*) FILTER (WHERE n BETWEEN 1 AND (SELECT count(*) FROM records.products"
         " WHERE task_id = $1::bigint)) AS answer FROM records.products WHERE task_id = $1::bigint",
         1},
        {"test_items",
         "SELECT count(*) FILTER (WHERE n BETWEEN 1 AND (SELECT count(*) FROM records.order_items"
         " WHERE task_id = $1::bigint)) AS answer FROM records.order_items WHERE task_id = $1::bigint",
         1},
    };
    static const struct mr_statement done = {
        "test_done", "SELECT done AS answer FROM records.runs WHERE task_id = $1::bigint", 1};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        assert_int_equal(ask(&counts[i], task), n > 0 ? n : 0);
    assert_int_equal(ask(&done, task), n);
}

enum { NO_RUN = -1 };

static void portions_add_up(void **state)
{
    (void)state;
    static const struct mr_statement astray = {
        "test_astray",
        "SELECT count(*) AS answer FROM records.order_items i WHERE task_id = $1::bigint AND NOT (quantity > "
        "0"
        " AND EXISTS (SELECT FROM records.users u WHERE u.task_id = i.task_id AND u.n = i.user_n)"
        " AND EXISTS (SELECT FROM records.products p WHERE p.task_id = i.task_id AND p.n = i.product_n"
        "  AND p.price_cents > 0))",
        1};
    static const int64_t portions[] = {1, 2, 997, 1500};
    int64_t task = new_task(), done = -1, sum = 0;
    MR_AUTO(mr_claim) struct mr_claim held = claim(task, 1);
    assert_int_equal(begin(&held, &done), MR_RECORDS_OURS);
    assert_int_equal(done, 0);
    for (size_t i = 0; i < sizeof portions / sizeof *portions; i++) {
        assert_int_equal(insert(&held, sum, portions[i]), MR_RECORDS_OURS);
        sum += portions[i];
        assert_records(task, sum);
    }
    assert_int_equal(ask(&astray, task), 0);
}

static void the_same_order_gives_the_same_rows(void **state)
{
    (void)state;
    static const struct mr_statement fingerprint = {
        "test_fingerprint",
        "SELECT hashtextextended((SELECT string_agg(concat_ws(' ', u.n, name, email, user_n, product_n, "
        "quantity),"
        " ',' ORDER BY u.n) FROM records.users u JOIN records.order_items o USING (task_id, n)"
        " WHERE task_id = $1::bigint), 0) AS answer",
        1};
    int64_t tasks[2] = {new_task(), new_task()}, done = 0;
    for (int i = 0; i < 2; i++) {
        MR_AUTO(mr_claim) struct mr_claim held = claim(tasks[i], 1);
        assert_int_equal(begin(&held, &done), MR_RECORDS_OURS);
        assert_int_equal(insert(&held, 0, i ? 300 : 100), MR_RECORDS_OURS);
        assert_int_equal(insert(&held, i ? 300 : 100, i ? 100 : 300), MR_RECORDS_OURS);
    }
    assert_int_equal(ask(&fingerprint, tasks[0]), ask(&fingerprint, tasks[1]));
}

static void another_attempt_goes_on_and_the_late_one_is_lost(void **state)
{
    (void)state;
    int64_t task = new_task(), done = -1;
    MR_AUTO(mr_claim) struct mr_claim first = claim(task, 1);
    assert_int_equal(begin(&first, &done), MR_RECORDS_OURS);
    assert_int_equal(insert(&first, 0, 100), MR_RECORDS_OURS);
    let_lease_run_out(task);
    MR_AUTO(mr_claim) struct mr_claim second = claim(task, 1);
    assert_int_equal(insert(&first, 100, 100), MR_RECORDS_LOST);
    assert_int_equal(begin(&first, &done), MR_RECORDS_LOST);
    assert_records(task, 100);
    assert_int_equal(begin(&second, &done), MR_RECORDS_OURS);
    assert_int_equal(done, 100);
    assert_int_equal(insert(&second, 100, 50), MR_RECORDS_OURS);
    assert_records(task, 150);
}

static void a_portion_is_inserted_once(void **state)
{
    (void)state;
    int64_t task = new_task(), done = 0;
    MR_AUTO(mr_claim) struct mr_claim held = claim(task, 1);
    assert_int_equal(insert(&held, 0, 10), MR_RECORDS_LOST); /* no run yet */
    assert_int_equal(begin(&held, &done), MR_RECORDS_OURS);
    assert_int_equal(insert(&held, 0, 10), MR_RECORDS_OURS);
    assert_int_equal(insert(&held, 0, 10), MR_RECORDS_LOST);
    assert_int_equal(insert(&held, 20, 10), MR_RECORDS_LOST);
    assert_records(task, 10);
}

/* A portion that fails leaves neither rows nor a run that is ahead of them. */
static void a_failure_midway_leaves_nothing(void **state)
{
    (void)state;
    static const struct mr_statement in_the_way = {
        "test_in_the_way", "INSERT INTO records.order_items VALUES ($1::bigint, 150, 1, 1, 1)", 1};
    static const struct mr_statement clear = {
        "test_clear", "DELETE FROM records.order_items WHERE task_id = $1::bigint AND n = 150", 1};
    int64_t task = new_task(), done = 0;
    enum mr_records_state got = MR_RECORDS_OURS;
    struct mr_err err = {0};
    MR_AUTO(mr_claim) struct mr_claim held = claim(task, 1);
    assert_int_equal(begin(&held, &done), MR_RECORDS_OURS);
    assert_int_equal(insert(&held, 0, 100), MR_RECORDS_OURS);
    ask(&in_the_way, task);
    assert_int_equal(mr_records_insert(test_db, &held, 100, 100, &got, &err), MR_CONFLICT);
    ask(&clear, task);
    assert_records(task, 100);
    assert_int_equal(insert(&held, 100, 100), MR_RECORDS_OURS);
    assert_records(task, 200);
}

static void a_new_generation_begins_anew(void **state)
{
    (void)state;
    const int64_t old = 2 * MR_RECORDS_PURGE_MAX + 1;
    int64_t task = new_task(), done = -1;
    MR_AUTO(mr_claim) struct mr_claim first = claim(task, 1);
    assert_int_equal(begin(&first, &done), MR_RECORDS_OURS);
    assert_int_equal(insert(&first, 0, old), MR_RECORDS_OURS);
    order_anew(task);
    MR_AUTO(mr_claim) struct mr_claim second = claim(task, 2);
    assert_int_equal(begin(&second, &done), MR_RECORDS_OLD);
    assert_records(task, old - MR_RECORDS_PURGE_MAX);
    assert_int_equal(begin(&second, &done), MR_RECORDS_OLD);
    assert_records(task, 1);
    assert_int_equal(begin(&second, &done), MR_RECORDS_OLD);
    assert_records(task, NO_RUN);
    assert_int_equal(begin(&second, &done), MR_RECORDS_OURS);
    assert_int_equal(done, 0);
    assert_int_equal(insert(&first, old, 5), MR_RECORDS_LOST);
    assert_int_equal(insert(&second, 0, 5), MR_RECORDS_OURS);
    assert_records(task, 5);
}

static void rows_of_a_deleted_task_are_purged_in_portions(void **state)
{
    (void)state;
    int64_t task = new_task(), other = new_task(), done = 0, count = 0;
    bool any = false;
    struct mr_err err = {0};
    MR_AUTO(mr_claim) struct mr_claim held = claim(task, 1);
    MR_AUTO(mr_claim) struct mr_claim kept = claim(other, 1);
    assert_int_equal(begin(&held, &done), MR_RECORDS_OURS);
    assert_int_equal(begin(&kept, &done), MR_RECORDS_OURS);
    assert_int_equal(insert(&held, 0, MR_RECORDS_PURGE_MAX + 7), MR_RECORDS_OURS);
    assert_int_equal(insert(&kept, 0, 7), MR_RECORDS_OURS);
    assert_int_equal(mr_records_purge_orphan(test_db, &any, &count, &err), MR_OK);
    assert_false(any);
    delete_task(task);
    assert_int_equal(insert(&held, MR_RECORDS_PURGE_MAX + 7, 1), MR_RECORDS_LOST);
    assert_int_equal(begin(&held, &done), MR_RECORDS_LOST);
    assert_int_equal(mr_records_purge_orphan(test_db, &any, &count, &err), MR_OK);
    assert_true(any && count == MR_RECORDS_PURGE_MAX);
    assert_records(task, 7);
    assert_int_equal(mr_records_purge_orphan(test_db, &any, &count, &err), MR_OK);
    assert_true(any && count == 7);
    assert_records(task, NO_RUN);
    assert_int_equal(mr_records_purge_orphan(test_db, &any, &count, &err), MR_OK);
    assert_true(!any && count == 0);
    assert_records(other, 7);
}

/* A task that is deleted before its first record leaves an empty run, which goes too. */
static void an_empty_run_is_purged(void **state)
{
    (void)state;
    int64_t task = new_task(), done = 0;
    MR_AUTO(mr_claim) struct mr_claim held = claim(task, 1);
    assert_int_equal(begin(&held, &done), MR_RECORDS_OURS);
    delete_task(task);
    purge_all();
    assert_records(task, NO_RUN);
}

enum { PORTION = 50, STEPS = 60 };

/* Inserts portion after portion until it is lost, or the run is full. */
static void *work(void *arg)
{
    const struct mr_claim *held = arg;
    enum mr_records_state state = MR_RECORDS_OURS;
    int64_t done = 0;
    struct mr_err err;
    enum mr_status status = mr_records_begin(test_db, held, &state, &done, &err);
    while (status == MR_OK && state == MR_RECORDS_OURS && done < PORTION * STEPS) {
        status = mr_records_insert(test_db, held, done, PORTION, &state, &err);
        done += PORTION;
    }
    return status == MR_OK ? NULL : arg;
}

static void wait_for_progress(int64_t task)
{
    static const struct mr_statement done = {
        "test_progress", "SELECT done AS answer FROM records.runs WHERE task_id = $1::bigint", 1};
    while (ask(&done, task) < PORTION)
        ;
}

/* Taken over in the middle of its work, the first worker adds nothing more, and nothing is there twice. */
static void a_takeover_in_the_middle(void **state)
{
    (void)state;
    int64_t task = new_task();
    pthread_t late;
    void *failed = NULL;
    MR_AUTO(mr_claim) struct mr_claim first = claim(task, 1);
    assert_int_equal(pthread_create(&late, NULL, work, &first), 0);
    wait_for_progress(task);
    let_lease_run_out(task);
    MR_AUTO(mr_claim) struct mr_claim second = claim(task, 1);
    assert_null(work(&second));
    pthread_join(late, &failed);
    assert_null(failed);
    assert_records(task, PORTION * STEPS);
}

struct portion {
    const struct mr_claim *claim;
    enum mr_records_state state;
    bool failed;
};

static void *insert_portion(void *arg)
{
    struct portion *portion = arg;
    struct mr_err err = {0};
    portion->failed = mr_records_insert(test_db, portion->claim, 0, PORTION, &portion->state, &err) != MR_OK;
    return NULL;
}

static void wait_for_blocked(int64_t task)
{
    static const struct mr_statement blocked = {"test_blocked",
                                                "SELECT count(*) AS answer FROM pg_stat_activity WHERE "
                                                "$1::bigint > 0 AND datname = current_database()"
                                                " AND wait_event = 'transactionid'",
                                                1};
    while (ask(&blocked, task) < 1)
        ;
}

/* The late worker has found the lease to be its own, and waits for the rows of the next one, which are there first. */
static void a_takeover_between_look_and_insert(void **state)
{
    (void)state;
    static const struct mr_statement advance = {
        "test_advance", "UPDATE records.runs SET done = $2::bigint WHERE task_id = $1::bigint", 2};
    int64_t task = new_task(), done = 0;
    char task_text[MR_INT64_TEXT_MAX], portion_text[MR_INT64_TEXT_MAX];
    pthread_t late;
    struct mr_err err = {0};
    struct mr_db_tx *tx = NULL;
    MR_AUTO(mr_claim) struct mr_claim first = claim(task, 1);
    struct portion portion = {.claim = &first, .state = MR_RECORDS_OURS};
    assert_int_equal(begin(&first, &done), MR_RECORDS_OURS);
    assert_int_equal(mr_db_begin(test_db, &tx, &err), MR_OK);
    assert_int_equal(mr_records_copy(tx, task, 1, PORTION, &err), MR_OK);
    assert_int_equal(pthread_create(&late, NULL, insert_portion, &portion), 0);
    wait_for_blocked(task);
    let_lease_run_out(task);
    MR_AUTO(mr_claim) struct mr_claim second = claim(task, 1);
    mr_int64_text(task, task_text);
    mr_int64_text(PORTION, portion_text);
    assert_int_equal(mr_db_tx_exec(tx, &advance, (const char *const[]){task_text, portion_text}, NULL, &err),
                     MR_OK);
    assert_int_equal(mr_db_commit(&tx, &err), MR_OK);
    pthread_join(late, NULL);
    assert_true(!portion.failed && portion.state == MR_RECORDS_LOST);
    assert_int_equal(begin(&second, &done), MR_RECORDS_OURS);
    assert_int_equal(done, PORTION);
    assert_records(task, PORTION);
}

static void a_deletion_in_the_middle(void **state)
{
    (void)state;
    int64_t task = new_task();
    pthread_t worker;
    void *failed = NULL;
    MR_AUTO(mr_claim) struct mr_claim held = claim(task, 1);
    assert_int_equal(pthread_create(&worker, NULL, work, &held), 0);
    wait_for_progress(task);
    delete_task(task);
    purge_all(); /* while the worker may still be at it */
    pthread_join(worker, &failed);
    assert_null(failed);
    assert_records(task, NO_RUN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(portions_add_up),
        cmocka_unit_test(the_same_order_gives_the_same_rows),
        cmocka_unit_test(another_attempt_goes_on_and_the_late_one_is_lost),
        cmocka_unit_test(a_portion_is_inserted_once),
        cmocka_unit_test(a_failure_midway_leaves_nothing),
        cmocka_unit_test(a_new_generation_begins_anew),
        cmocka_unit_test(rows_of_a_deleted_task_are_purged_in_portions),
        cmocka_unit_test(an_empty_run_is_purged),
        cmocka_unit_test(a_takeover_in_the_middle),
        cmocka_unit_test(a_takeover_between_look_and_insert),
        cmocka_unit_test(a_deletion_in_the_middle),
    };
    return cmocka_run_group_tests(tests, fixture_db_setup_users, fixture_db_teardown);
}
