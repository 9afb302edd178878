/* Statements and transactions on connections of the pool. */
#include "shared/data/db_pool.h"
#include "shared/data/db_rows.h"

static enum mr_status execute(struct mr_db_connection *connection, const struct mr_statement *statement,
                              const char *const *params, struct mr_rows **ret_rows, struct mr_err *err)
{
    MR_AUTO_RESULT PGresult *result = NULL;
    enum mr_status status = mr_db_connection_execute(connection, statement, params, &result, err);
    if (status != MR_OK)
        return mr_wrap(err, status, "%s", statement->name);
    return ret_rows ? mr_rows_of(MR_TAKE(result), ret_rows, err) : MR_OK;
}

enum mr_status mr_db_exec_within(struct mr_db *db, int timeout_ms, const struct mr_statement *statement,
                                 const char *const *params, struct mr_rows **ret_rows, struct mr_err *err)
{
    struct mr_db_connection *connection = NULL;
    struct mr_err failure = {0}; /* kept from err until the second attempt has failed */
    MR_TRY(mr_db_pool_take(db, timeout_ms, &connection, err));
    enum mr_status status = execute(connection, statement, params, ret_rows, &failure);
    if (status != MR_OK && connection->outdated) {
        status = mr_db_pool_open(db, connection, &failure);
        if (status == MR_OK)
            status = execute(connection, statement, params, ret_rows, &failure);
    }
    mr_db_pool_give_back(db, connection);
    return status == MR_OK ? MR_OK : mr_fail_from(err, &failure);
}

enum mr_status mr_db_exec(struct mr_db *db, const struct mr_statement *statement, const char *const *params,
                          struct mr_rows **ret_rows, struct mr_err *err)
{
    return mr_db_exec_within(db, MR_DB_ANSWER_MS, statement, params, ret_rows, err);
}

enum mr_status mr_db_ping(struct mr_db *db, struct mr_err *err)
{
    static const struct mr_statement one = {"ping", "SELECT 1", 0};
    struct mr_err first;
    if (mr_db_exec_within(db, MR_DB_QUICK_MS, &one, NULL, NULL, &first) == MR_OK)
        return MR_OK;
    if (first.status != MR_UNAVAILABLE)
        return mr_fail_from(err, &first);
    return mr_db_exec_within(db, MR_DB_QUICK_MS, &one, NULL, NULL, err);
}

static void end_tx(struct mr_db_tx *tx)
{
    mr_db_pool_give_back(tx->db, tx->connection);
    free(tx);
}

enum mr_status mr_db_begin(struct mr_db *db, struct mr_db_tx **ret, struct mr_err *err)
{
    struct mr_db_connection *connection = NULL;
    MR_TRY(mr_db_pool_take(db, MR_DB_ANSWER_MS, &connection, err));
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

/* A first statement that needs a new connection gets one, and the transaction begins there. */
static enum mr_status execute_first(struct mr_db_tx *tx, const struct mr_statement *statement,
                                    const char *const *params, struct mr_rows **ret_rows, struct mr_err *err)
{
    struct mr_err failure = {0};
    enum mr_status status = execute(tx->connection, statement, params, ret_rows, &failure);
    if (status == MR_OK)
        return MR_OK;
    if (!tx->connection->outdated)
        return mr_fail_from(err, &failure);
    MR_TRY(mr_db_pool_open(tx->db, tx->connection, err));
    MR_TRY(mr_db_connection_command(tx->connection, "BEGIN", err));
    return execute(tx->connection, statement, params, ret_rows, err);
}

enum mr_status mr_db_tx_exec(struct mr_db_tx *tx, const struct mr_statement *statement,
                             const char *const *params, struct mr_rows **ret_rows, struct mr_err *err)
{
    if (!tx->connection->pg)
        return mr_fail(err, MR_UNAVAILABLE, "database: the transaction's connection broke");
    mr_db_tx_allow(tx, MR_DB_ANSWER_MS);
    bool is_first = !tx->has_worked;
    tx->has_worked = true;
    return is_first ? execute_first(tx, statement, params, ret_rows, err)
                    : execute(tx->connection, statement, params, ret_rows, err);
}

/* PostgreSQL answers COMMIT of a failed transaction with a rollback, and reports success. */
static enum mr_status commit(struct mr_db_tx *tx, struct mr_err *err)
{
    struct mr_db_connection *connection = tx->connection;
    if (!connection->pg)
        return mr_fail(err, MR_UNAVAILABLE, "database: the transaction's connection broke");
    PGTransactionStatusType state = PQtransactionStatus(connection->pg);
    if (state == PQTRANS_INERROR || state == PQTRANS_ACTIVE)
        return mr_fail(err, MR_INTERNAL, "database: the transaction has failed before its commit");
    mr_db_tx_allow(tx, MR_DB_ANSWER_MS);
    return mr_db_connection_command(connection, "COMMIT", err);
}

enum mr_status mr_db_commit(struct mr_db_tx **tx, struct mr_err *err)
{
    MR_AUTO(mr_db_tx) struct mr_db_tx *ending = MR_TAKE(*tx); /* rolled back unless the commit succeeds */
    MR_TRY(commit(ending, err));
    end_tx(MR_TAKE(ending));
    return MR_OK;
}

void mr_db_rollback(struct mr_db_tx *tx)
{
    if (!tx)
        return;
    mr_db_tx_allow(tx, MR_DB_QUICK_MS);
    if (tx->connection->pg)
        mr_db_connection_end_copy(tx->connection);
    if (tx->connection->pg)
        (void)!mr_db_connection_command(tx->connection, "ROLLBACK", NULL);
    end_tx(tx);
}
