/* The pool, statements, transactions, errors and migrations of shared/data/db against a real PostgreSQL. */
#include "tests/unit/fixture_db.h"

#include "shared/data/db_copy.h"
#include "shared/data/db_migrate.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void rows_have_text_null_and_numbers(void **state)
{
    (void)state;
    static const struct mr_statement s = {"types", "SELECT $1::text AS a, NULL::text AS b, -7::bigint AS c",
                                          1};
    struct mr_err err = {0};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    assert_int_equal(mr_db_exec(test_db, &s, (const char *const[]){"Ñandú"}, &rows, &err), MR_OK);
    assert_int_equal(mr_rows_count(rows), 1);
    assert_string_equal(mr_rows_text(rows, 0, "a"), "Ñandú");
    assert_true(mr_rows_is_null(rows, 0, "b"));
    assert_int_equal(mr_rows_int64(rows, 0, "c"), -7);
    assert_true(mr_rows_is_null(rows, 0, "no_such_column"));
}

static void sqlstates_become_statuses(void **state)
{
    (void)state;
    static const struct {
        struct mr_statement statement;
        enum mr_status status;
    } table[] = {
        {{"e1", "INSERT INTO stray_objects SELECT 'twice', now() FROM generate_series(1, 2)", 0},
         MR_CONFLICT},
        {{"e2", "INSERT INTO outputs VALUES (999999, 0, 'o', 1, 'f', 'f', 'c', 1)", 0}, MR_NOT_FOUND},
        {{"e3", "INSERT INTO users (username, email, password_hash) VALUES ('', 'a@b.c', 'x')", 0},
         MR_INVALID},
        {{"e4", "SELECT 'no number'::bigint", 0}, MR_INVALID},
        {{"e5", "SELECT 1 / 0", 0}, MR_INVALID},
        {{"e6", "SELECT nothing FROM users", 0}, MR_UNAVAILABLE},
        {{"e7", "SELECT * FROM no_such_table", 0}, MR_UNAVAILABLE},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct mr_err err = {0};
        assert_int_equal(mr_db_exec(test_db, &table[i].statement, NULL, NULL, &err), table[i].status);
        assert_int_equal(err.status, table[i].status);
        assert_true(strstr(err.message, "database") != NULL);
    }
}

/* A state of each class that we know: what concerns the request has no words of the server in it, because a user sees
 * it; what concerns our own parts has them and the state, for operators, and may pass. */
static void classes_of_sqlstates(void **state)
{
    (void)state;
    static const struct {
        const char *sqlstate;
        enum mr_status status;
    } table[] = {
        {"08006", MR_UNAVAILABLE}, {"0A000", MR_UNAVAILABLE}, {"21000", MR_UNAVAILABLE},
        {"22001", MR_INVALID},     {"22P02", MR_INVALID},     {"23502", MR_INVALID},
        {"23503", MR_NOT_FOUND},   {"23505", MR_CONFLICT},    {"23514", MR_INVALID},
        {"25006", MR_UNAVAILABLE}, {"26000", MR_UNAVAILABLE}, {"40001", MR_UNAVAILABLE},
        {"40P01", MR_UNAVAILABLE}, {"42501", MR_UNAVAILABLE}, {"42703", MR_UNAVAILABLE},
        {"53100", MR_UNAVAILABLE}, {"53200", MR_UNAVAILABLE}, {"53300", MR_UNAVAILABLE},
        {"54000", MR_UNAVAILABLE}, {"55000", MR_UNAVAILABLE}, {"55P03", MR_UNAVAILABLE},
        {"57014", MR_TIMEOUT},     {"57P01", MR_UNAVAILABLE}, {"57P03", MR_UNAVAILABLE},
        {"58030", MR_UNAVAILABLE}, {"P0001", MR_UNAVAILABLE}, {"XX000", MR_UNAVAILABLE},
        {"XX001", MR_UNAVAILABLE},
    };
    enum { COUNT = sizeof table / sizeof *table };
    static struct mr_statement statements[COUNT];
    static char names[COUNT][16], sql[COUNT][128];
    for (size_t i = 0; i < COUNT; i++) {
        struct mr_err err = {0};
        snprintf(names[i], sizeof names[i], "raise_%s", table[i].sqlstate);
        snprintf(sql[i], sizeof sql[i],
                 "DO $$BEGIN RAISE EXCEPTION 'relation users' USING ERRCODE = '%s'; END$$",
                 table[i].sqlstate);
        statements[i] = (struct mr_statement){names[i], sql[i], 0};
        assert_int_equal(mr_db_exec(test_db, &statements[i], NULL, NULL, &err), table[i].status);
        assert_non_null(strstr(err.message, table[i].sqlstate));
        bool is_verdict = !mr_status_is_transient(table[i].status);
        assert_true(is_verdict == !strstr(err.message, "relation users"));
    }
}

