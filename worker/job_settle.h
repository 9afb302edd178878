/*
 * What it means that a run ended without a result, of a task or of a unit of one: the lease is given back, or the task fails.
 * The database may be down as well; then the lease expires. Used by the thread that runs the job.
 */
#ifndef MR_WORKER_JOB_SETTLE_H
#define MR_WORKER_JOB_SETTLE_H

#include "worker/job.h"

/* By the rules of mr_kind_run (job.h). */
enum mr_job_end mr_job_settle(struct mr_job *job, const struct mr_err *cause);

/* Gives the lease back. Returns end, or MR_JOB_LOST if the lease was lost. */
enum mr_job_end mr_job_release(const struct mr_job *job, enum mr_release reason, enum mr_job_end end);

/* The end after a call that gave the lease up and returned status: MR_JOB_LOST if the lease was not ours, and of an end that
 * needed the call, MR_JOB_RELEASED if it failed. */
enum mr_job_end mr_job_end_unless_lost(const struct mr_job *job, enum mr_status status, bool ours,
                                       enum mr_job_end end, const struct mr_err *err);

#endif
