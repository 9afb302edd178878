#include "tests/unit/fixture_db.h"

#include "shared/base/random.h"
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
        char name[32], sql[1000];
    } asked[1000];
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

/* A connection to the server, to create databases with. */
static struct mr_db *open_server(void)
{
    const char *server = getenv("TEST_DATABASE");
    if (!server) {
        fprintf(stderr, "TEST_DATABASE is not set: run the unit tests through tests/unit/run.sh\n");
        exit(1);
    }
    char admin[512];
    snprintf(admin, sizeof admin, "%s dbname=postgres", server);
    struct mr_db *db = NULL;
    struct mr_err err = {0};
    must(mr_db_open(admin, 1, &db, &err), &err);
    return db;
}

static char *conninfo_of(const char *name)
{
    char conninfo[512];
    snprintf(conninfo, sizeof conninfo, "%s dbname=%s", getenv("TEST_DATABASE"), name);
    return strdup(conninfo);
}

static void migrate(const char *name)
{
    MR_AUTO_STR char *conninfo = conninfo_of(name);
    struct mr_db *db = NULL;
    struct mr_err err = {0};
    int applied = 0;
    must(mr_db_open(conninfo, 1, &db, &err), &err);
    must(mr_db_migrate(db, mr_migrations, &applied, &err), &err);
    must(mr_db_grant(db, mr_grants_sql, &err), &err);
    mr_db_close(db);
}

/* The first program on the server makes it for all. It gets its name when it is complete. */
static void make_template(struct mr_db *server)
{
    free(fixture_db_ask(server, "SELECT pg_advisory_lock(1)"));
    MR_AUTO_STR char *count =
        fixture_db_ask(server, "SELECT count(*) AS answer FROM pg_database WHERE datname = 'migrated'");
    if (strcmp(count, "0") == 0) {
        free(fixture_db_ask(server, "CREATE DATABASE unfinished"));
        migrate("unfinished");
        free(fixture_db_ask(server, "ALTER DATABASE unfinished RENAME TO migrated"));
    }
    free(fixture_db_ask(server, "SELECT pg_advisory_unlock(1)"));
}

/* A new database like the template; returns how to connect to it. */
static char *create_from(struct mr_db *server, const char *template)
{
    char name[MR_UUID_TEXT_MAX], sql[128];
    struct mr_err err = {0};
    must(mr_uuid_generate(name, &err), &err);
    snprintf(sql, sizeof sql, "CREATE DATABASE \"%s\" TEMPLATE %s", name, template);
    free(fixture_db_ask(server, sql));
    return conninfo_of(name);
}

char *fixture_db_create(void)
{
    struct mr_db *server = open_server();
    char *conninfo = create_from(server, "template1");
    mr_db_close(server);
    return conninfo;
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
    struct mr_err err = {0};
    struct mr_db *server = open_server();
    make_template(server);
    test_conninfo = create_from(server, "migrated");
    mr_db_close(server);
    must(mr_db_open(test_conninfo, 4, &test_db, &err), &err);
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
