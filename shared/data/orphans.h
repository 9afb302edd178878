/*
 * The ledger of orphaned objects (table stray_objects): an object's name is written down before the object is
 * stored, and removed by the statement that gives it an owner (a task's insert, a lease's commit). The sweep
 * deletes the objects that stay in it, so that a crash leaves none behind. Any thread may call.
 */
#ifndef MR_DATA_ORPHANS_H
#define MR_DATA_ORPHANS_H

#include "shared/base/json.h"
#include "shared/data/db.h"

/* The object may be deleted delete_after_s seconds from now unless it gets an owner; 0: at once. Adding it again
 * replaces the time. */
MR_MUST_CHECK enum mr_status mr_orphans_add(struct mr_db *db, const char *name, int64_t delete_after_s,
                                            struct mr_err *err);
/* Call when the object is deleted. */
MR_MUST_CHECK enum mr_status mr_orphans_forget(struct mr_db *db, const char *name, struct mr_err *err);
/* Up to max names that are due, as an array of strings; the caller owns *ret_names. */
MR_MUST_CHECK enum mr_status mr_orphans_due(struct mr_db *db, int max, json_t **ret_names,
                                            struct mr_err *err);

#endif
