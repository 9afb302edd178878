/*
 * The records of kind insert_records: a task for N records makes N users, N products and N order items (schema
 * `records`), made up from their number (records_rows.c), so that the same task gives the same rows.
 *
 * A run belongs to one task: at every moment records 1 … done of all three tables exist, and no others. Each call
 * is one bounded transaction, which moves `done` and the rows together. An insert checks the task's lease
 * (generation, fence) last, before its commit, so a worker that was presumed dead adds nothing. When its task is
 * deleted, a trigger marks the run as orphaned. Any thread may call.
 */
#ifndef MR_DATA_RECORDS_H
#define MR_DATA_RECORDS_H

#include "shared/data/leases.h"

/* The most records of each table that one transaction deletes. */
enum { MR_RECORDS_PURGE_MAX = 20000 };

enum mr_records_state {
    MR_RECORDS_OURS, /* continue */
    MR_RECORDS_OLD,  /* a portion of an older generation's rows was deleted: begin again */
    MR_RECORDS_LOST, /* the lease is no longer ours: nothing was changed */
};

/* Finds or makes the run of a claimed task. *ret_done is how far an earlier attempt has come. */
MR_MUST_CHECK enum mr_status mr_records_begin(struct mr_db *db, const struct mr_claim *claim,
                                              enum mr_records_state *ret_state, int64_t *ret_done,
                                              struct mr_err *err);

/* Inserts the records done + 1 … done + count. MR_RECORDS_LOST also when the run is not at `done`, or no longer. */
MR_MUST_CHECK enum mr_status mr_records_insert(struct mr_db *db, const struct mr_claim *claim, int64_t done,
                                               int64_t count, enum mr_records_state *ret_state,
                                               struct mr_err *err);

/* Deletes a portion of the rows of a deleted task, and its run when nothing is left. *ret_any is false if there is
 * no such run; *ret_count is how many records (of each table) were deleted. */
MR_MUST_CHECK enum mr_status mr_records_purge_orphan(struct mr_db *db, bool *ret_any, int64_t *ret_count,
                                                     struct mr_err *err);

#endif
