/*
 * PostgreSQL: statements, transactions and rows. The files db*.c are the only users of libpq.
 *
 * A struct mr_db is a pool of connections, shared by all threads; a transaction and a result belong to one
 * thread. Statements are prepared on first use per connection, results are rows of text.
 *
 * A statement is a static const struct; its address identifies it. A connection that broke is replaced, but a
 * statement that was sent on it is not repeated, because it may have been carried out: the caller gets
 * MR_UNAVAILABLE. One that the server refused without doing anything, because the connection is out of date (a
 * migration, a failover; db_sqlstate.h), is tried once more on a new connection, unless a transaction has already
 * worked on the old one.
 *
 * Nothing waits without end: the server ends a statement after 30 s, and a server from which no answer comes for
 * MR_DB_ANSWER_MS is given up, with the connection. Idle connections have TCP keepalives, because Cloud Run drops them
 * silently.
 */
#ifndef MR_DATA_DB_H
#define MR_DATA_DB_H

#include "shared/base/cleanup.h"
#include "shared/base/err.h"

#include <stdint.h>

enum {
    MR_DB_ANSWER_MS = 35000, /* more than statement_timeout, so that a server that lives answers first */
    MR_DB_QUICK_MS = 5000,   /* for statements of few rows, for which a lease or a client waits */
};

struct mr_db;
struct mr_db_tx;
struct mr_rows;

struct mr_statement {
    const char *name; /* unique in the program; the prepared statement's name */
    const char *sql;  /* $1 … $n; parameters are texts, cast in the SQL where the type is not text */
    int params;
};

/* conninfo as libpq takes it; pool_size is at least 1. Opens no connection: a database that is down shows at
 * the first statement. Close it when every connection has been given back. */
MR_MUST_CHECK enum mr_status mr_db_open(const char *conninfo, int pool_size, struct mr_db **ret,
                                        struct mr_err *err);
void mr_db_close(struct mr_db *db);
MR_DEFINE_CLEANUP(mr_db, mr_db_close)

/* ctx is told how long each call has waited for a connection of the pool, whether it got one or not. Before the first call. */
typedef void mr_db_waited(void *ctx, int64_t us);
void mr_db_observe(struct mr_db *db, mr_db_waited *waited, void *ctx);
/* How many connections of the pool calls have at the moment, and how many they could have beside. Any thread. */
void mr_db_usage(struct mr_db *db, int *ret_used, int *ret_idle);

/* The program stops: from now on calls end within about 1.5 s, those that wait already included; once one had no answer
 * in that time, the calls after it end within 0.2 s, so that a series of them does not outlast the platform's patience.
 * Any thread. */
void mr_db_hurry(struct mr_db *db);

/*
 * Executes one statement in its own transaction. params holds statement->params texts (NULL: SQL NULL).
 * ret_rows may be NULL if the rows do not matter; the caller frees *ret_rows. Waits up to 5 s for a free
 * connection (MR_EXHAUSTED). db_sqlstate.h says which status a failure has: CONFLICT, NOT_FOUND or INVALID for the
 * values of a request, with a message without SQL; TIMEOUT for statement_timeout; UNAVAILABLE for all else, with
 * SQLSTATE and the server's words, which are for operators alone.
 */
MR_MUST_CHECK enum mr_status mr_db_exec(struct mr_db *db, const struct mr_statement *statement,
                                        const char *const *params, struct mr_rows **ret_rows,
                                        struct mr_err *err);

/* As mr_db_exec, and gives up after timeout_ms: MR_UNAVAILABLE. The server may still do it. */
MR_MUST_CHECK enum mr_status mr_db_exec_within(struct mr_db *db, int timeout_ms,
                                               const struct mr_statement *statement,
                                               const char *const *params, struct mr_rows **ret_rows,
                                               struct mr_err *err);

/* MR_OK if the database answers within some seconds. A failure on a stale connection proves nothing: a second one is tried. */
MR_MUST_CHECK enum mr_status mr_db_ping(struct mr_db *db, struct mr_err *err);

/* A transaction on one connection: begin, execute, then commit or roll back. Statuses as of mr_db_exec. */
MR_MUST_CHECK enum mr_status mr_db_begin(struct mr_db *db, struct mr_db_tx **ret, struct mr_err *err);
MR_MUST_CHECK enum mr_status mr_db_tx_exec(struct mr_db_tx *tx, const struct mr_statement *statement,
                                           const char *const *params, struct mr_rows **ret_rows,
                                           struct mr_err *err);
/* Sets *tx to NULL in every case. After MR_UNAVAILABLE it is unknown whether the commit happened. MR_INTERNAL
 * if a statement of the transaction had failed: it is rolled back. */
MR_MUST_CHECK enum mr_status mr_db_commit(struct mr_db_tx **tx, struct mr_err *err);
/* Accepts NULL; this is what MR_AUTO(mr_db_tx) calls. */
void mr_db_rollback(struct mr_db_tx *tx);
MR_DEFINE_CLEANUP(mr_db_tx, mr_db_rollback)

void mr_rows_free(struct mr_rows *rows);
MR_DEFINE_CLEANUP(mr_rows, mr_rows_free)
int mr_rows_count(const struct mr_rows *rows);
/* How many rows an UPDATE, INSERT or DELETE changed. */
int64_t mr_rows_affected(const struct mr_rows *rows);
/* The length of all fields of a row together. */
size_t mr_rows_bytes(const struct mr_rows *rows, int row);
/* A field's text, "" for NULL; valid as long as the rows. row is below mr_rows_count. An unknown column is a
 * bug of the caller and reads as NULL. */
const char *mr_rows_text(const struct mr_rows *rows, int row, const char *column);
bool mr_rows_is_null(const struct mr_rows *rows, int row, const char *column);
/* A field's number; 0 for NULL and for what is not a number. */
int64_t mr_rows_int64(const struct mr_rows *rows, int row, const char *column);

#endif