/* A pool with one connection and a table of its own. */
static struct mr_db *open_small(const char *sql)
{
    struct mr_db *small = NULL;
    struct mr_err err = {0};
    assert_int_equal(mr_db_open(test_conninfo, 1, &small, &err), MR_OK);
    free(fixture_db_ask(test_db, sql));
    return small;
}

/* As a migration does it beside running programs: PostgreSQL refuses the prepared statement (0A000). */
static void a_statement_that_a_migration_outdates_is_tried_again(void **state)
{
    (void)state;
    static const struct mr_statement all = {"outdated_all", "SELECT * FROM outdated", 0};
    static const struct mr_statement add = {"outdated_add", "INSERT INTO outdated VALUES (1)", 0};
    static const char *const changes[] = {"ALTER TABLE outdated ADD COLUMN b int",
                                          "ALTER TABLE outdated DROP COLUMN b"};
    struct mr_err err = {0};
    struct mr_db *small = open_small("CREATE TABLE outdated (a int)");
    assert_int_equal(mr_db_exec(small, &all, NULL, NULL, &err), MR_OK);
    for (size_t i = 0; i < 2; i++) {
        free(fixture_db_ask(test_db, changes[i]));
        MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
        assert_int_equal(mr_db_exec(small, &all, NULL, &rows, &err), MR_OK);
        assert_int_equal(err.status, MR_OK);
    }
    for (size_t i = 0; i < 2; i++) { /* as the first statement of a transaction */
        struct mr_db_tx *tx = NULL;
        free(fixture_db_ask(test_db, changes[i]));
        assert_int_equal(mr_db_begin(small, &tx, &err), MR_OK);
        assert_int_equal(mr_db_tx_exec(tx, &all, NULL, NULL, &err), MR_OK);
        assert_int_equal(mr_db_tx_exec(tx, &add, NULL, NULL, &err), MR_OK);
        assert_int_equal(mr_db_commit(&tx, &err), MR_OK);
    }
    /* After other work nothing is tried again: what was done before would be lost. */
    struct mr_db_tx *tx = NULL;
    free(fixture_db_ask(test_db, changes[0]));
    assert_int_equal(mr_db_begin(small, &tx, &err), MR_OK);
    assert_int_equal(mr_db_tx_exec(tx, &add, NULL, NULL, &err), MR_OK);
    assert_int_equal(mr_db_tx_exec(tx, &all, NULL, NULL, &err), MR_UNAVAILABLE);
    assert_int_equal(mr_db_tx_exec(tx, &add, NULL, NULL, &err), MR_UNAVAILABLE);
    assert_int_equal(mr_db_commit(&tx, &err), MR_UNAVAILABLE);
    assert_int_equal(mr_db_exec(small, &all, NULL, NULL, &err), MR_OK);
    MR_AUTO_STR char *count = fixture_db_ask(test_db, "SELECT count(*) AS answer FROM outdated");
    assert_string_equal(count, "2");
    mr_db_close(small);
}

/* The server has lost a prepared statement (26000), has one of its name (42P05), or has become a standby (25006): a new
 * connection helps. */
