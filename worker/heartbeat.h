/*
 * The heartbeat of a job: a thread that, twice a second, extends the lease, stores the progress, and finds
 * out whether the task has been cancelled, deleted or taken over. A database that does not answer does not
 * end the job: the heartbeats go on, and the fence decides at the commit.
 */
#ifndef MR_WORKER_HEARTBEAT_H
#define MR_WORKER_HEARTBEAT_H

#include "shared/base/log.h"
#include "shared/data/leases.h"

struct mr_heartbeat;

/* claim and log must outlive it. MR_EXHAUSTED without memory or a thread. */
MR_MUST_CHECK enum mr_status mr_heartbeat_start(struct mr_db *db, const struct mr_claim *claim,
                                                int64_t lease_seconds, const struct mr_log *log,
                                                struct mr_heartbeat **ret, struct mr_err *err);
/* Waits for a heartbeat that is being written; none follows. NULL is allowed. */
void mr_heartbeat_stop(struct mr_heartbeat *heartbeat);
MR_DEFINE_CLEANUP(mr_heartbeat, mr_heartbeat_stop)

/* Progress in permille, stored with the next heartbeat. Any thread. */
void mr_heartbeat_progress(struct mr_heartbeat *heartbeat, int permille);
/* How long the lease still lasts, in ms, going by the last heartbeat that was stored; 0: it may have ended. Any thread. */
int64_t mr_heartbeat_left_ms(const struct mr_heartbeat *heartbeat);
/* True once a heartbeat found the task cancelled, deleted or taken over. Any thread. */
bool mr_heartbeat_lost(const struct mr_heartbeat *heartbeat);

#endif
