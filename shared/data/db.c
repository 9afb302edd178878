/* Statements and transactions on connections of the pool. */
#include "shared/data/db_pool.h"
#include "shared/data/db_rows.h"

static enum mr_status execute(struct mr_db_connection *connection, const struct mr_statement *statement,
                              const char *const *params, struct mr_rows **ret_rows, struct mr_err *err)
{
    MR_TRY(mr_db_connection_prepare(connection, statement, err));
    MR_AUTO_RESULT PGresult *result =
        PQexecPrepared(connection->pg, statement->name, statement->params, params, NULL, NULL, 0);
    ExecStatusType outcome = PQresultStatus(result);
    if (outcome != PGRES_COMMAND_OK && outcome != PGRES_TUPLES_OK)
        return mr_wrap(err, mr_db_result_failure(connection, result, err), "%s", statement->name);
    return ret_rows ? mr_rows_of(MR_TAKE(result), ret_rows, err) : MR_OK;
}

enum mr_status mr_db_exec(struct mr_db *db, const struct mr_statement *statement, const char *const *params,
                          struct mr_rows **ret_rows, struct mr_err *err)
{
    struct mr_db_connection *connection = NULL;
    MR_TRY(mr_db_pool_take(db, &connection, err));
    enum mr_status status = execute(connection, statement, params, ret_rows, err);
    mr_db_pool_give_back(db, connection);
    return status;
}

enum mr_status mr_db_ping(struct mr_db *db, struct mr_err *err)
{
    static const struct mr_statement one = {"ping", "SELECT 1", 0};
    enum mr_status status = mr_db_exec(db, &one, NULL, NULL, err);
    return status == MR_UNAVAILABLE ? mr_db_exec(db, &one, NULL, NULL, err) : status;
}

static void end_tx(struct mr_db_tx *tx)
{
    mr_db_pool_give_back(tx->db, tx->connection);
    free(tx);
}

enum mr_status mr_db_begin(struct mr_db *db, struct mr_db_tx **ret, struct mr_err *err)
{
    struct mr_db_connection *connection = NULL;
    MR_TRY(mr_db_pool_take(db, &connection, err));
    struct mr_db_tx *tx = calloc(1, sizeof *tx);
    enum mr_status status = tx ? mr_db_connection_command(connection, "BEGIN", err) : mr_fail_oom(err);
    if (status != MR_OK) {
        free(tx);
        mr_db_pool_give_back(db, connection);
        return status;
    }
    tx->db = db;
    tx->connection = connection;
    *ret = tx;
    return MR_OK;
}

enum mr_status mr_db_tx_exec(struct mr_db_tx *tx, const struct mr_statement *statement,
                             const char *const *params, struct mr_rows **ret_rows, struct mr_err *err)
{
    if (!tx->connection->pg)
        return mr_fail(err, MR_UNAVAILABLE, "database: the transaction's connection broke");
    return execute(tx->connection, statement, params, ret_rows, err);
}

/* PostgreSQL answers COMMIT of a failed transaction with a rollback, and reports success. */
static enum mr_status commit(struct mr_db_connection *connection, struct mr_err *err)
{
    if (!connection->pg)
        return mr_fail(err, MR_UNAVAILABLE, "database: the transaction's connection broke");
    PGTransactionStatusType state = PQtransactionStatus(connection->pg);
    if (state == PQTRANS_INERROR || state == PQTRANS_ACTIVE)
        return mr_fail(err, MR_INTERNAL, "database: the transaction has failed before its commit");
    return mr_db_connection_command(connection, "COMMIT", err);
}

enum mr_status mr_db_commit(struct mr_db_tx **tx, struct mr_err *err)
{
    MR_AUTO(mr_db_tx) struct mr_db_tx *ending = MR_TAKE(*tx); /* rolled back unless the commit succeeds */
    MR_TRY(commit(ending->connection, err));
    end_tx(MR_TAKE(ending));
    return MR_OK;
}

void mr_db_rollback(struct mr_db_tx *tx)
{
    if (!tx)
        return;
    if (tx->connection->pg) {
        struct mr_err ignored;
        mr_db_connection_end_copy(tx->connection);
        (void)!mr_db_connection_command(tx->connection, "ROLLBACK", &ignored);
    }
    end_tx(tx);
}
