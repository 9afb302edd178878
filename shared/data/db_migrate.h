/* Migrations and grants: the schema is brought up to date by web, at its start, as the owner of the tables. Any
 * thread may call. */
#ifndef MR_DATA_DB_MIGRATE_H
#define MR_DATA_DB_MIGRATE_H

#include "shared/data/db.h"

struct mr_migration {
    const char *name; /* "0001_start" */
    const char *sql;  /* may hold several statements; runs in one transaction */
};

/* Those of infra/migrations/, embedded by the build; the last has a NULL name. */
extern const struct mr_migration mr_migrations[];
/* infra/grants.sql: what the logins of web and worker may do. Written to be applied at each start. */
extern const char mr_grants_sql[];

/* Applies, in order, what the table schema_migrations does not list yet, under an advisory lock: several
 * processes may start at once. The array ends as
 * mr_migrations. *ret_applied counts those applied now. */
MR_MUST_CHECK enum mr_status mr_db_migrate(struct mr_db *db, const struct mr_migration *migrations,
                                           int *ret_applied, struct mr_err *err);

/* Applies mr_grants_sql, or a text like it, under the same lock. */
MR_MUST_CHECK enum mr_status mr_db_grant(struct mr_db *db, const char *sql, struct mr_err *err);

#endif
