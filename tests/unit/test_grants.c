/* What the logins of web and worker may do (infra/grants.sql), in a real PostgreSQL. */
#include "shared/data/db_migrate.h"
#include "shared/data/deliveries.h"
#include "shared/data/links.h"
#include "shared/data/orphans.h"
#include "tests/unit/fixture_tasks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static struct mr_db *owner, *web, *worker;

static struct mr_db *open_as(const char *login)
{
    char conninfo[600];
    struct mr_db *db = NULL;
    struct mr_err err = {0};
    snprintf(conninfo, sizeof conninfo, "%s user=%s", test_conninfo, login);
    assert_int_equal(mr_db_open(conninfo, 2, &db, &err), MR_OK);
    return db;
}

static int setup(void **state)
{
    fixture_db_setup_users(state);
    owner = test_db;
    web = open_as("mr_web");
    worker = open_as("mr_worker");
    return 0;
}

static int teardown(void **state)
{
    mr_db_close(web);
    mr_db_close(worker);
    test_db = owner;
    return fixture_db_teardown(state);
}

/* Every table must have been thought of: a new one fails here until infra/grants.sql names it. */
static void each_login_has_these_rights(void **state)
{
    (void)state;
    static const struct mr_statement rights = {
        "rights",
        "SELECT coalesce(string_agg(line, E'\\n' ORDER BY line), '') AS answer FROM ("
        " SELECT replace(c.oid::regclass::text, 'public.', '') || ': ' || string_agg(p.name, ' ' ORDER BY "
        "p.n) AS line"
        " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,"
        " unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER'])"
        "  WITH ORDINALITY AS p (name, n)"
        " WHERE n.nspname IN ('public', 'records') AND c.relkind = 'r'"
        " AND has_table_privilege($1, c.oid, p.name) GROUP BY c.oid) lines",
        1};
    static const struct {
        const char *login, *rights;
    } table[] = {
        {"mr_web", "api_keys: SELECT INSERT UPDATE DELETE\n"
                   "dead_letters: SELECT INSERT UPDATE\n"
                   "deliveries: SELECT INSERT UPDATE\n"
                   "download_links: SELECT INSERT UPDATE DELETE\n"
                   "idempotency_keys: SELECT INSERT UPDATE DELETE\n"
                   "lanes: SELECT\n"
                   "outbox_batches: SELECT INSERT UPDATE DELETE\n"
                   "outputs: SELECT DELETE\n"
                   "pings: SELECT INSERT UPDATE DELETE\n"
                   "records.order_items: SELECT DELETE\n"
                   "records.products: SELECT DELETE\n"
                   "records.runs: SELECT UPDATE DELETE\n"
                   "records.users: SELECT DELETE\n"
                   "stray_objects: SELECT INSERT UPDATE DELETE\n"
                   "tasks: SELECT INSERT UPDATE DELETE\n"
                   "units: SELECT UPDATE\n"
                   "uploads: SELECT INSERT UPDATE DELETE\n"
                   "user_usage: SELECT\n"
                   "users: SELECT INSERT UPDATE"},
        {"mr_worker", "deliveries: SELECT INSERT UPDATE\n"
                      "download_links: INSERT\n"
                      "kept_units: SELECT DELETE\n"
                      "lanes: SELECT UPDATE\n"
                      "outputs: SELECT INSERT\n"
                      "pings: SELECT UPDATE\n"
                      "records.order_items: SELECT INSERT DELETE\n"
                      "records.products: SELECT INSERT DELETE\n"
                      "records.runs: SELECT INSERT UPDATE DELETE\n"
                      "records.users: SELECT INSERT DELETE\n"
                      "stray_objects: SELECT INSERT UPDATE DELETE\n"
                      "tasks: SELECT UPDATE\n"
                      "units: SELECT INSERT UPDATE"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct mr_err err = {0};
        MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
        assert_int_equal(mr_db_exec(owner, &rights, &table[i].login, &rows, &err), MR_OK);
        assert_string_equal(mr_rows_text(rows, 0, "answer"), table[i].rights);
    }
}

static void no_table_is_forgotten(void **state)
{
    (void)state;
    MR_AUTO_STR char *forgotten = fixture_db_ask(
        owner, "SELECT coalesce(string_agg(c.oid::regclass::text, ' '), '') AS answer FROM pg_class c"
               " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname IN ('public', 'records')"
               " AND c.relkind = 'r' AND c.relname <> 'schema_migrations'"
               " AND NOT has_any_column_privilege('mr_web', c.oid, 'SELECT')"
               " AND NOT has_any_column_privilege('mr_worker', c.oid, 'SELECT, INSERT')");
    assert_string_equal(forgotten, "");
}

/* A decoder that has taken the worker over still knows nobody's password, and changes no program's tables. */
static void what_is_refused(void **state)
{
    (void)state;
    static const struct mr_statement on_worker[] = {
        {"hash", "SELECT password_hash FROM users", 0},
        {"every_column", "SELECT users FROM users", 0},
        {"operator", "UPDATE users SET is_operator = true", 0},
        {"sessions", "SELECT session_uri FROM uploads", 0},
        {"keys", "SELECT key FROM idempotency_keys", 0},
        {"api_keys", "SELECT key_hash FROM api_keys", 0},
        {"links", "SELECT token_hash FROM download_links", 0},
        {"new_task", "INSERT INTO tasks (file_id, user_id) SELECT gen_random_uuid(), id FROM users", 0},
        {"no_task", "DELETE FROM tasks", 0},
        {"schema", "CREATE TABLE mine (x int)", 0},
        {"migrations", "SELECT name FROM schema_migrations", 0},
    };
    static const struct mr_statement on_web[] = {
        {"fake_output", "UPDATE outputs SET object = 'inputs/of-another'", 0},
        {"fake_rows", "INSERT INTO records.users VALUES (1, 1, 'x', 'y')", 0},
        {"no_user", "DELETE FROM users", 0},
        {"no_table", "DROP TABLE tasks", 0},
        {"all_tasks", "TRUNCATE tasks", 0},
        {"schema_of_web", "CREATE TABLE mine (x int)", 0},
        {"migrations_of_web", "DELETE FROM schema_migrations", 0},
        {"trigger", "ALTER TABLE tasks DISABLE TRIGGER ALL", 0},
    };
    struct mr_err err = {0};
    for (size_t i = 0; i < sizeof on_worker / sizeof *on_worker; i++)
        if (mr_db_exec(worker, &on_worker[i], NULL, NULL, &err) == MR_OK)
            fail_msg("the worker may %s", on_worker[i].sql);
    for (size_t i = 0; i < sizeof on_web / sizeof *on_web; i++)
        if (mr_db_exec(web, &on_web[i], NULL, NULL, &err) == MR_OK)
            fail_msg("web may %s", on_web[i].sql);
    MR_AUTO_STR char *users = fixture_db_ask(worker, "SELECT count(username) AS answer FROM users");
    assert_string_equal(users, "2");
}

/* A task from its request to its webhook, each step as the login that does it. */
static void the_logins_suffice(void **state)
{
    (void)state;
    struct mr_err err = {0};
    struct mr_task_draft draft = task_draft(test_owner);
    draft.callback_url = "https://example.com/hook";
    draft.notify_mail = true;
    draft.idempotency_key = "once";
    draft.request_hash = "hash";
    test_db = web;
    MR_AUTO_JSON json_t *view = task_insert(&draft);
    int64_t id = json_integer_value(json_object_get(view, "id"));
    test_db = worker;
    MR_AUTO(mr_claim) struct mr_claim claim = {0};
    bool ours = false;
    assert_int_equal(task_claim(id, 1, &claim), MR_CLAIM_OURS);
    assert_int_equal(mr_orphans_add(worker, "results/of-a-login", 60, &err), MR_OK);
    assert_int_equal(mr_lease_heartbeat(worker, &claim, 60, 10, &ours, &err), MR_OK);
    assert_true(ours && task_commit(&claim, "results/of-a-login"));
    struct mr_message owed[MR_DELIVERIES_OF_TASK];
    size_t count = 0;
    assert_int_equal(mr_deliveries_of_task(worker, id, owed, &count, &err), MR_OK);
    assert_true(count > 0);
    MR_AUTO(mr_delivery) struct mr_delivery delivery = {0};
    enum mr_delivery_claim outcome;
    assert_int_equal(mr_delivery_claim(worker, owed[0].id, 60, 3, &outcome, &delivery, &err), MR_OK);
    assert_int_equal(outcome, MR_DELIVERY_OURS);
    char token[MR_SECRET_TOKEN_MAX];
    int64_t user = 0;
    assert_int_equal(mr_link_create(worker, id, 60, token, &err), MR_OK);
    test_db = web;
    assert_int_equal(mr_link_owner(web, token, draft.file_id, &user, &err), MR_OK);
    assert_int_equal(user, test_owner);
    MR_AUTO_JSON json_t *done = task_view(draft.file_id);
    assert_text(done, "status", "processed");
    MR_AUTO_JSON json_t *objects = NULL;
    assert_int_equal(mr_tasks_delete(web, test_owner, draft.file_id, &objects, &err), MR_OK);
    test_db = owner;
}

static void granting_again_changes_nothing(void **state)
{
    (void)state;
    static const char before[] =
        "SELECT md5(string_agg(xmin::text, ' ' ORDER BY oid)) AS answer FROM pg_class";
    struct mr_err err = {0};
    MR_AUTO_STR char *first = fixture_db_ask(owner, before);
    assert_int_equal(mr_db_grant(owner, mr_grants_sql, &err), MR_OK);
    MR_AUTO_STR char *second = fixture_db_ask(owner, before);
    assert_string_equal(first, second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_login_has_these_rights),
        cmocka_unit_test(no_table_is_forgotten),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(the_logins_suffice),
        cmocka_unit_test(granting_again_changes_nothing),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
