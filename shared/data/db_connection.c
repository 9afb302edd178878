#include "shared/data/db_connection.h"

#include <poll.h>

enum { REASON_MAX = 300 };

static enum mr_status status_of_sqlstate(const char *state)
{
    static const struct {
        const char *prefix;
        enum mr_status status;
    } table[] = {
        {"23505", MR_CONFLICT}, {"23503", MR_NOT_FOUND},   {"23", MR_INVALID},        {"22", MR_INVALID},
        {"08", MR_UNAVAILABLE}, {"57014", MR_TIMEOUT},     {"57P", MR_UNAVAILABLE},   {"40", MR_UNAVAILABLE},
        {"53", MR_EXHAUSTED},   {"55P03", MR_UNAVAILABLE}, {"42P01", MR_UNAVAILABLE},
        /* 42P01, undefined table: the worker started before web had migrated. */
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strncmp(state, table[i].prefix, strlen(table[i].prefix)) == 0)
            return table[i].status;
    return MR_INTERNAL;
}

/* The first line of a message of libpq, as %.*s takes it. */
static int reason_length(const char *message)
{
    size_t len = strcspn(message, "\n");
    return (int)(len < REASON_MAX ? len : REASON_MAX);
}

enum mr_status mr_db_connection_failure(struct mr_db_connection *connection, struct mr_err *err)
{
    const char *message = connection->pg ? PQerrorMessage(connection->pg) : "no memory for a connection";
    mr_fail(err, MR_UNAVAILABLE, "database: %.*s", reason_length(message), message);
    PQfinish(connection->pg);
    connection->pg = NULL;
    return MR_UNAVAILABLE;
}

enum mr_status mr_db_result_failure(struct mr_db_connection *connection, const PGresult *result,
                                    struct mr_err *err)
{
    if (!connection->pg || PQstatus(connection->pg) != CONNECTION_OK)
        return mr_db_connection_failure(connection, err);
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorMessage(result);
    return mr_fail(err, status_of_sqlstate(state ? state : ""), "database: %.*s", reason_length(message),
                   message);
}

void mr_db_ignore_notice(void *arg, const char *message)
{
    (void)arg;
    (void)message;
}

enum mr_status mr_db_connection_open(struct mr_db_connection *connection, const char *conninfo,
                                     struct mr_err *err)
{
    /* Later keywords win over earlier ones, so the conninfo may override these. */
    static const char *const keys[] = {"connect_timeout", "keepalives_idle", "tcp_user_timeout",
                                       "options",         "dbname",          NULL};
    const char *values[] = {
        "10", "60", "30000", "-c statement_timeout=30000 -c client_min_messages=warning", conninfo, NULL};
    connection->prepared_count = 0;
    connection->pg = PQconnectdbParams(keys, values, 1);
    if (!connection->pg || PQstatus(connection->pg) != CONNECTION_OK)
        return mr_db_connection_failure(connection, err);
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
            PQfinish(connection->pg);
            connection->pg = NULL;
            return false;
        }
    return true;
}

enum mr_status mr_db_connection_command(struct mr_db_connection *connection, const char *sql,
                                        struct mr_err *err)
{
    MR_AUTO_RESULT PGresult *result = PQexec(connection->pg, sql);
    ExecStatusType outcome = PQresultStatus(result);
    if (outcome != PGRES_COMMAND_OK && outcome != PGRES_TUPLES_OK)
        return mr_db_result_failure(connection, result, err);
    return MR_OK;
}

enum mr_status mr_db_connection_prepare(struct mr_db_connection *connection,
                                        const struct mr_statement *statement, struct mr_err *err)
{
    for (int i = 0; i < connection->prepared_count; i++)
        if (connection->prepared[i] == statement)
            return MR_OK;
    if (connection->prepared_count == MR_DB_PREPARED_MAX)
        return mr_fail(err, MR_INTERNAL, "more than %d statements", MR_DB_PREPARED_MAX);
    MR_AUTO_RESULT PGresult *result = PQprepare(connection->pg, statement->name, statement->sql, 0, NULL);
    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        return mr_db_result_failure(connection, result, err);
    connection->prepared[connection->prepared_count++] = statement;
    return MR_OK;
}

void mr_db_connection_drain(struct mr_db_connection *connection)
{
    for (PGresult *result = PQgetResult(connection->pg); result; result = PQgetResult(connection->pg)) {
        bool copying = PQresultStatus(result) == PGRES_COPY_IN;
        PQclear(result);
        if (copying) /* libpq would return it for ever */
            return;
    }
}

void mr_db_connection_end_copy(struct mr_db_connection *connection)
{
    if (PQtransactionStatus(connection->pg) != PQTRANS_ACTIVE)
        return;
    if (PQputCopyEnd(connection->pg, "abandoned") == 1)
        mr_db_connection_drain(connection);
}