static void a_connection_that_is_out_of_date_is_replaced(void **state)
{
    (void)state;
    static const struct mr_statement add = {"replaced_add", "INSERT INTO replaced VALUES (1)", 0};
    static const struct mr_statement spoil[] = {
        {"spoil_prepared", "DEALLOCATE ALL", 0},
        {"spoil_names", "PREPARE spoil_writable AS SELECT 1", 0}, /* the name of the next */
        {"spoil_writable", "SET default_transaction_read_only = on", 0},
    };
    struct mr_err err = {0};
    struct mr_db *small = open_small("CREATE TABLE replaced (a int)");
    for (size_t i = 0; i < sizeof spoil / sizeof *spoil; i++) {
        assert_int_equal(mr_db_exec(small, &add, NULL, NULL, &err), MR_OK);
        assert_int_equal(mr_db_exec(small, &spoil[i], NULL, NULL, &err), MR_OK);
        assert_int_equal(mr_db_exec(small, &add, NULL, NULL, &err), MR_OK);
    }
    MR_AUTO_STR char *count = fixture_db_ask(test_db, "SELECT count(*) AS answer FROM replaced");
    assert_string_equal(count, "6");
    mr_db_close(small);
}

static void a_rollback_leaves_nothing(void **state)
{
    (void)state;
    static const struct mr_statement add = {"rb", "INSERT INTO stray_objects VALUES ('gone', now())", 0};
    struct mr_err err = {0};
    struct mr_db_tx *tx = NULL;
    assert_int_equal(mr_db_begin(test_db, &tx, &err), MR_OK);
    assert_int_equal(mr_db_tx_exec(tx, &add, NULL, NULL, &err), MR_OK);
    mr_db_rollback(tx);
    MR_AUTO_STR char *count =
        fixture_db_ask(test_db, "SELECT count(*) AS answer FROM stray_objects WHERE name = 'gone'");
    assert_string_equal(count, "0");
}

static void a_commit_after_a_failure_keeps_nothing(void **state)
{
    (void)state;
    static const struct mr_statement add = {"cf1", "INSERT INTO stray_objects VALUES ('half', now())", 0};
    static const struct mr_statement fail = {"cf2", "SELECT 1 / 0", 0};
    struct mr_err err = {0};
    struct mr_db_tx *tx = NULL;
    assert_int_equal(mr_db_begin(test_db, &tx, &err), MR_OK);
    assert_int_equal(mr_db_tx_exec(tx, &add, NULL, NULL, &err), MR_OK);
    assert_int_equal(mr_db_tx_exec(tx, &fail, NULL, NULL, &err), MR_INVALID);
    assert_int_equal(mr_db_commit(&tx, &err), MR_INTERNAL);
    assert_null(tx);
    MR_AUTO_STR char *count =
        fixture_db_ask(test_db, "SELECT count(*) AS answer FROM stray_objects WHERE name = 'half'");
    assert_string_equal(count, "0");
}

#define COPY_ORPHANS "COPY stray_objects FROM STDIN"

/* Whatever became of a copy: rolled back, its connection (the only one) takes the next statement. */
static void copies_that_fail(void **state)
{
    (void)state;
    static const struct mr_statement one = {"copy_one", "SELECT 1", 0};
    static const struct {
        const char *sql;
        const char *data;
        enum mr_status begin, end;
    } table[] = {
        {"COPY no_such_table FROM STDIN", "", MR_UNAVAILABLE, MR_OK},
        {"COPY nonsense", "", MR_UNAVAILABLE, MR_OK},
        {"SELECT 1", "", MR_UNAVAILABLE, MR_OK},
        {COPY_ORPHANS, "a\t2026-01-01\nb\n", MR_OK, MR_INVALID},
        {COPY_ORPHANS, "a\tno time\n", MR_OK, MR_INVALID},
        {COPY_ORPHANS, "a\t2026-01-01\na\t2026-01-01\n", MR_OK, MR_CONFLICT},
        {COPY_ORPHANS, "\\N\t2026-01-01\n", MR_OK, MR_INVALID},
    };
    struct mr_db *small = NULL;
    struct mr_err err = {0};
    assert_int_equal(mr_db_open(test_conninfo, 1, &small, &err), MR_OK);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct mr_db_tx *tx = NULL;
        assert_int_equal(mr_db_begin(small, &tx, &err), MR_OK);
        assert_int_equal(mr_db_tx_copy_begin(tx, table[i].sql, &err), table[i].begin);
        if (table[i].begin == MR_OK) {
            assert_int_equal(mr_db_tx_copy_write(tx, table[i].data, strlen(table[i].data), &err), MR_OK);
            assert_int_equal(mr_db_tx_copy_end(tx, NULL, &err), table[i].end);
        }
        assert_non_null(strstr(err.message, "database"));
        mr_db_rollback(tx);
        assert_int_equal(mr_db_exec(small, &one, NULL, NULL, &err), MR_OK);
    }
    mr_db_close(small);
}

