#include "shared/data/db.h"

#include "shared/base/encoding.h"
#include "shared/data/db_internal.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>

enum { WAIT_FOR_CONNECTION_MS = 5000 };

struct mr_db {
    char *conninfo;
    pthread_mutex_t lock; /* all fields below are protected by it */
    pthread_cond_t freed;
    struct mr_db_connection *idle; /* the most recently used first */
    struct mr_db_connection *all;  /* pool_size of them */
};

struct mr_rows {
    PGresult *result;
};

/* ---- rows -------------------------------------------------------------------- */

void mr_rows_free(struct mr_rows *rows)
{
    if (!rows)
        return;
    PQclear(rows->result);
    free(rows);
}

int mr_rows_count(const struct mr_rows *rows)
{
    return PQntuples(rows->result);
}

int64_t mr_rows_affected(const struct mr_rows *rows)
{
    int64_t count = 0;
    mr_parse_int64(PQcmdTuples(rows->result), 0, INT64_MAX, &count);
    return count;
}

const char *mr_rows_text(const struct mr_rows *rows, int row, const char *column)
{
    int field = PQfnumber(rows->result, column);
    return field < 0 ? "" : PQgetvalue(rows->result, row, field);
}

bool mr_rows_is_null(const struct mr_rows *rows, int row, const char *column)
{
    int field = PQfnumber(rows->result, column);
    return field < 0 || PQgetisnull(rows->result, row, field);
}

int64_t mr_rows_int64(const struct mr_rows *rows, int row, const char *column)
{
    int64_t value = 0;
    mr_parse_int64(mr_rows_text(rows, row, column), INT64_MIN, INT64_MAX, &value);
    return value;
}

/* ---- errors ------------------------------------------------------------------ */

static enum mr_status status_of_sqlstate(const char *state)
{
    static const struct {
        const char *prefix;
        enum mr_status status;
    } table[] = {
        {"23505", MR_CONFLICT}, {"23503", MR_NOT_FOUND},   {"23", MR_INVALID},        {"22", MR_INVALID},
        {"08", MR_UNAVAILABLE}, {"57014", MR_TIMEOUT},     {"57P", MR_UNAVAILABLE},   {"40", MR_UNAVAILABLE},
        {"53", MR_EXHAUSTED},   {"55P03", MR_UNAVAILABLE}, {"42P01", MR_UNAVAILABLE},
        /* 42P01, undefined table: a worker that came up before web has migrated. */
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strncmp(state, table[i].prefix, strlen(table[i].prefix)) == 0)
            return table[i].status;
    return MR_INTERNAL;
}

static int text_length(const char *message)
{
    size_t len = strcspn(message, "\n");
    return (int)(len < 300 ? len : 300);
}

enum mr_status mr_db_connection_failure(struct mr_db_connection *connection, struct mr_err *err)
{
    const char *message = connection->pg ? PQerrorMessage(connection->pg) : "no memory for a connection";
    mr_fail(err, MR_UNAVAILABLE, "database: %.*s", text_length(message), message);
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
    return mr_fail(err, status_of_sqlstate(state ? state : ""), "database: %.*s", text_length(message),
                   message);
}

void mr_db_ignore_notice(void *arg, const char *message)
{
    (void)arg;
    (void)message;
}

/* ---- connections ------------------------------------------------------------- */

static enum mr_status open_connection(struct mr_db *db, struct mr_db_connection *connection,
                                      struct mr_err *err)
{
    /* Later keywords win over earlier ones, so the conninfo may override these. */
    static const char *const keys[] = {"connect_timeout", "keepalives_idle", "tcp_user_timeout",
                                       "options",         "dbname",          NULL};
    const char *values[] = {
        "10", "60", "30000", "-c statement_timeout=30000 -c client_min_messages=warning", db->conninfo, NULL};
    connection->prepared_count = 0;
    connection->pg = PQconnectdbParams(keys, values, 1);
    if (!connection->pg || PQstatus(connection->pg) != CONNECTION_OK)
        return mr_db_connection_failure(connection, err);
    PQsetNoticeProcessor(connection->pg, mr_db_ignore_notice, NULL);
    return MR_OK;
}

static enum mr_status take_connection(struct mr_db *db, struct mr_db_connection **ret, struct mr_err *err)
{
    const struct timespec deadline = mr_time_deadline(WAIT_FOR_CONNECTION_MS);
    pthread_mutex_lock(&db->lock);
    int waited = 0;
    while (!db->idle && waited != ETIMEDOUT)
        waited = pthread_cond_timedwait(&db->freed, &db->lock, &deadline);
    struct mr_db_connection *connection = db->idle;
    if (connection)
        db->idle = connection->next;
    pthread_mutex_unlock(&db->lock);
    if (!connection)
        return mr_fail(err, MR_EXHAUSTED, "database: every connection is busy");
    *ret = connection;
    return MR_OK;
}

