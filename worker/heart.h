/*
 * The heart of a job: a thread that beats twice a second, which extends the lease, writes progress, and
 * learns whether the task is still ours. A database that does not answer is no loss: the fence decides at the
 * commit.
 */
#ifndef MR_WORKER_HEART_H
#define MR_WORKER_HEART_H

#include "shared/base/log.h"
#include "shared/data/leases.h"

struct mr_heart;

/* claim and log must outlive it. */
MR_MUST_CHECK enum mr_status mr_heart_start(struct mr_db *db, const struct mr_claim *claim,
                                            int64_t lease_seconds, const struct mr_log *log,
                                            struct mr_heart **ret, struct mr_err *err);
/* After this no beat is under way. NULL is fine. */
void mr_heart_stop(struct mr_heart *heart);
MR_DEFINE_CLEANUP(mr_heart, mr_heart_stop)

/* Progress in permille, written with the next beat. Any thread. */
void mr_heart_progress(struct mr_heart *heart, int permille);
/* True once a beat found the task cancelled, deleted or taken over. Any thread. */
bool mr_heart_lost(const struct mr_heart *heart);

#endif
