/*
 * The bulkhead between users' webhooks: whose receivers have kept us waiting gets a quarter of the delivery
 * slots from then on, until one of them answers quickly again. So nobody's dead server can hold up everybody
 * else's webhooks for longer than one time-out. It is this process's memory, no more: another worker learns
 * for itself. Any thread may call.
 */
#ifndef MR_WORKER_BULKHEAD_H
#define MR_WORKER_BULKHEAD_H

#include "shared/base/err.h"

#include <stdint.h>

struct mr_bulkhead;

/* slots: how many webhooks may run at once. */
MR_MUST_CHECK enum mr_status mr_bulkhead_new(int slots, struct mr_bulkhead **ret, struct mr_err *err);
void mr_bulkhead_free(struct mr_bulkhead *bulkhead);

/* False when the user has had enough for now; else leave must follow. */
bool mr_bulkhead_enter(struct mr_bulkhead *bulkhead, int64_t user_id);
/* slow: the receiver kept us waiting. */
void mr_bulkhead_leave(struct mr_bulkhead *bulkhead, int64_t user_id, bool slow);

#endif
