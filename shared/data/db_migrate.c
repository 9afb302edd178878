#include "shared/data/db_migrate.h"

#include "shared/data/db_pool.h"

enum { COMMAND_MS = 11 * 60 * 1000 }; /* more than the statement_timeout below */

static enum mr_status apply(struct mr_db_tx *tx, const struct mr_migration *migration, struct mr_err *err)
{
    static const struct mr_statement record = {"migration_record",
                                               "INSERT INTO schema_migrations (name) VALUES ($1)", 1};
    mr_db_tx_allow(tx, COMMAND_MS);
    MR_TRY(mr_db_connection_command(tx->connection, migration->sql, err));
    return mr_db_tx_exec(tx, &record, &migration->name, NULL, err);
}

static enum mr_status apply_if_new(struct mr_db_tx *tx, const struct mr_migration *migration, int *applied,
                                   struct mr_err *err)
{
    static const struct mr_statement find = {"migration_find",
                                             "SELECT 1 FROM schema_migrations WHERE name = $1", 1};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_tx_exec(tx, &find, &migration->name, &rows, err));
    if (mr_rows_count(rows) > 0)
        return MR_OK;
    enum mr_status status = apply(tx, migration, err);
    if (status != MR_OK)
        return mr_wrap(err, status, "migration %s", migration->name);
    ++*applied;
    return MR_OK;
}

/* The lock's number is arbitrary but must never change: two versions of web exclude each other by it. */
#define LOCK                                                                                                 \
    "SET LOCAL statement_timeout = '10min';"                                                                 \
    "SELECT pg_advisory_xact_lock(7461726);"

enum mr_status mr_db_migrate(struct mr_db *db, const struct mr_migration *migrations, int *ret_applied,
                             struct mr_err *err)
{
    static const char start[] = LOCK "CREATE TABLE IF NOT EXISTS schema_migrations (name text PRIMARY KEY,"
                                     " applied_at timestamptz NOT NULL DEFAULT now())";
    MR_AUTO(mr_db_tx) struct mr_db_tx *tx = NULL;
    int applied = 0;
    MR_TRY(mr_db_begin(db, &tx, err));
    mr_db_tx_allow(tx, COMMAND_MS);
    MR_TRY(mr_db_connection_command(tx->connection, start, err));
    tx->has_worked = true;
    for (const struct mr_migration *m = migrations; m->name; m++)
        MR_TRY(apply_if_new(tx, m, &applied, err));
    MR_TRY(mr_db_commit(&tx, err));
    *ret_applied = applied;
    return MR_OK;
}

enum mr_status mr_db_grant(struct mr_db *db, const char *sql, struct mr_err *err)
{
    MR_AUTO(mr_db_tx) struct mr_db_tx *tx = NULL;
    MR_TRY(mr_db_begin(db, &tx, err));
    MR_TRY(mr_db_connection_command(tx->connection, LOCK, err));
    enum mr_status status = mr_db_connection_command(tx->connection, sql, err);
    if (status != MR_OK)
        return mr_wrap(err, status, "grants");
    return mr_db_commit(&tx, err);
}