/* Byte by byte, and twice in one transaction. */
static void a_copy_may_be_cut_anywhere(void **state)
{
    (void)state;
    static const char data[] = "cut\\tname 1\t2026-01-01\ncut\\tname 2\t2026-01-01\n";
    struct mr_err err = {0};
    struct mr_db_tx *tx = NULL;
    int64_t rows = 0;
    assert_int_equal(mr_db_begin(test_db, &tx, &err), MR_OK);
    assert_int_equal(mr_db_tx_copy_begin(tx, COPY_ORPHANS, &err), MR_OK);
    for (size_t i = 0; i < sizeof data - 1; i++)
        assert_int_equal(mr_db_tx_copy_write(tx, data + i, 1, &err), MR_OK);
    assert_int_equal(mr_db_tx_copy_end(tx, &rows, &err), MR_OK);
    assert_int_equal(rows, 2);
    assert_int_equal(mr_db_tx_copy_begin(tx, COPY_ORPHANS, &err), MR_OK);
    assert_int_equal(mr_db_tx_copy_end(tx, &rows, &err), MR_OK);
    assert_int_equal(rows, 0);
    assert_int_equal(mr_db_commit(&tx, &err), MR_OK);
    MR_AUTO_STR char *count =
        fixture_db_ask(test_db, "SELECT count(*) AS answer FROM stray_objects WHERE name ~ '^cut\\tname'");
    assert_string_equal(count, "2");
}

/* Neither a rollback nor a commit keeps what was not ended. */
static void a_copy_that_is_left_unfinished_is_dropped(void **state)
{
    (void)state;
    static const char row[] = "unfinished\t2026-01-01\n";
    struct mr_err err = {0};
    for (int commit = 0; commit <= 1; commit++) {
        struct mr_db_tx *tx = NULL;
        assert_int_equal(mr_db_begin(test_db, &tx, &err), MR_OK);
        assert_int_equal(mr_db_tx_copy_begin(tx, COPY_ORPHANS, &err), MR_OK);
        assert_int_equal(mr_db_tx_copy_write(tx, row, strlen(row), &err), MR_OK);
        if (commit)
            assert_int_equal(mr_db_commit(&tx, &err), MR_INTERNAL);
        mr_db_rollback(tx);
        MR_AUTO_STR char *count =
            fixture_db_ask(test_db, "SELECT count(*) AS answer FROM stray_objects WHERE name = 'unfinished'");
        assert_string_equal(count, "0");
    }
}

enum { PARTS = 2000, PART = 16 << 10 };

/* Writes rows until the server's refusal comes through: at a write or, at the latest, at the end. */
static enum mr_status pour(struct mr_db_tx *tx, struct mr_err *err)
{
    static char part[PART];
    memset(part, 'x', sizeof part);
    part[sizeof part - 1] = '\n'; /* a row of one column: the table has two */
    enum mr_status status = MR_OK;
    for (int i = 0; status == MR_OK && i < PARTS; i++)
        status = mr_db_tx_copy_write(tx, part, sizeof part, err);
    return status == MR_OK ? mr_db_tx_copy_end(tx, NULL, err) : status;
}

static void a_server_that_refuses_midway_says_why(void **state)
{
    (void)state;
    struct mr_err err = {0};
    struct mr_db_tx *tx = NULL;
    assert_int_equal(mr_db_begin(test_db, &tx, &err), MR_OK);
    assert_int_equal(mr_db_tx_copy_begin(tx, COPY_ORPHANS, &err), MR_OK);
    assert_int_equal(pour(tx, &err), MR_INVALID);
    assert_non_null(strstr(err.message, "22P04"));
    mr_db_rollback(tx);
}

