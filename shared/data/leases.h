/*
 * Leases: exactly one worker at a time may finish a task.
 *
 * A claim takes the lease and raises the fence. The start of the work counts the attempt, before a byte is
 * decoded. A heartbeat extends the lease. A commit, failure or release requires the same generation and fence,
 * so a worker that was presumed dead can neither publish nor overwrite.
 *
 * What ends a run without a result is counted by whose doing it was, and each count has a bound of its own that
 * the next claim checks: attempts less interruptions (the file, or a server that its URL names), interruptions
 * (the machine: killed, or frozen until the lease expired), stops (the worker was told to end). Failures of
 * our own infrastructure are not counted: the age of the task bounds them (worker/job.c). However it runs, a task ends
 * max_task_seconds after the first claim of its generation: the next claim fails it, and a job that runs stops.
 *
 * *ret_ours is always false when the lease is no longer held: the task was cancelled, deleted, run again or
 * claimed by another worker. Each call but the claim is one statement, and gives up after MR_DB_QUICK_MS: a lease
 * waits for it. Any thread may call.
 */
#ifndef MR_DATA_LEASES_H
#define MR_DATA_LEASES_H

#include "shared/base/json.h"
#include "shared/base/random.h"
#include "shared/data/db.h"
#include "shared/data/message.h"
#include "shared/data/outputs.h"

enum mr_claim_outcome {
    MR_CLAIM_OURS,
    MR_CLAIM_STALE,     /* unknown task, another generation, or a final state: nothing to do */
    MR_CLAIM_ELSEWHERE, /* another worker has a live lease */
    MR_CLAIM_EXHAUSTED, /* a limit of the terms is reached: the task was failed */
};

/* What part of a task a unit does (units.h). */
enum mr_unit_kind { MR_UNIT_VIDEO, MR_UNIT_AUDIO, MR_UNIT_JOIN, MR_UNIT_LEVEL };

/* The unit of a claim; n 0: the claim is of the whole task. */
struct mr_unit {
    int64_t n; /* from 1 */
    enum mr_unit_kind kind;
    int64_t fence;          /* of the unit; that of the claim is the task's when it was cut */
    int64_t from_us, to_us; /* of the clip; INT64_MAX: to its end */
    int64_t attempts;       /* this one included */
    char *search;           /* JSON text: what is known of a gain (units.h); "" or NULL: nothing; owned */
};

/* A claimed task; its texts are owned. */
struct mr_claim {
    int64_t task_id;
    int64_t generation;
    int64_t fence;
    int64_t attempts;      /* this one included, although it has not started yet */
    int64_t interruptions; /* of the attempts before: those that the machine ended */
    int64_t worked_ms;     /* from the first claim of this generation to this one */
    int64_t queued_ms;     /* from the upload, or the request to run it again, to this claim */
    char file_id[MR_UUID_TEXT_MAX];
    char kind[MR_KIND_MAX];
    char *input_object; /* "" while the input is not fetched from url */
    int64_t input_generation;
    int64_t input_size; /* bytes */
    char *original_file;
    char *new_format;
    char *options;       /* JSON text, "" if none */
    char *url;           /* "" if none */
    char *whole_reason;  /* why this generation is not cut into units (units.h); "" if it may be */
    bool has_deliveries; /* a webhook or mail follows the end of the task */
    bool reuse;          /* an earlier result may be the answer (results.h) */
    struct mr_unit unit;
};
void mr_claim_free(struct mr_claim *claim);
MR_DEFINE_VALUE_CLEANUP(mr_claim, mr_claim_free)

/* How long a lease lasts, and what may happen to a task before it fails instead of being claimed again. */
struct mr_lease_terms {
    int64_t seconds;
    int64_t max_attempts; /* less interruptions */
    int64_t max_interruptions;
    int64_t max_stops;
    int64_t max_task_seconds; /* since its generation was claimed first */
    int64_t give_up_seconds; /* since the task was queued: bounds leases that expire before the work starts */
};

