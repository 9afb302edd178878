#include "shared/data/db_copy.h"

#include "shared/base/encoding.h"
#include "shared/data/db_pool.h"

#include <limits.h>

static enum mr_status check_connection(struct mr_db_tx *tx, struct mr_err *err)
{
    if (!tx->connection->pg)
        return mr_fail(err, MR_UNAVAILABLE, "database: the transaction's connection broke");
    mr_db_tx_allow(tx, MR_DB_ANSWER_MS);
    tx->has_worked = true;
    return MR_OK;
}

/* The server ended the copy, and a result says why; or the connection broke. */
static enum mr_status copy_failure(struct mr_db_connection *connection, struct mr_err *err)
{
    MR_AUTO_RESULT PGresult *result = NULL;
    enum mr_status status = mr_db_connection_finish(connection, 1, &result, err);
    if (status == MR_OK && PQresultStatus(result) == PGRES_FATAL_ERROR)
        status = mr_db_result_failure(connection, result, err);
    else if (status == MR_OK)
        status = mr_db_connection_failure(connection, err);
    return mr_wrap(err, status, "copy");
}

enum mr_status mr_db_tx_copy_begin(struct mr_db_tx *tx, const char *sql, struct mr_err *err)
{
    MR_TRY(check_connection(tx, err));
    MR_AUTO_RESULT PGresult *result = NULL;
    struct mr_db_connection *connection = tx->connection;
    enum mr_status status =
        mr_db_connection_finish(connection, PQsendQuery(connection->pg, sql), &result, err);
    if (status == MR_OK && PQresultStatus(result) != PGRES_COPY_IN)
        status = mr_db_result_failure(connection, result, err);
    return mr_wrap(err, status, "copy");
}

enum mr_status mr_db_tx_copy_write(struct mr_db_tx *tx, const void *data, size_t len, struct mr_err *err)
{
    MR_TRY(check_connection(tx, err));
    struct mr_db_connection *connection = tx->connection;
    if (len > INT_MAX)
        return mr_fail(err, MR_INVALID, "copy: more than 2 GiB in one call");
    if (PQputCopyData(connection->pg, data, (int)len) != 1)
        return copy_failure(connection, err);
    /* libpq would hold back whatever the server does not take. */
    enum mr_status status = mr_db_wait_sent(&connection->wait, connection->pg, err);
    if (status != MR_OK)
        return mr_wrap(err, mr_db_connection_lost(connection, status, err), "copy");
    return MR_OK;
}

enum mr_status mr_db_tx_copy_end(struct mr_db_tx *tx, int64_t *ret_rows, struct mr_err *err)
{
    MR_TRY(check_connection(tx, err));
    struct mr_db_connection *connection = tx->connection;
    if (PQputCopyEnd(connection->pg, NULL) != 1)
        return copy_failure(connection, err);
    MR_AUTO_RESULT PGresult *result = NULL;
    enum mr_status status = mr_db_connection_finish(connection, 1, &result, err);
    if (status == MR_OK && PQresultStatus(result) != PGRES_COMMAND_OK)
        status = mr_db_result_failure(connection, result, err);
    if (status != MR_OK)
        return mr_wrap(err, status, "copy");
    if (ret_rows)
        mr_parse_int64(PQcmdTuples(result), 0, INT64_MAX, ret_rows);
    return MR_OK;
}
