/*
 * The bulkhead between the webhooks of different users. A user whose receivers answer slowly gets only a
 * quarter of the delivery slots until one of them answers quickly again, so a dead server delays the webhooks
 * of other users for at most one timeout. The state is kept in memory, each worker has its own. Any thread
 * may call.
 */
#ifndef MR_WORKER_BULKHEAD_H
#define MR_WORKER_BULKHEAD_H

#include "shared/base/err.h"

#include <stdint.h>

struct mr_bulkhead;

/* slots: how many webhooks may run at once. MR_EXHAUSTED without memory. */
MR_MUST_CHECK enum mr_status mr_bulkhead_new(int slots, struct mr_bulkhead **ret, struct mr_err *err);
void mr_bulkhead_free(struct mr_bulkhead *bulkhead);

/* False if the user may not run another webhook now; otherwise mr_bulkhead_leave must follow. */
bool mr_bulkhead_enter(struct mr_bulkhead *bulkhead, int64_t user_id);
/* slow: the receiver took long to answer. */
void mr_bulkhead_leave(struct mr_bulkhead *bulkhead, int64_t user_id, bool slow);

#endif
