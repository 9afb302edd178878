/*
 * The pool of connections behind a struct mr_db, for the files db*.c. Any thread may take one; it belongs to
 * that thread until it gives it back.
 *
 * A connection on which an answer did not come in time is closed. The others may lead into the same silence (a network
 * that dropped them all), so none that was open at that moment is used again.
 */
#ifndef MR_DATA_DB_POOL_H
#define MR_DATA_DB_POOL_H

#include "shared/data/db_connection.h"

struct mr_db_tx {
    struct mr_db *db;
    struct mr_db_connection *connection;
    bool has_worked; /* it cannot begin again on another connection */
};

/* Takes a connection that is open, for a call that ends within timeout_ms. Waits up to 5 s for a free one
 * (MR_EXHAUSTED), and opens it if necessary (MR_UNAVAILABLE). */
MR_MUST_CHECK enum mr_status mr_db_pool_take(struct mr_db *db, int timeout_ms, struct mr_db_connection **ret,
                                             struct mr_err *err);
void mr_db_pool_give_back(struct mr_db *db, struct mr_db_connection *connection);
/* Opens a connection again that was taken and broke. MR_UNAVAILABLE. */
MR_MUST_CHECK enum mr_status mr_db_pool_open(struct mr_db *db, struct mr_db_connection *connection,
                                             struct mr_err *err);

/* The transaction's next exchange may take that long. */
void mr_db_tx_allow(struct mr_db_tx *tx, int timeout_ms);

#endif
