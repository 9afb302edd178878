/*
 * Idempotency keys: one key of a user makes one task, for 24 hours. They are taken by mr_tasks_insert and
 * looked up by mr_tasks_resolve (tasks.h); here is their end. Any thread may call.
 */
#ifndef MR_DATA_IDEMPOTENCY_H
#define MR_DATA_IDEMPOTENCY_H

#include "shared/data/db.h"

/* How long a key holds, as SQL. */
#define MR_IDEMPOTENCY_LIFETIME "interval '24 hours'"

/* Deletes up to max keys that hold no longer; *ret_count says how many. */
MR_MUST_CHECK enum mr_status mr_idempotency_purge(struct mr_db *db, int64_t max, int64_t *ret_count,
                                                  struct mr_err *err);

#endif
