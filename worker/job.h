/*
 * A job: one message from claim to commit. The end of a job decides how the push is answered (push.c).
 */
#ifndef MR_WORKER_JOB_H
#define MR_WORKER_JOB_H

#include "shared/data/leases.h"
#include "worker/app.h"

enum mr_job_end {
    MR_JOB_COMMITTED,
    MR_JOB_FAILED,    /* for good: the task holds the reason */
    MR_JOB_EXHAUSTED, /* a limit is reached that is not about the file: the task has been failed */
    MR_JOB_STALE,     /* nothing to do: done, cancelled, another generation, unknown */
    MR_JOB_ELSEWHERE, /* another worker holds a live lease */
    MR_JOB_LOST,      /* cancelled, deleted or taken over while it ran; its outputs are deleted */
    MR_JOB_RELEASED,  /* storage, database or the machine failed: for the alert; the message comes again */
    MR_JOB_DEFERRED,  /* a third-party server failed, or others go first: a later sweep publishes it again */
    MR_JOB_STOPPED,   /* the worker is shutting down: another worker gets the message */
    MR_JOB_BUSY,      /* no slot came free, nothing was done: another worker gets the message */
    MR_JOB_YIELDED,   /* another user's task gets the slot: the message waits for one again */
    MR_JOB_CUT,       /* the task was cut into units, each with a message of its own (kinds/unit.c) */
    MR_JOB_UNCUT,     /* a unit cannot be made: the task runs again, as one job */
    MR_JOB_ENDS
};

/* A word for logs and metrics (job_end.c), and how serious such an end is. */
const char *mr_job_end_name(enum mr_job_end end);
enum mr_severity mr_job_end_severity(enum mr_job_end end);

/* Does what a message asks for, on the calling thread, and logs how it ended. ticket holds the slot; NULL for work
 * without one. */
typedef enum mr_job_end mr_message_run(struct mr_worker *worker, const struct mr_message *message,
                                       const struct mr_log *log, const struct mr_ticket *ticket);

mr_message_run mr_job_run;     /* the kinds of tasks: claim, run, commit */
mr_message_run mr_unit_run;    /* kinds/unit.c: a unit of a task that was cut */
mr_message_run mr_deliver_run; /* kinds/deliver.c: one attempt to send a webhook or mail */
mr_message_run mr_ping_run;    /* kinds/ping.c */

/* Logs the end of a message that was not claimed. */
void mr_job_log_unclaimed(const struct mr_log *log, const struct mr_message *message, enum mr_job_end end);

/* Publishes the messages for the deliveries of a task that has just ended (kinds/deliver.c). The sweep
 * publishes what cannot be published now. */
void mr_deliver_announce(struct mr_worker *worker, int64_t task_id, const struct mr_log *log);

/* A claim whose answer was lost is repeated with the same id, so it costs neither an attempt nor the wait for a lease. */
typedef enum mr_status mr_claim_call(struct mr_db *db, const struct mr_message *message, const char *claim_id,
                                     const struct mr_lease_terms *terms, enum mr_claim_outcome *ret_outcome,
                                     struct mr_claim *ret, struct mr_err *err);
MR_MUST_CHECK enum mr_status mr_job_claim(struct mr_worker *worker, mr_claim_call *call,
                                          const struct mr_message *message, const struct mr_log *log,
                                          enum mr_claim_outcome *ret_outcome, struct mr_claim *ret,
                                          struct mr_err *err);
/* What a claim that got no lease means. */
enum mr_job_end mr_job_end_unclaimed(enum mr_claim_outcome outcome);
/* What a kind of task works with. It belongs to the thread that runs the job. */
struct mr_job {
    struct mr_worker *worker;
    const struct mr_claim *claim;
    const struct mr_log *log;
    struct mr_heartbeat *heartbeat;
    const struct mr_ticket *ticket;
    int64_t started_us;       /* CLOCK_MONOTONIC, of the claim */
    struct mr_checksum input; /* of the input's bytes, once they are verified or looked up */
    int threads;              /* that a media job was given; 0: it is none, or has not begun */
    bool lost;                /* the start of the work found the lease lost */
    bool is_cut;              /* the task was cut into units: there is nothing to commit */
    bool remote_failed;       /* set by a kind that fails: a third-party server failed, and may recover */
};

/* Logs and counts the end of a job that was claimed; infra/monitoring/metrics counts these lines and measures by them. What
 * a unit has made, but for the join, ends no task: its line is "unit", and it is not counted. */
void mr_job_ended(const struct mr_job *job, enum mr_job_end end, const struct mr_err *cause);

/* True when the job should end early: its lease is lost, the worker is stopping, another user's task is to have the slot, or
 * the task is too long. Any thread. */
bool mr_job_should_stop(const struct mr_job *job);

/* The task has been worked on for MAX_TASK_SECONDS: if the job has not ended by then, it fails (target.c). */
bool mr_job_is_too_long(const struct mr_job *job);

/* Counts the attempt. A kind calls it right before the work that the file decides: a decoder, or the rows of
 * records. MR_CANCELED if the lease is lost. */
MR_MUST_CHECK enum mr_status mr_job_start(struct mr_job *job, struct mr_err *err);

/* How far the repetitions of one call have come; begins with zeros. */
struct mr_job_retries {
    int wait_ms;      /* the last wait; 0: nothing was repeated yet */
    int64_t until_us; /* CLOCK_MONOTONIC: the end of the lease as it was at the first failure */
};
/*
 * Whether to repeat a call to the database that is safe to repeat and ended with status: true, after a wait that grows,
 * if the failure may pass. False when the lease that was held at the first failure would have ended, also if heartbeats
 * extend it (a table that refuses rows must not hold a slot for ever), when the lease is lost, and when the worker is
 * stopping. A call then looks like this: do status = call(…); while (mr_job_retry(job, status, &retries));
 */
bool mr_job_retry(const struct mr_job *job, enum mr_status status, struct mr_job_retries *retries);

/* Notes an object in the ledger of orphaned objects, before its first byte is stored. Repeated as mr_job_retry says. */
MR_MUST_CHECK enum mr_status mr_job_note_object(const struct mr_job *job, const char *name,
                                                struct mr_err *err);

/* Commits the claimed task; repeats the commit as mr_job_retry says, which is safe (leases.h).
 * *ret_committed is false when the fence no longer held. */
MR_MUST_CHECK enum mr_status mr_job_commit(struct mr_job *job, const struct mr_commit *commit,
                                           bool *ret_committed, struct mr_err *err);

/* What the job's outputs are made from, for its commit. Not known for a kind without a format. */
struct mr_made_from mr_job_made_from(const struct mr_job *job);

/* Deletes an object of a job that lost its lease: no task refers to it. Failures are left to the sweep. */
void mr_job_drop_object(struct mr_job *job, const char *name);

/*
 * Does the work of one claimed task and commits it. *ret_committed is false when the fence no longer held. A
 * failure whose code is a verdict (codes.def) fails the task, with err's code and message. With remote_failed the
 * task is deferred until its attempts are used up. Any other failure is the service's own: the lease is released,
 * and the task fails only when it is older than GIVE_UP_AFTER_SECONDS.
 */
typedef enum mr_status mr_kind_run(struct mr_job *job, bool *ret_committed, struct mr_err *err);

mr_kind_run mr_kind_convert;        /* kinds/convert.c: edits, too */
mr_kind_run mr_kind_probe;          /* kinds/probe.c */
mr_kind_run mr_kind_insert_records; /* kinds/insert_records.c */

#endif
