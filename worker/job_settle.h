/*
 * A run of a task or of a unit of one, under its lease, and what it means that it ended without a result: the lease is given
 * back, or the task fails. The database may be down as well; then the lease expires. Used by the thread that runs the job.
 */
#ifndef MR_WORKER_JOB_SETTLE_H
#define MR_WORKER_JOB_SETTLE_H

#include "worker/job.h"

/* What a failure means: ends the task or gives the lease back, and returns how the job ended. */
typedef enum mr_job_end mr_settle(struct mr_job *job, const struct mr_err *cause);

/* By the rules of mr_kind_run (job.h). */
mr_settle mr_job_settle;

/* Runs what has been claimed while heartbeats extend its lease. settle is called with the failure of run, which *ret_cause
 * holds afterwards. */
enum mr_job_end mr_job_run_leased(struct mr_job *job, mr_kind_run *run, mr_settle *settle,
                                  struct mr_err *ret_cause);

/* Gives the lease back. Returns end, or MR_JOB_LOST if the lease was lost. */
enum mr_job_end mr_job_release(const struct mr_job *job, enum mr_release reason, enum mr_job_end end);

/* The end after a call that gave the lease up and returned status: MR_JOB_LOST if the lease was not ours, and of an end that
 * needed the call, MR_JOB_RELEASED if it failed. */
enum mr_job_end mr_job_end_unless_lost(const struct mr_job *job, enum mr_status status, bool ours,
                                       enum mr_job_end end, const struct mr_err *err);

#endif
