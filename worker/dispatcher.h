/*
 * The dispatcher: pushes from their arrival to their answer.
 *
 * A push of a task is looked up first. A stale one is acknowledged. One whose task another worker runs is held,
 * without a slot or a thread, until the task is final (acknowledged) or that lease has ended (it waits for a slot):
 * so the death of a worker is noticed as soon as its lease ends. All others wait for a slot (slots.h). Each slot is
 * a thread that runs one job after the other.
 *
 * A push of a user who has a full share of the slots is put off while tasks of other users wait: acknowledged, to be
 * published again when slots are idle (recall.h). Held open it would keep Pub/Sub from pushing theirs. So is a unit that
 * has waited for a second while nothing but units waits: another worker may have a slot for it.
 *
 * The number of pushes that wait is bounded, and so is the time: each is answered before Pub/Sub's ack deadline.
 */
#ifndef MR_WORKER_DISPATCHER_H
#define MR_WORKER_DISPATCHER_H

#include "shared/http/server.h"
#include "worker/job.h"

struct mr_dispatcher;

/* Starts the threads: one for each slot, counts[lane] of each lane, and the one that watches. worker must outlive
 * it. MR_EXHAUSTED. */
MR_MUST_CHECK enum mr_status mr_dispatcher_start(struct mr_worker *worker, const int counts[MR_LANES],
                                                 struct mr_dispatcher **ret, struct mr_err *err);
/* Ends running jobs early, answers what waits with 429 and returns when all threads have ended. Later pushes are
 * refused. */
void mr_dispatcher_stop(struct mr_dispatcher *dispatcher);
/* After mr_dispatcher_stop, when no request can come any more. NULL is allowed. */
void mr_dispatcher_free(struct mr_dispatcher *dispatcher);

/* How many pushes are held for the lease of another worker. */
int mr_dispatcher_held(struct mr_dispatcher *dispatcher);

/* Takes a push over: `run` does what the message asks for when its turn comes. Returns at once. MR_EXHAUSTED without
 * memory or descriptors; the caller then answers. Any thread. */
MR_MUST_CHECK enum mr_status mr_dispatcher_take(struct mr_dispatcher *dispatcher, struct mr_request *req,
                                                mr_message_run *run, const struct mr_message *message,
                                                const struct mr_log *log, struct mr_err *err);

#endif
