#include "tests/unit/fixture_db.h"

#include "shared/base/encoding.h"
#include "shared/data/db_migrate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

char *test_conninfo;
struct mr_db *test_db;
int64_t test_owner, test_other;

static void must(enum mr_status status, const struct mr_err *err)
{
    if (status == MR_OK)
        return;
    fprintf(stderr, "test database: %s\n", err->message);
    exit(1);
}

char *fixture_db_ask(struct mr_db *db, const char *sql)
{
    /* The pool knows a statement by its address, so none is reused: they stay until the program ends. */
    static struct asked {
        struct mr_statement statement;
        char name[32], sql[600];
    } asked[100];
    static size_t count;
    assert_true(count < sizeof asked / sizeof *asked);
    struct asked *mine = &asked[count];
    snprintf(mine->name, sizeof mine->name, "asked_%zu", count++);
    snprintf(mine->sql, sizeof mine->sql, "%s", sql);
    mine->statement = (struct mr_statement){mine->name, mine->sql, 0};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    struct mr_err err = {0};
    must(mr_db_exec(db, &mine->statement, NULL, &rows, &err), &err);
    return strdup(mr_rows_count(rows) ? mr_rows_text(rows, 0, "answer") : "");
}

void fixture_db_create(char **ret_conninfo)
{
    const char *server = getenv("TEST_DATABASE");
    if (!server) {
        fprintf(stderr, "TEST_DATABASE is not set: run the unit tests through tests/unit/run.sh\n");
        exit(1);
    }
    char name[MR_UUID_TEXT_MAX], admin[512], sql[128], conninfo[512];
    struct mr_err err = {0};
    must(mr_uuid_generate(name, &err), &err);
    snprintf(admin, sizeof admin, "%s dbname=postgres", server);
    snprintf(sql, sizeof sql, "CREATE DATABASE \"%s\"", name);
    snprintf(conninfo, sizeof conninfo, "%s dbname=%s", server, name);
    struct mr_db *db = NULL;
    const struct mr_statement create = {"create", sql, 0};
    must(mr_db_open(admin, 1, &db, &err), &err);
    must(mr_db_exec(db, &create, NULL, NULL, &err), &err);
    mr_db_close(db);
    *ret_conninfo = strdup(conninfo);
}

struct mr_db *fixture_db_open(const char *conninfo)
{
    struct mr_db *db = NULL;
    struct mr_err err = {0};
    int applied = 0;
    must(mr_db_open(conninfo, 4, &db, &err), &err);
    must(mr_db_migrate(db, mr_migrations, &applied, &err), &err);
    return db;
}

int64_t fixture_db_user(struct mr_db *db, const char *name)
{
    static const struct mr_statement make = {"make_user",
                                             "INSERT INTO users (username, email, password_hash) VALUES ($1, "
                                             "$1 || '@example.com', 'x') RETURNING id",
                                             1};
    struct mr_err err = {0};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    must(mr_db_exec(db, &make, &name, &rows, &err), &err);
    return mr_rows_int64(rows, 0, "id");
}

int fixture_db_setup(void **state)
{
    (void)state;
    fixture_db_create(&test_conninfo);
    test_db = fixture_db_open(test_conninfo);
    return 0;
}

int fixture_db_setup_users(void **state)
{
    fixture_db_setup(state);
    test_owner = fixture_db_user(test_db, "owner");
    test_other = fixture_db_user(test_db, "other");
    return 0;
}

int fixture_db_teardown(void **state)
{
    (void)state;
    mr_db_close(test_db);
    free(test_conninfo);
    test_db = NULL;
    test_conninfo = NULL;
    return 0;
}
