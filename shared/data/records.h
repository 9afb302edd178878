/*
 * The records of kind insert_records: for each task that orders N of them N users, N products and N order
 * items (schema `records`), made up from their number, so that the same order gives the same rows.
 *
 * A run stands for one task: records 1 … done of all three tables are there, and no others, at every moment.
 * Each call below is one bounded transaction, which moves `done` and the rows together. One that inserts
 * demands the task's lease (generation, fence) as its last act before the commit; so a worker that was
 * presumed dead adds nothing, and no row outlives its task but in a run that is marked as orphaned (by a
 * trigger). Any thread may call.
 */
#ifndef MR_DATA_RECORDS_H
#define MR_DATA_RECORDS_H

#include "shared/data/leases.h"

/* Records that one transaction deletes at most, of each table. */
enum { MR_RECORDS_PURGE_MAX = 20000 };

enum mr_records_state {
    MR_RECORDS_OURS, /* go on */
    MR_RECORDS_OLD,  /* a portion of an older generation's rows was deleted: begin again */
    MR_RECORDS_LOST, /* the lease is no longer ours: nothing was changed */
};

/* Finds or makes the run of a claimed task. *ret_done is how far an earlier attempt has come. */
MR_MUST_CHECK enum mr_status mr_records_begin(struct mr_db *db, const struct mr_claim *claim,
                                              enum mr_records_state *ret_state, int64_t *ret_done,
                                              struct mr_err *err);

/* Inserts the records done + 1 … done + count. MR_RECORDS_LOST also when the run is not at `done`. */
MR_MUST_CHECK enum mr_status mr_records_insert(struct mr_db *db, const struct mr_claim *claim, int64_t done,
                                               int64_t count, enum mr_records_state *ret_state,
                                               struct mr_err *err);

/* Deletes a portion of the rows of a task that is gone, and at last its run. *ret_any is false when there is
 * none; *ret_count is how many records (of each table) went. */
MR_MUST_CHECK enum mr_status mr_records_purge_orphan(struct mr_db *db, bool *ret_any, int64_t *ret_count,
                                                     struct mr_err *err);

#endif
