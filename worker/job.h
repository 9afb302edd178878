/*
 * A job: one message from claim to commit. Says how it ended; push.c turns that into the answer to Pub/Sub.
 */
#ifndef MR_WORKER_JOB_H
#define MR_WORKER_JOB_H

#include "shared/data/leases.h"
#include "worker/app.h"

enum mr_job_end {
    MR_JOB_COMMITTED,
    MR_JOB_FAILED,    /* for good: the task says why */
    MR_JOB_EXHAUSTED, /* attempts used up: the task has been failed */
    MR_JOB_STALE,     /* nothing to do: done, cancelled, another generation, unknown */
    MR_JOB_ELSEWHERE, /* somebody else holds a live lease */
    MR_JOB_LOST,      /* cancelled, deleted or taken over while it ran; what it made is deleted */
    MR_JOB_RELEASED,  /* storage, database or the machine failed: to be tried again */
    MR_JOB_DEFERRED,  /* a stranger's server failed: to be tried again with a later sweep */
    MR_JOB_STOPPED,   /* the worker is shutting down: to be tried elsewhere */
    MR_JOB_BUSY,      /* no slot came free, nothing was done: to be tried elsewhere */
    MR_JOB_ENDS
};

/* A word for logs. */
const char *mr_job_end_name(enum mr_job_end end);

/* What a message asks for, done on the calling thread. Logs how it ended. */
typedef enum mr_job_end mr_message_run(struct mr_worker *worker, const struct mr_message *message,
                                       const struct mr_log *log);

mr_message_run mr_job_run;     /* the kinds of tasks: claim, run, commit */
mr_message_run mr_deliver_run; /* kinds/deliver.c: one try of a webhook or mail */
mr_message_run mr_ping_run;    /* kinds/ping.c */

/* Publishes the messages of what a task that has just ended owes (kinds/deliver.c). What cannot be published
 * waits for the sweep. */
void mr_deliver_announce(struct mr_worker *worker, int64_t task_id, const struct mr_log *log);

/* ---- for the kinds ------------------------------------------------------------------ */

struct mr_job {
    struct mr_worker *worker;
    const struct mr_claim *claim;
    const struct mr_log *log;
    struct mr_heart *heart;
    bool strangers_fault; /* set by a kind that fails: a server that is not ours did, and may recover */
};

/* True when the job should end early: lost, or the worker is stopping. */
bool mr_job_should_stop(const struct mr_job *job);

/* Commits the claimed task. An answer that was lost is asked for again: leases.h says that this is safe. */
MR_MUST_CHECK enum mr_status mr_job_commit(struct mr_job *job, const struct mr_commit *commit,
                                           bool *ret_committed, struct mr_err *err);

/* Deletes an object that nobody will ever ask for: its job lost the lease. */
void mr_job_drop_object(struct mr_job *job, const char *name);

/*
 * Does the work of one claimed task and commits it. *ret_committed is false when the fence no longer held. A
 * transient failure releases the lease or, if it is a stranger's fault, puts the task off until the attempts
 * are used up; any other fails the task with err's code and message.
 */
typedef enum mr_status mr_kind_run(struct mr_job *job, bool *ret_committed, struct mr_err *err);

mr_kind_run mr_kind_convert;        /* kinds/convert.c: edits, too */
mr_kind_run mr_kind_probe;          /* kinds/probe.c */
mr_kind_run mr_kind_insert_records; /* kinds/insert_records.c */

#endif