static void give_back(struct mr_db *db, struct mr_db_connection *connection)
{
    pthread_mutex_lock(&db->lock);
    connection->next = db->idle;
    db->idle = connection;
    pthread_cond_signal(&db->freed);
    pthread_mutex_unlock(&db->lock);
}

/*
 * Notices a connection that the server or the network closed while it lay idle. Nothing should be readable on
 * one; what is (a notice, the server's goodbye) is taken in until there is no more, and the end of file shows
 * itself at the last.
 */
static bool still_open(struct mr_db_connection *connection)
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

static enum mr_status ready_connection(struct mr_db *db, struct mr_db_connection **ret, struct mr_err *err)
{
    struct mr_db_connection *connection = NULL;
    enum mr_status status = take_connection(db, &connection, err);
    if (status != MR_OK)
        return status;
    if (!still_open(connection)) {
        status = open_connection(db, connection, err);
        if (status != MR_OK) {
            give_back(db, connection);
            return status;
        }
    }
    *ret = connection;
    return MR_OK;
}

enum mr_status mr_db_open(const char *conninfo, int pool_size, struct mr_db **ret, struct mr_err *err)
{
    struct mr_db *db = calloc(1, sizeof *db);
    if (!db)
        return mr_fail_oom(err);
    db->conninfo = strdup(conninfo);
    db->all = calloc((size_t)pool_size, sizeof *db->all);
    if (!db->conninfo || !db->all) {
        free(db->conninfo);
        free(db->all);
        free(db);
        return mr_fail_oom(err);
    }
    for (int i = pool_size - 1; i >= 0; i--) {
        db->all[i].next = db->idle;
        db->idle = &db->all[i];
    }
    pthread_mutex_init(&db->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&db->freed, &attributes);
    pthread_condattr_destroy(&attributes);
    *ret = db;
    return MR_OK;
}

void mr_db_close(struct mr_db *db)
{
    if (!db)
        return;
    for (struct mr_db_connection *c = db->idle; c; c = c->next)
        PQfinish(c->pg);
    pthread_cond_destroy(&db->freed);
    pthread_mutex_destroy(&db->lock);
    explicit_bzero(db->conninfo, strlen(db->conninfo));
    free(db->conninfo);
    free(db->all);
    free(db);
}

/* ---- statements -------------------------------------------------------------- */

static enum mr_status prepare(struct mr_db_connection *connection, const struct mr_statement *statement,
                              struct mr_err *err)
{
    for (int i = 0; i < connection->prepared_count; i++)
        if (connection->prepared[i] == statement)
            return MR_OK;
    if (connection->prepared_count == MR_DB_PREPARED_MAX)
        return mr_fail(err, MR_INTERNAL, "more than %d statements", MR_DB_PREPARED_MAX);
    PGresult *result = PQprepare(connection->pg, statement->name, statement->sql, 0, NULL);
    enum mr_status status = MR_OK;
    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        status = mr_db_result_failure(connection, result, err);
    else
        connection->prepared[connection->prepared_count++] = statement;
    PQclear(result);
    return status;
}

static enum mr_status wrap_rows(PGresult *result, struct mr_rows **ret_rows, struct mr_err *err)
{
    if (!ret_rows) {
        PQclear(result);
        return MR_OK;
    }
    struct mr_rows *rows = malloc(sizeof *rows);
    if (!rows) {
        PQclear(result);
        return mr_fail_oom(err);
    }
    rows->result = result;
    *ret_rows = rows;
    return MR_OK;
}

static enum mr_status execute(struct mr_db_connection *connection, const struct mr_statement *statement,
                              const char *const *params, struct mr_rows **ret_rows, struct mr_err *err)
{
    enum mr_status status = prepare(connection, statement, err);
    if (status != MR_OK)
        return status;
    PGresult *result =
        PQexecPrepared(connection->pg, statement->name, statement->params, params, NULL, NULL, 0);
    ExecStatusType outcome = PQresultStatus(result);
    if (outcome != PGRES_COMMAND_OK && outcome != PGRES_TUPLES_OK) {
        status = mr_db_result_failure(connection, result, err);
        PQclear(result);
        return mr_wrap(err, status, "%s", statement->name);
    }
    return wrap_rows(result, ret_rows, err);
}

enum mr_status mr_db_exec(struct mr_db *db, const struct mr_statement *statement, const char *const *params,
                          struct mr_rows **ret_rows, struct mr_err *err)
{
    struct mr_db_connection *connection = NULL;
    enum mr_status status = ready_connection(db, &connection, err);
    if (status != MR_OK)
        return status;
    status = execute(connection, statement, params, ret_rows, err);
    give_back(db, connection);
    return status;
}