/*
 * Claims the message's task. claim_id is a UUID of this delivery: a claim whose answer was lost (MR_UNAVAILABLE)
 * is repeated with the same one, and gets the lease that it holds already. *ret is filled for MR_CLAIM_OURS only;
 * the caller frees it.
 */
MR_MUST_CHECK enum mr_status mr_lease_claim(struct mr_db *db, const struct mr_message *message,
                                            const char *claim_id, const struct mr_lease_terms *terms,
                                            enum mr_claim_outcome *ret_outcome, struct mr_claim *ret,
                                            struct mr_err *err);

/* Counts the attempt, once for each lease: the work starts. Safe to repeat. */
MR_MUST_CHECK enum mr_status mr_lease_start(struct mr_db *db, const struct mr_claim *claim, bool *ret_ours,
                                            struct mr_err *err);

/* Extends the lease and notes progress (permille). */
MR_MUST_CHECK enum mr_status mr_lease_heartbeat(struct mr_db *db, const struct mr_claim *claim,
                                                int64_t lease_seconds, int progress, bool *ret_ours,
                                                struct mr_err *err);

/* Notes the input that was fetched from the task's url, and takes it out of the ledger of orphaned objects.
 * When the lease is no longer held, the object has no owner. Safe to repeat. */
MR_MUST_CHECK enum mr_status mr_lease_set_input(struct mr_db *db, const struct mr_claim *claim,
                                                const char *object, int64_t object_generation, int64_t size,
                                                const char *original_file, const char *original_format,
                                                bool *ret_ours, struct mr_err *err);

/* What outputs were made from and by what, so that they can answer a later task (results.h). */
struct mr_made_from {
    bool is_known;      /* false: they will answer none */
    uint32_t crc32c;    /* of the input's bytes */
    const char *engine; /* not owned */
};

/* What a processed task has; nothing is owned. */
struct mr_commit {
    const struct mr_output *outputs;
    size_t count;
    const json_t *receipt; /* may be NULL */
    const json_t *result;  /* of a kind without files; may be NULL */
    struct mr_made_from made;
};
/*
 * Makes the outputs visible and the task processed, and takes the objects out of the ledger of orphaned objects,
 * in one statement. Safe to repeat after MR_UNAVAILABLE: *ret_ours is true if an earlier call was committed.
 */
MR_MUST_CHECK enum mr_status mr_lease_commit(struct mr_db *db, const struct mr_claim *claim,
                                             const struct mr_commit *commit, bool *ret_ours,
                                             struct mr_err *err);

/* Ends the task as failed. */
MR_MUST_CHECK enum mr_status mr_lease_fail(struct mr_db *db, const struct mr_claim *claim, const char *code,
                                           const char *detail, bool *ret_ours, struct mr_err *err);

/* Why a lease is given back, and what of a started run is counted. */
enum mr_release {
    MR_RELEASE_UNCOUNTED, /* our infrastructure failed, or others go first: nothing */
    MR_RELEASE_STOP,      /* the worker is stopping: a stop, also of a run that has not started */
    MR_RELEASE_KILL,      /* the machine killed the conversion: an attempt and an interruption */
    MR_RELEASE_KILL_FULL, /* … while its memory was near the limit */
};

/* Gives the lease back: the task waits for the next delivery of its message. */
MR_MUST_CHECK enum mr_status mr_lease_release(struct mr_db *db, const struct mr_claim *claim,
                                              enum mr_release reason, bool *ret_ours, struct mr_err *err);

/* The user's text for MR_CODE_TASK_TOO_LONG. */
#define MR_TASK_TOO_LONG_DETAIL "task has been worked on for longer than a task may take"

/* Gives the lease back and counts the attempt: something outside failed that may recover (a third-party
 * server). The next sweep publishes the task again. */
MR_MUST_CHECK enum mr_status mr_lease_defer(struct mr_db *db, const struct mr_claim *claim, bool *ret_ours,
                                            struct mr_err *err);

#endif
