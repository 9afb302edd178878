/*
 * The pool of connections behind a struct mr_db, for the files db*.c. Any thread may take one; it belongs to
 * that thread until it gives it back.
 */
#ifndef MR_DATA_DB_POOL_H
#define MR_DATA_DB_POOL_H

#include "shared/data/db_connection.h"

struct mr_db_tx {
    struct mr_db *db;
    struct mr_db_connection *connection;
};

/* Takes a connection that is open. Waits up to 5 s for a free one (MR_EXHAUSTED), and opens it if necessary
 * (MR_UNAVAILABLE). */
MR_MUST_CHECK enum mr_status mr_db_pool_take(struct mr_db *db, struct mr_db_connection **ret,
                                             struct mr_err *err);
void mr_db_pool_give_back(struct mr_db *db, struct mr_db_connection *connection);

#endif
