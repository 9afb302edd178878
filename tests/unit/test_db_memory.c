/* Memory that runs out at any allocation of a call, libpq's own included: the call ends as it should or says that it has
 * failed, and the pool serves the next one. COPY is left out: for want of memory libpq waits for more of the server's answer to
 * it, until the call is due. */
#include "tests/unit/fixture_db.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

enum { MOST = 250 }; /* allocations of a call, and statements: a connection keeps 256 */

/* Counted down to the allocation that fails; -1: it has failed; 0: none is to. */
static _Atomic int64_t to_fail;

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { FAILURES_AT_LEAST = 0 }; /* a sanitizer has a malloc of its own */
#else
enum { FAILURES_AT_LEAST = 5 };

void *__libc_malloc(size_t size);               // NOLINT(bugprone-reserved-identifier)
void *__libc_calloc(size_t count, size_t size); // NOLINT(bugprone-reserved-identifier)
void *__libc_realloc(void *data, size_t size);  // NOLINT(bugprone-reserved-identifier)

static bool fails(void)
{
    if (atomic_load(&to_fail) <= 0 || atomic_fetch_sub(&to_fail, 1) != 1)
        return false;
    atomic_store(&to_fail, -1);
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *data, size_t size)
{
    return fails() ? NULL : __libc_realloc(data, size);
}
#endif

/* Returns whether the allocation that was to fail has failed. From now on none does. */
static bool end_of_failures(void)
{
    return atomic_exchange(&to_fail, 0) < 0;
}

static struct mr_statement fresh[MOST];
static char names[MOST][16];

static int setup(void **state)
{
    for (int i = 0; i < MOST; i++) {
        snprintf(names[i], sizeof names[i], "memory_%d", i);
        fresh[i] = (struct mr_statement){names[i], "INSERT INTO scarce VALUES ($1) RETURNING a AS answer", 1};
    }
    return fixture_db_setup(state);
}

static enum mr_status insert(struct mr_db *db, const char *number, const struct mr_statement *statement)
{
    struct mr_err err = {0};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    enum mr_status status = mr_db_exec(db, statement, &number, &rows, &err);
    if (status == MR_OK)
        assert_string_equal(mr_rows_text(rows, 0, "answer"), number);
    return status;
}

static enum mr_status insert_in_tx(struct mr_db *db, const char *number, const struct mr_statement *statement)
{
    struct mr_err err = {0};
    MR_AUTO(mr_db_tx) struct mr_db_tx *tx = NULL;
    MR_TRY(mr_db_begin(db, &tx, &err));
    MR_TRY(mr_db_tx_exec(tx, statement, &number, NULL, &err));
    return mr_db_commit(&tx, &err);
}

static enum mr_status open_and_insert(struct mr_db *db, const char *number,
                                      const struct mr_statement *statement)
{
    (void)db;
    struct mr_err err = {0};
    MR_AUTO(mr_db) struct mr_db *other = NULL;
    MR_TRY(mr_db_open(test_conninfo, 1, &other, &err));
    return insert(other, number, statement);
}

static int64_t count(const char *number)
{
    static const struct mr_statement ask = {"memory_count",
                                            "SELECT count(*) AS answer FROM scarce WHERE a = $1", 1};
    struct mr_err err = {0};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    assert_int_equal(mr_db_exec(test_db, &ask, &number, &rows, &err), MR_OK);
    return strtoll(mr_rows_text(rows, 0, "answer"), NULL, 10);
}

typedef enum mr_status work(struct mr_db *db, const char *number, const struct mr_statement *statement);

/* Each allocation fails once, in the first use of a statement. What reported success is there once; what failed is
 * there once at most, for the server may have done it; and the same again succeeds on the pool's one connection. */
static void at_each_allocation(work *do_work)
{
    struct mr_err err = {0};
    struct mr_db *db = NULL;
    int failed = 0;
    free(fixture_db_ask(test_db, "DROP TABLE IF EXISTS scarce"));
    free(fixture_db_ask(test_db, "CREATE TABLE scarce (a text)"));
    assert_int_equal(mr_db_open(test_conninfo, 1, &db, &err), MR_OK);
    for (int i = 0; i < MOST; i++) {
        char number[16];
        snprintf(number, sizeof number, "%d", i);
        atomic_store(&to_fail, i + 1);
        enum mr_status status = do_work(db, number, &fresh[i]);
        if (!end_of_failures()) {
            assert_int_equal(status, MR_OK);
            break;
        }
        failed++;
        int64_t before = count(number);
        assert_in_range(before, status == MR_OK ? 1 : 0, 1);
        assert_true(status == MR_OK || mr_status_is_transient(status));
        assert_int_equal(do_work(db, number, &fresh[i]), MR_OK);
        assert_int_equal(count(number), before + 1);
    }
    assert_in_range(failed, FAILURES_AT_LEAST, MOST - 1);
    mr_db_close(db);
}

static void a_statement(void **state)
{
    (void)state;
    at_each_allocation(insert);
}

static void a_transaction(void **state)
{
    (void)state;
    at_each_allocation(insert_in_tx);
}

static void a_new_connection(void **state)
{
    (void)state;
    at_each_allocation(open_and_insert);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_statement),
        cmocka_unit_test(a_transaction),
        cmocka_unit_test(a_new_connection),
    };
    return cmocka_run_group_tests(tests, setup, fixture_db_teardown);
}
