/*
 * PostgreSQL: the only user of libpq. A pool of connections, statements prepared on first use per connection,
 * results as rows of text.
 *
 * A statement is a static const struct; its address identifies it. A connection that breaks is replaced; a
 * statement that had been sent on it is not repeated (it may have been carried out): the caller gets
 * MR_UNAVAILABLE. Every connection has statement_timeout and TCP keepalives, because Cloud Run's idle
 * connections are dropped silently. A struct mr_db is shared by all threads; a transaction and a result
 * belong to one.
 */
#ifndef MR_DATA_DB_H
#define MR_DATA_DB_H

#include "shared/base/cleanup.h"
#include "shared/base/err.h"

#include <stdint.h>

struct mr_db;
struct mr_db_tx;
struct mr_rows;

struct mr_statement {
    const char *name; /* unique in the program; the prepared statement's name */
    const char *sql;  /* $1 … $n; parameters go as text, cast in the SQL where the type is not plain */
    int params;
};

/* conninfo as libpq takes it. Opens no connection yet: a database that is down shows at the first statement.
 */
MR_MUST_CHECK enum mr_status mr_db_open(const char *conninfo, int pool_size, struct mr_db **ret,
                                        struct mr_err *err);
void mr_db_close(struct mr_db *db);

/*
 * Executes one statement in its own transaction. params holds statement->params texts (NULL: SQL NULL).
 * *ret_rows may be NULL if the rows do not matter. Waits up to 5 s for a free connection (MR_EXHAUSTED).
 * SQLSTATE → status: unique violation CONFLICT, foreign key NOT_FOUND, check and data errors INVALID,
 * connection trouble, shutdown and serialisation UNAVAILABLE, resources EXHAUSTED, cancelled by timeout
 * TIMEOUT, the rest INTERNAL.
 */
MR_MUST_CHECK enum mr_status mr_db_exec(struct mr_db *db, const struct mr_statement *statement,
                                        const char *const *params, struct mr_rows **ret_rows,
                                        struct mr_err *err);

/* Whether the database answers. A connection that had gone stale tells nothing of it: a second one is tried.
 */
MR_MUST_CHECK enum mr_status mr_db_ping(struct mr_db *db, struct mr_err *err);

/* A transaction on one connection. mr_db_rollback accepts NULL and is what a cleanup calls; commit ends the
 * handle. */
MR_MUST_CHECK enum mr_status mr_db_begin(struct mr_db *db, struct mr_db_tx **ret, struct mr_err *err);
MR_MUST_CHECK enum mr_status mr_db_tx_exec(struct mr_db_tx *tx, const struct mr_statement *statement,
                                           const char *const *params, struct mr_rows **ret_rows,
                                           struct mr_err *err);
/* *tx is NULL afterwards, whatever came of it. On MR_UNAVAILABLE it is unknown whether the commit happened.
 * MR_INTERNAL if something in the transaction had failed: it is rolled back. */
MR_MUST_CHECK enum mr_status mr_db_commit(struct mr_db_tx **tx, struct mr_err *err);
void mr_db_rollback(struct mr_db_tx *tx);
static inline void mr_db_tx_cleanup(struct mr_db_tx **tx)
{
    mr_db_rollback(*tx);
}

void mr_rows_free(struct mr_rows *rows);
MR_DEFINE_CLEANUP(mr_rows, mr_rows_free)
int mr_rows_count(const struct mr_rows *rows);
/* Rows an UPDATE, INSERT or DELETE touched. */
int64_t mr_rows_affected(const struct mr_rows *rows);
/* The text of a field, "" for NULL; valid as long as the rows. column by name: an unknown name is a program
 * error and reads as NULL. */
const char *mr_rows_text(const struct mr_rows *rows, int row, const char *column);
bool mr_rows_is_null(const struct mr_rows *rows, int row, const char *column);
int64_t mr_rows_int64(const struct mr_rows *rows, int row, const char *column);

struct mr_migration {
    const char *name; /* "0001_start" */
    const char *sql;  /* may hold several statements; runs in one transaction */
};
/* Applies what schema_migrations does not hold yet, in order, under an advisory lock. The array ends with a
 * NULL name. */
MR_MUST_CHECK enum mr_status mr_db_migrate(struct mr_db *db, const struct mr_migration *migrations,
                                           int *ret_applied, struct mr_err *err);

#endif
