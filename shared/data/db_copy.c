#include "shared/data/db_copy.h"

#include "shared/base/encoding.h"
#include "shared/data/db_internal.h"

#include <limits.h>

/* The results that are left; without them the connection takes no other command. */
static void drain(PGconn *pg)
{
    for (PGresult *result = PQgetResult(pg); result; result = PQgetResult(pg)) {
        bool copying = PQresultStatus(result) == PGRES_COPY_IN;
        PQclear(result);
        if (copying) /* it would be given for ever */
            return;
    }
}

void mr_db_copy_abandon(struct mr_db_connection *connection)
{
    if (PQtransactionStatus(connection->pg) != PQTRANS_ACTIVE)
        return;
    if (PQputCopyEnd(connection->pg, "abandoned") == 1)
        drain(connection->pg);
}

/* The server ended the copy by itself, and says why in a result; or the connection is gone. */
static enum mr_status copy_failure(struct mr_db_connection *connection, struct mr_err *err)
{
    PGresult *result = PQgetResult(connection->pg);
    bool told = result && PQresultStatus(result) == PGRES_FATAL_ERROR;
    enum mr_status status =
        told ? mr_db_result_failure(connection, result, err) : mr_db_connection_failure(connection, err);
    PQclear(result);
    if (connection->pg)
        drain(connection->pg);
    return status;
}

static enum mr_status broken(struct mr_err *err)
{
    return mr_fail(err, MR_UNAVAILABLE, "database: the transaction's connection broke");
}

enum mr_status mr_db_tx_copy_begin(struct mr_db_tx *tx, const char *sql, struct mr_err *err)
{
    struct mr_db_connection *connection = tx->connection;
    if (!connection->pg)
        return broken(err);
    PGresult *result = PQexec(connection->pg, sql);
    enum mr_status status = MR_OK;
    if (PQresultStatus(result) != PGRES_COPY_IN)
        status = mr_wrap(err, mr_db_result_failure(connection, result, err), "copy");
    PQclear(result);
    return status;
}

enum mr_status mr_db_tx_copy_write(struct mr_db_tx *tx, const void *data, size_t len, struct mr_err *err)
{
    struct mr_db_connection *connection = tx->connection;
    if (!connection->pg)
        return broken(err);
    if (len > INT_MAX)
        return mr_fail(err, MR_INVALID, "copy: a piece of more than 2 GiB");
    if (PQputCopyData(connection->pg, data, (int)len) != 1)
        return mr_wrap(err, copy_failure(connection, err), "copy");
    return MR_OK;
}

enum mr_status mr_db_tx_copy_end(struct mr_db_tx *tx, int64_t *ret_rows, struct mr_err *err)
{
    struct mr_db_connection *connection = tx->connection;
    if (!connection->pg)
        return broken(err);
    if (PQputCopyEnd(connection->pg, NULL) != 1)
        return mr_wrap(err, copy_failure(connection, err), "copy");
    PGresult *result = PQgetResult(connection->pg);
    enum mr_status status = MR_OK;
    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        status = mr_wrap(err, mr_db_result_failure(connection, result, err), "copy");
    else if (ret_rows)
        mr_parse_int64(PQcmdTuples(result), 0, INT64_MAX, ret_rows);
    PQclear(result);
    if (connection->pg)
        drain(connection->pg);
    return status;
}
