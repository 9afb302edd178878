/* What the files of shared/data/db* share: the only ones that know libpq. */
#ifndef MR_DATA_DB_INTERNAL_H
#define MR_DATA_DB_INTERNAL_H

#include "shared/data/db.h"

#include <libpq-fe.h>

enum { MR_DB_PREPARED_MAX = 256 };

/* One connection, owned by the pool or by the thread that took it. */
struct mr_db_connection {
    struct mr_db_connection *next; /* in the pool's idle list */
    PGconn *pg;                    /* NULL until opened, and after it broke */
    const struct mr_statement *prepared[MR_DB_PREPARED_MAX];
    int prepared_count;
};

struct mr_db_tx {
    struct mr_db *db;
    struct mr_db_connection *connection;
};

/* A libpq notice processor that is silent: libpq would write the server's goodbye to stderr, between our log
 * lines; PQerrorMessage tells it as well. */
void mr_db_ignore_notice(void *arg, const char *message);

/* Tells why the connection failed, and closes it: MR_UNAVAILABLE. */
enum mr_status mr_db_connection_failure(struct mr_db_connection *connection, struct mr_err *err);
/* Tells why a statement failed, by its SQLSTATE; result may be NULL. A connection that broke is closed. */
enum mr_status mr_db_result_failure(struct mr_db_connection *connection, const PGresult *result,
                                    struct mr_err *err);

/* Breaks off a copy that is under way, so that the transaction can be rolled back. */
void mr_db_copy_abandon(struct mr_db_connection *connection);

#endif
