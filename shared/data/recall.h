/* Publishes tasks again that were put off for those of other users (waiting.h). Any thread may call. */
#ifndef MR_DATA_RECALL_H
#define MR_DATA_RECALL_H

#include "shared/data/db.h"
#include "shared/data/publisher.h"

enum { MR_RECALLED_MAX = 500 };

/* Up to max tasks, at most MR_RECALLED_MAX, of one priority, within timeout_ms. After a failure they are put off again; if
 * that fails as well, the sweep publishes them once their messages are overdue. */
MR_MUST_CHECK enum mr_status mr_recall(struct mr_db *db, const struct mr_publisher *publisher, bool high,
                                       size_t max, int timeout_ms, size_t *ret_count, struct mr_err *err);

/* The same for units (units.h). */
MR_MUST_CHECK enum mr_status mr_recall_units(struct mr_db *db, const struct mr_publisher *publisher,
                                             bool high, size_t max, int timeout_ms, size_t *ret_count,
                                             struct mr_err *err);

#endif
