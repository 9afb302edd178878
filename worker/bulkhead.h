/*
 * The bulkhead between the webhooks of different users. Nobody gets more than half of the delivery slots, so that
 * receivers that hang leave the others' webhooks alone from the first one on; a user whose receivers answer slowly
 * gets a quarter until one of them answers quickly again. A webhook beyond that waits a moment, as receivers that
 * answer quickly soon make room; after that the user's webhooks do not wait any more, because they would hold slots.
 * The state is kept in memory, each worker has its own. Any thread may call.
 */
#ifndef MR_WORKER_BULKHEAD_H
#define MR_WORKER_BULKHEAD_H

#include "shared/base/err.h"

#include <stdint.h>

struct mr_bulkhead;

/* slots: how many webhooks may run at once; wait_ms: how long a user's share may be full before others of the user stop
 * waiting for it. MR_EXHAUSTED without memory. */
MR_MUST_CHECK enum mr_status mr_bulkhead_new(int slots, int wait_ms, struct mr_bulkhead **ret,
                                             struct mr_err *err);
void mr_bulkhead_free(struct mr_bulkhead *bulkhead);

/* False if the user may not run another webhook now; otherwise mr_bulkhead_leave must follow. Waits up to wait_ms. */
bool mr_bulkhead_enter(struct mr_bulkhead *bulkhead, int64_t user_id);
/* slow: the receiver took long to answer. */
void mr_bulkhead_leave(struct mr_bulkhead *bulkhead, int64_t user_id, bool slow);

#endif
