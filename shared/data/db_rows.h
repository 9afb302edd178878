/* How the files db*.c make the rows that db.h gives out. */
#ifndef MR_DATA_DB_ROWS_H
#define MR_DATA_DB_ROWS_H

#include "shared/data/db.h"

#include <libpq-fe.h>

/* The rows of a result. Takes the result over, also on failure. */
MR_MUST_CHECK enum mr_status mr_rows_of(PGresult *result, struct mr_rows **ret, struct mr_err *err);

#endif
