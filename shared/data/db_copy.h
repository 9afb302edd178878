/*
 * COPY … FROM STDIN within a transaction: many rows as one stream of text, several times as fast as INSERT.
 *
 * Begin, write any number of chunks (cut anywhere), end. Until the end the transaction can do nothing else;
 * rolling it back aborts the copy. After a failure it can only be rolled back. Statuses as in db.h; an error
 * in the data may show at any of the three calls. Sources:
 * https://www.postgresql.org/docs/15/libpq-copy.html, https://www.postgresql.org/docs/15/sql-copy.html
 */
#ifndef MR_DATA_DB_COPY_H
#define MR_DATA_DB_COPY_H

#include "shared/data/db.h"

/* sql: "COPY table (columns) FROM STDIN". It is not prepared. */
MR_MUST_CHECK enum mr_status mr_db_tx_copy_begin(struct mr_db_tx *tx, const char *sql, struct mr_err *err);
/* Blocks while the server is behind. Chunks of some ten KiB are fastest. */
MR_MUST_CHECK enum mr_status mr_db_tx_copy_write(struct mr_db_tx *tx, const void *data, size_t len,
                                                 struct mr_err *err);
/* ret_rows may be NULL; *ret_rows is how many rows were copied. */
MR_MUST_CHECK enum mr_status mr_db_tx_copy_end(struct mr_db_tx *tx, int64_t *ret_rows, struct mr_err *err);

#endif
