/*
 * The ledger of stray objects: an object's name is written down before the object is stored, and struck out
 * in the statement that gives it an owner (a task's insert, a lease's commit). What stays is deleted by the
 * sweep, so that no crash leaves an object nobody knows. Any thread may call.
 */
#ifndef MR_DATA_STRAYS_H
#define MR_DATA_STRAYS_H

#include "shared/base/json.h"
#include "shared/data/db.h"

/* The object may be deleted delete_after_s from now unless it gets an owner; 0: at once. */
MR_MUST_CHECK enum mr_status mr_strays_add(struct mr_db *db, const char *name, int64_t delete_after_s,
                                           struct mr_err *err);
/* The object is deleted: forget it. */
MR_MUST_CHECK enum mr_status mr_strays_forget(struct mr_db *db, const char *name, struct mr_err *err);
/* Up to max names that are due, as an array of strings. */
MR_MUST_CHECK enum mr_status mr_strays_due(struct mr_db *db, int max, json_t **ret_names, struct mr_err *err);

#endif