static void a_connection_that_dies_midway_is_unavailable(void **state)
{
    (void)state;
    static const struct mr_statement me = {"copy_me", "SELECT pg_backend_pid() AS pid", 0};
    static const struct mr_statement kill_it = {"copy_kill", "SELECT pg_terminate_backend($1::int, 5000)", 1};
    struct mr_err err = {0};
    struct mr_db_tx *tx = NULL;
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    assert_int_equal(mr_db_begin(test_db, &tx, &err), MR_OK);
    assert_int_equal(mr_db_tx_exec(tx, &me, NULL, &rows, &err), MR_OK);
    assert_int_equal(mr_db_tx_copy_begin(tx, COPY_ORPHANS, &err), MR_OK);
    assert_int_equal(
        mr_db_exec(test_db, &kill_it, (const char *const[]){mr_rows_text(rows, 0, "pid")}, NULL, &err),
        MR_OK);
    assert_int_equal(pour(tx, &err), MR_UNAVAILABLE);
    assert_int_equal(mr_db_tx_copy_write(tx, "", 0, &err), MR_UNAVAILABLE);
    assert_int_equal(mr_db_tx_copy_end(tx, NULL, &err), MR_UNAVAILABLE);
    assert_int_equal(mr_db_tx_copy_begin(tx, COPY_ORPHANS, &err), MR_UNAVAILABLE);
    assert_int_equal(mr_db_commit(&tx, &err), MR_UNAVAILABLE);
}

/* A broken connection fails what was sent on it, and only that: the next statement gets a new one. */
static void a_killed_connection_is_replaced(void **state)
{
    (void)state;
    static const struct mr_statement suicide = {"die", "SELECT pg_terminate_backend(pg_backend_pid())", 0};
    static const struct mr_statement one = {"one", "SELECT 1 AS answer", 0};
    struct mr_db *small = NULL;
    struct mr_err err = {0};
    assert_int_equal(mr_db_open(test_conninfo, 1, &small, &err), MR_OK);
    assert_int_equal(mr_db_exec(small, &one, NULL, NULL, &err), MR_OK);
    assert_int_equal(mr_db_exec(small, &suicide, NULL, NULL, &err), MR_UNAVAILABLE);
    assert_int_equal(mr_db_exec(small, &one, NULL, NULL, &err), MR_OK);
    mr_db_close(small);
}

/* One that was closed while it lay idle is noticed before anything is sent on it. */
static void an_idle_connection_that_died_is_noticed(void **state)
{
    (void)state;
    static const struct mr_statement me = {"me", "SELECT pg_backend_pid() AS pid", 0};
    static const struct mr_statement kill_it = {"kill_it", "SELECT pg_terminate_backend($1::int, 5000)", 1};
    struct mr_db *small = NULL;
    struct mr_err err = {0};
    assert_int_equal(mr_db_open(test_conninfo, 1, &small, &err), MR_OK);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    assert_int_equal(mr_db_exec(small, &me, NULL, &rows, &err), MR_OK);
    assert_int_equal(
        mr_db_exec(test_db, &kill_it, (const char *const[]){mr_rows_text(rows, 0, "pid")}, NULL, &err),
        MR_OK);
    MR_AUTO(mr_rows) struct mr_rows *again = NULL;
    assert_int_equal(mr_db_exec(small, &me, NULL, &again, &err), MR_OK);
    assert_string_not_equal(mr_rows_text(rows, 0, "pid"), mr_rows_text(again, 0, "pid"));
    mr_db_close(small);
}

static void a_database_that_is_down_is_unavailable(void **state)
{
    (void)state;
    static const struct mr_statement one = {"down", "SELECT 1", 0};
    struct mr_db *nowhere = NULL;
    struct mr_err err = {0};
    assert_int_equal(mr_db_open("host=/nonexistent user=x dbname=x", 1, &nowhere, &err), MR_OK);
    assert_int_equal(mr_db_exec(nowhere, &one, NULL, NULL, &err), MR_UNAVAILABLE);
    assert_int_equal(mr_db_exec(nowhere, &one, NULL, NULL, &err), MR_UNAVAILABLE);
    mr_db_close(nowhere);
}

