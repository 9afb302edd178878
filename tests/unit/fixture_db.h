/* A fresh, migrated database for one test program, on the PostgreSQL that tests/unit/run.sh started. The migrations
 * are applied once, to a template; the databases are copies of it. A PostgreSQL that fails ends the program. */
#ifndef MR_TESTS_UNIT_FIXTURE_DB_H
#define MR_TESTS_UNIT_FIXTURE_DB_H

#include "shared/data/db.h"

/* Valid between fixture_db_setup and fixture_db_teardown. */
extern struct mr_db *test_db;
extern char *test_conninfo;
/* Two users, after fixture_db_setup_users only. */
extern int64_t test_owner, test_other;

/* For cmocka_run_group_tests: one migrated database for all tests of the program. */
int fixture_db_setup(void **state);
int fixture_db_setup_users(void **state);
int fixture_db_teardown(void **state);

/* A new database without any table; returns how to connect to it (malloc'ed). */
char *fixture_db_create(void);
/* Runs SQL without parameters and returns the field "answer" of its first row (malloc'ed; "" without rows). */
char *fixture_db_ask(struct mr_db *db, const char *sql);
/* Adds a user and returns its id. */
int64_t fixture_db_user(struct mr_db *db, const char *name);

#endif
