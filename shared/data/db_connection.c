#include "shared/data/db_connection.h"

#include "shared/base/clock.h"
#include "shared/data/db_sqlstate.h"

#include <poll.h>

enum { CONNECT_MS = 10000, REASON_MAX = 300 };

void mr_db_connection_close(struct mr_db_connection *connection)
{
    PQfinish(connection->pg);
    connection->pg = NULL;
}

enum mr_status mr_db_connection_failure(struct mr_db_connection *connection, struct mr_err *err)
{
    enum mr_status status = mr_db_fail_pg(connection->pg, err);
    mr_db_connection_close(connection);
    return status;
}

/* A wait's own words say what happened; for the caller all are the same: the other side does not answer. */
enum mr_status mr_db_connection_lost(struct mr_db_connection *connection, enum mr_status waited,
                                     struct mr_err *err)
{
    connection->silent = waited == MR_TIMEOUT;
    connection->unanswered = waited == MR_CANCELED;
    mr_db_connection_close(connection);
    if (err) {
        err->status = MR_UNAVAILABLE;
        err->code = mr_code_of_status(MR_UNAVAILABLE);
    }
    return MR_UNAVAILABLE;
}

enum mr_status mr_db_result_failure(struct mr_db_connection *connection, const PGresult *result,
                                    struct mr_err *err)
{
    /* Without a state libpq itself has failed, for want of memory as a rule: what the server has done, such as to keep
     * a prepared statement, is not known here, and the connection is of no more use. */
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if (!connection->pg || PQstatus(connection->pg) != CONNECTION_OK || !state)
        return mr_db_connection_failure(connection, err);
    const char *message = PQresultErrorMessage(result);
    const struct mr_sqlstate *row = mr_sqlstate_find(state);
    if (row->verdict)
        return mr_fail(err, row->status, "database: %s (SQLSTATE %s)", row->verdict, state);
    size_t len = strcspn(message, "\n");
    mr_fail(err, row->status, "database: SQLSTATE %s: %.*s", state,
            (int)(len < REASON_MAX ? len : REASON_MAX), message);
    if (row->try_again) {
        connection->outdated = true;
        mr_db_connection_close(connection);
    }
    return row->status;
}

void mr_db_ignore_notice(void *arg, const char *message)
{
    (void)arg;
    (void)message;
}

/* Connecting gets less time than the call, unless the call has to hurry by now. */
static enum mr_status finish_connecting(struct mr_db_connection *connection, struct mr_err *err)
{
    const struct mr_db_wait whole = connection->wait;
    const int64_t due_us = mr_time_monotonic_us() + CONNECT_MS * INT64_C(1000);
    if (due_us < whole.due_us)
        connection->wait.due_us = due_us;
    enum mr_status status = mr_db_wait_connected(&connection->wait, connection->pg, err);
    if (connection->wait.hurry_fd == whole.hurry_fd)
        connection->wait.due_us = whole.due_us;
    return status;
}

enum mr_status mr_db_connection_open(struct mr_db_connection *connection, const char *conninfo,
                                     struct mr_err *err)
{
    /* Later keywords win over earlier ones, so the conninfo may override these. The server gives up first. Plans are
     * kept as long as a connection: one that reads a small table from end to end must not stay when it has grown, nor one
     * that takes an index for its first column and sorts what lies behind it. No statement runs as long as JIT compiling
     * takes. */
    static const char *const keys[] = {"keepalives_idle", "tcp_user_timeout", "options", "dbname", NULL};
    const char *values[] = {"60", "30000",
                            "-c statement_timeout=30000 -c client_min_messages=warning -c enable_seqscan=off"
                            " -c enable_incremental_sort=off -c jit=off",
                            conninfo, NULL};
    connection->prepared_count = 0;
    connection->outdated = connection->silent = connection->unanswered = false;
    connection->pg = PQconnectStartParams(keys, values, 1);
    enum mr_status status = finish_connecting(connection, err);
    if (status != MR_OK)
        return mr_db_connection_lost(connection, status, err);
    PQsetNoticeProcessor(connection->pg, mr_db_ignore_notice, NULL);
    return MR_OK;
}

/* An idle connection should have nothing to read. What there is (a notice, the server's last message) is read
 * to its end; the end of the stream shows last. */
bool mr_db_connection_is_open(struct mr_db_connection *connection)
{
    if (!connection->pg)
        return false;
    struct pollfd readable = {.fd = PQsocket(connection->pg), .events = POLLIN};
    while (poll(&readable, 1, 0) > 0)
        if (!PQconsumeInput(connection->pg) || PQstatus(connection->pg) != CONNECTION_OK) {
            mr_db_connection_close(connection);
            return false;
        }
    return true;
}

enum mr_status mr_db_connection_finish(struct mr_db_connection *connection, int sent, PGresult **ret,
                                       struct mr_err *err)
{
    if (!sent)
        return mr_db_connection_failure(connection, err);
    enum mr_status status = mr_db_wait_last_result(&connection->wait, connection->pg, ret, err);
    return status == MR_OK ? MR_OK : mr_db_connection_lost(connection, status, err);
}

/* As mr_db_connection_finish, and the outcome is a success. */
static enum mr_status succeed(struct mr_db_connection *connection, int sent, PGresult **ret,
                              struct mr_err *err)
{
    MR_AUTO_RESULT PGresult *result = NULL;
    MR_TRY(mr_db_connection_finish(connection, sent, &result, err));
    ExecStatusType outcome = PQresultStatus(result);
    if (outcome != PGRES_COMMAND_OK && outcome != PGRES_TUPLES_OK)
        return mr_db_result_failure(connection, result, err);
    if (ret)
        *ret = MR_TAKE(result);
    return MR_OK;
}

enum mr_status mr_db_connection_command(struct mr_db_connection *connection, const char *sql,
                                        struct mr_err *err)
{
    return succeed(connection, PQsendQuery(connection->pg, sql), NULL, err);
}

static enum mr_status prepare(struct mr_db_connection *connection, const struct mr_statement *statement,
                              struct mr_err *err)
{
    for (int i = 0; i < connection->prepared_count; i++)
        if (connection->prepared[i] == statement)
            return MR_OK;
    if (connection->prepared_count == MR_DB_PREPARED_MAX)
        return mr_fail(err, MR_INTERNAL, "more than %d statements", MR_DB_PREPARED_MAX);
    int sent = PQsendPrepare(connection->pg, statement->name, statement->sql, 0, NULL);
    MR_TRY(succeed(connection, sent, NULL, err));
    connection->prepared[connection->prepared_count++] = statement;
    return MR_OK;
}

enum mr_status mr_db_connection_execute(struct mr_db_connection *connection,
                                        const struct mr_statement *statement, const char *const *params,
                                        PGresult **ret, struct mr_err *err)
{
    MR_TRY(prepare(connection, statement, err));
    int sent = PQsendQueryPrepared(connection->pg, statement->name, statement->params, params, NULL, NULL, 0);
    return succeed(connection, sent, ret, err);
}

void mr_db_connection_end_copy(struct mr_db_connection *connection)
{
    MR_AUTO_RESULT PGresult *ignored = NULL;
    if (PQtransactionStatus(connection->pg) != PQTRANS_ACTIVE)
        return;
    if (PQputCopyEnd(connection->pg, "abandoned") == 1)
        (void)!mr_db_connection_finish(connection, 1, &ignored, NULL);
}