enum { THREADS = 8, ROUNDS = 50 };

static void *hammer(void *arg)
{
    static const struct mr_statement count = {"hammer", "SELECT $1::bigint + 1 AS answer", 1};
    struct mr_db *shared = arg;
    for (int i = 0; i < ROUNDS; i++) {
        struct mr_err err = {0};
        MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
        if (mr_db_exec(shared, &count, (const char *const[]){"41"}, &rows, &err) != MR_OK ||
            mr_rows_int64(rows, 0, "answer") != 42)
            return arg;
    }
    return NULL;
}

static void threads_share_fewer_connections(void **state)
{
    (void)state;
    struct mr_db *small = NULL;
    struct mr_err err = {0};
    pthread_t threads[THREADS];
    assert_int_equal(mr_db_open(test_conninfo, 2, &small, &err), MR_OK);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, small), 0);
    for (int i = 0; i < THREADS; i++) {
        void *failed = NULL;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    mr_db_close(small);
}

static void *migrate(void *arg)
{
    int *applied = arg;
    struct mr_db *mine = NULL;
    struct mr_err err = {0};
    if (mr_db_open(test_conninfo, 1, &mine, &err) == MR_OK &&
        mr_db_migrate(mine, mr_migrations, applied, &err) != MR_OK)
        *applied = -1;
    mr_db_close(mine);
    return NULL;
}

static void two_migrators_apply_each_migration_once(void **state)
{
    (void)state;
    char *kept = MR_TAKE(test_conninfo);
    test_conninfo = fixture_db_create();
    pthread_t threads[2];
    int applied[2] = {0};
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, migrate, &applied[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    int total = 0;
    for (const struct mr_migration *m = mr_migrations; m->name; m++)
        total++;
    assert_true(applied[0] >= 0 && applied[1] >= 0);
    assert_int_equal(applied[0] + applied[1], total);
    free(test_conninfo);
    test_conninfo = kept;
}

static void a_bad_migration_leaves_nothing_and_says_its_name(void **state)
{
    (void)state;
    static const struct mr_migration bad[] = {{"9998_good", "CREATE TABLE from_a_good_one (x int)"},
                                              {"9999_bad", "CREATE TABLE oops ("},
                                              {NULL, NULL}};
    struct mr_err err = {0};
    int applied = 0;
    assert_int_equal(mr_db_migrate(test_db, bad, &applied, &err), MR_UNAVAILABLE);
    assert_non_null(strstr(err.message, "9999_bad"));
    MR_AUTO_STR char *left =
        fixture_db_ask(test_db, "SELECT to_regclass('from_a_good_one') IS NULL AS answer");
    assert_string_equal(left, "t");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_have_text_null_and_numbers),
        cmocka_unit_test(sqlstates_become_statuses),
        cmocka_unit_test(classes_of_sqlstates),
        cmocka_unit_test(a_statement_that_a_migration_outdates_is_tried_again),
        cmocka_unit_test(a_connection_that_is_out_of_date_is_replaced),
        cmocka_unit_test(a_rollback_leaves_nothing),
        cmocka_unit_test(a_commit_after_a_failure_keeps_nothing),
        cmocka_unit_test(copies_that_fail),
        cmocka_unit_test(a_copy_may_be_cut_anywhere),
        cmocka_unit_test(a_copy_that_is_left_unfinished_is_dropped),
        cmocka_unit_test(a_server_that_refuses_midway_says_why),
        cmocka_unit_test(a_connection_that_dies_midway_is_unavailable),
        cmocka_unit_test(a_killed_connection_is_replaced),
        cmocka_unit_test(an_idle_connection_that_died_is_noticed),
        cmocka_unit_test(a_database_that_is_down_is_unavailable),
        cmocka_unit_test(threads_share_fewer_connections),
        cmocka_unit_test(two_migrators_apply_each_migration_once),
        cmocka_unit_test(a_bad_migration_leaves_nothing_and_says_its_name),
    };
    return cmocka_run_group_tests(tests, fixture_db_setup, fixture_db_teardown);
}
