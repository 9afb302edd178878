/* A fresh, migrated database for one test program, on the PostgreSQL that tests/unit/run.sh started. */
#ifndef MR_TESTS_UNIT_DATABASE_H
#define MR_TESTS_UNIT_DATABASE_H

#include "shared/data/db.h"

/* A new database without any table. *ret_conninfo is malloc'ed. Ends the program when there is no PostgreSQL.
 */
void database_create(char **ret_conninfo);
/* Opens it and applies the migrations. */
struct mr_db *database_open(const char *conninfo);
/* Runs SQL without parameters and gives the first field of its first row (malloc'ed; "" without rows). */
char *database_ask(struct mr_db *db, const char *sql);
/* A user to own tasks. */
int64_t database_user(struct mr_db *db, const char *name);

#endif