enum mr_status mr_db_ping(struct mr_db *db, struct mr_err *err)
{
    static const struct mr_statement one = {"ping", "SELECT 1", 0};
    enum mr_status status = mr_db_exec(db, &one, NULL, NULL, err);
    return status == MR_UNAVAILABLE ? mr_db_exec(db, &one, NULL, NULL, err) : status;
}

/* A command without parameters that is not worth preparing. */
static enum mr_status command(struct mr_db_connection *connection, const char *sql, struct mr_err *err)
{
    PGresult *result = PQexec(connection->pg, sql);
    ExecStatusType outcome = PQresultStatus(result);
    enum mr_status status = MR_OK;
    if (outcome != PGRES_COMMAND_OK && outcome != PGRES_TUPLES_OK)
        status = mr_db_result_failure(connection, result, err);
    PQclear(result);
    return status;
}

enum mr_status mr_db_begin(struct mr_db *db, struct mr_db_tx **ret, struct mr_err *err)
{
    struct mr_db_tx *tx = calloc(1, sizeof *tx);
    if (!tx)
        return mr_fail_oom(err);
    tx->db = db;
    enum mr_status status = ready_connection(db, &tx->connection, err);
    if (status == MR_OK)
        status = command(tx->connection, "BEGIN", err);
    if (status != MR_OK) {
        if (tx->connection)
            give_back(db, tx->connection);
        free(tx);
        return status;
    }
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

/* A transaction in which something failed is rolled back by COMMIT, and PostgreSQL calls that a success. */
static enum mr_status commit(struct mr_db_connection *connection, struct mr_err *err)
{
    if (!connection->pg)
        return mr_fail(err, MR_UNAVAILABLE, "database: the transaction's connection broke");
    PGTransactionStatusType state = PQtransactionStatus(connection->pg);
    if (state == PQTRANS_INERROR || state == PQTRANS_ACTIVE)
        return mr_fail(err, MR_INTERNAL, "database: the transaction has failed before its commit");
    return command(connection, "COMMIT", err);
}

enum mr_status mr_db_commit(struct mr_db_tx **tx, struct mr_err *err)
{
    struct mr_db_tx *ending = MR_TAKE(*tx);
    enum mr_status status = commit(ending->connection, err);
    if (status != MR_OK) {
        mr_db_rollback(ending);
        return status;
    }
    give_back(ending->db, ending->connection);
    free(ending);
    return MR_OK;
}

void mr_db_rollback(struct mr_db_tx *tx)
{
    if (!tx)
        return;
    if (tx->connection->pg) {
        struct mr_err ignored;
        mr_db_copy_abandon(tx->connection);
        (void)!command(tx->connection, "ROLLBACK", &ignored);
    }
    give_back(tx->db, tx->connection);
    free(tx);
}

/* ---- migrations -------------------------------------------------------------- */

static enum mr_status apply_one(struct mr_db_tx *tx, const struct mr_migration *migration, int *applied,
                                struct mr_err *err)
{
    static const struct mr_statement is_applied = {"migration_is_applied",
                                                   "SELECT 1 FROM schema_migrations WHERE name = $1", 1};
    static const struct mr_statement record = {"migration_record",
                                               "INSERT INTO schema_migrations (name) VALUES ($1)", 1};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    enum mr_status status = mr_db_tx_exec(tx, &is_applied, &migration->name, &rows, err);
    if (status != MR_OK || mr_rows_count(rows) > 0)
        return status;
    status = command(tx->connection, migration->sql, err);
    if (status == MR_OK)
        status = mr_db_tx_exec(tx, &record, &migration->name, NULL, err);
    if (status != MR_OK)
        return mr_wrap(err, status, "migration %s", migration->name);
    ++*applied;
    return MR_OK;
}

enum mr_status mr_db_migrate(struct mr_db *db, const struct mr_migration *migrations, int *ret_applied,
                             struct mr_err *err)
{
    /* The lock's number is arbitrary but must never change: two versions of web exclude each other by it. */
    static const char start[] = "SET LOCAL statement_timeout = '10min';"
                                "SELECT pg_advisory_xact_lock(7461726);"
                                "CREATE TABLE IF NOT EXISTS schema_migrations (name text PRIMARY KEY, "
                                "applied_at timestamptz NOT NULL "
                                "DEFAULT now())";
    __attribute__((cleanup(mr_db_tx_cleanup))) struct mr_db_tx *tx = NULL;
    int applied = 0;
    enum mr_status status = mr_db_begin(db, &tx, err);
    if (status == MR_OK)
        status = command(tx->connection, start, err);
    for (const struct mr_migration *m = migrations; status == MR_OK && m->name; m++)
        status = apply_one(tx, m, &applied, err);
    if (status == MR_OK)
        status = mr_db_commit(&tx, err);
    if (status == MR_OK)
        *ret_applied = applied;
    return status;
}
