/*
 * One connection to PostgreSQL: open it, check it, run commands on it, and say why one failed. For the files
 * db*.c, which alone know libpq.
 *
 * A connection belongs to the pool (db_pool.h) or to the one thread that took it from there. `pg` is NULL
 * before the first use and after the connection broke; the pool opens it again.
 */
#ifndef MR_DATA_DB_CONNECTION_H
#define MR_DATA_DB_CONNECTION_H

#include "shared/data/db.h"
#include "shared/data/db_wait.h"

#include <libpq-fe.h>

enum { MR_DB_PREPARED_MAX = 256 }; /* statements of one program */

struct mr_db_connection {
    struct mr_db_connection *next; /* in the pool's idle list */
    PGconn *pg;
    struct mr_db_wait wait; /* of the call that uses it */
    bool outdated;          /* closed, because only a new connection can do what was asked (db_sqlstate.h) */
    bool silent;            /* closed, because an answer did not come in time */
    bool unanswered; /* closed, because an answer did not come within the grace of a program that stops */
    int era;         /* of the pool, when it was opened */
    const struct mr_statement *prepared[MR_DB_PREPARED_MAX];
    int prepared_count;
};

static inline void mr_pg_result_cleanup(PGresult **result)
{
    PQclear(*result);
}
/* MR_AUTO_RESULT PGresult *result = PQexec(…); is cleared when its scope ends. */
#define MR_AUTO_RESULT __attribute__((cleanup(mr_pg_result_cleanup)))

/* Every function below that talks to the server ends when connection->wait is due: MR_UNAVAILABLE, and the
 * connection is closed. */

/* Connects, within 10 s. MR_UNAVAILABLE. */
MR_MUST_CHECK enum mr_status mr_db_connection_open(struct mr_db_connection *connection, const char *conninfo,
                                                   struct mr_err *err);

/* NULL is allowed for pg. */
void mr_db_connection_close(struct mr_db_connection *connection);

/* False if the connection is not open, or the server or the network closed it while it was idle; then it is
 * closed on our side, too. Does not wait. */
bool mr_db_connection_is_open(struct mr_db_connection *connection);

/* Runs SQL without parameters and without preparing it; may hold several statements. */
MR_MUST_CHECK enum mr_status mr_db_connection_command(struct mr_db_connection *connection, const char *sql,
                                                      struct mr_err *err);

/* Executes a statement, which is prepared unless this connection has it already. The caller clears *ret. */
MR_MUST_CHECK enum mr_status mr_db_connection_execute(struct mr_db_connection *connection,
                                                      const struct mr_statement *statement,
                                                      const char *const *params, PGresult **ret,
                                                      struct mr_err *err);

/* Waits for the outcome of what PQsend… has begun (sent: what it returned), as mr_db_wait_last_result. */
MR_MUST_CHECK enum mr_status mr_db_connection_finish(struct mr_db_connection *connection, int sent,
                                                     PGresult **ret, struct mr_err *err);

/* Ends a COPY that is under way, so that the transaction can be rolled back. */
void mr_db_connection_end_copy(struct mr_db_connection *connection);

/* Reports why the connection failed, and closes it. Returns MR_UNAVAILABLE. */
enum mr_status mr_db_connection_failure(struct mr_db_connection *connection, struct mr_err *err);
/* After a wait that failed: as mr_db_connection_failure, if it timed out or was canceled with words of its own. */
enum mr_status mr_db_connection_lost(struct mr_db_connection *connection, enum mr_status waited,
                                     struct mr_err *err);
/* Reports why a statement failed, with the status of its SQLSTATE (db_sqlstate.h); result may be NULL. Closes a
 * connection that broke or is out of date. */
enum mr_status mr_db_result_failure(struct mr_db_connection *connection, const PGresult *result,
                                    struct mr_err *err);

/* A libpq notice processor that drops the notice: libpq would write the server's last words to stderr, between
 * our log lines; PQerrorMessage returns them as well. */
void mr_db_ignore_notice(void *arg, const char *message);

#endif
