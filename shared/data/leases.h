/*
 * Leases: exactly one worker at a time may finish a task.
 *
 * A claim takes the lease: attempts and fence rise before a byte is decoded. A heartbeat extends it. A commit,
 * failure or release requires the same generation and fence, so a worker that was presumed dead can neither
 * publish nor overwrite. Each call is one statement. Any thread may call.
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
    MR_CLAIM_EXHAUSTED, /* no attempts are left: the task was failed */
};

/* A claimed task; its texts are owned. */
struct mr_claim {
    int64_t task_id;
    int64_t generation;
    int64_t fence;
    int64_t attempts;  /* this one included */
    int64_t queued_ms; /* from the upload, or the request to run it again, to this claim */
    char file_id[MR_UUID_TEXT_MAX];
    char kind[MR_KIND_MAX];
    char *input_object; /* "" while the input is not fetched from url */
    int64_t input_generation;
    int64_t input_size; /* bytes */
    char *original_file;
    char *new_format;
    char *options;       /* JSON text, "" if none */
    char *url;           /* "" if none */
    bool has_deliveries; /* a webhook or mail follows the end of the task */
};
void mr_claim_free(struct mr_claim *claim);
MR_DEFINE_VALUE_CLEANUP(mr_claim, mr_claim_free)

/* Claims the message's task for lease_seconds. *ret is filled for MR_CLAIM_OURS only; the caller frees it. */
MR_MUST_CHECK enum mr_status mr_lease_claim(struct mr_db *db, const struct mr_message *message,
                                            int64_t lease_seconds, int64_t max_attempts,
                                            enum mr_claim_outcome *ret_outcome, struct mr_claim *ret,
                                            struct mr_err *err);

/* Extends the lease and notes progress (permille). *ret_ours is false when the task was canceled, deleted or
 * claimed by another worker. */
MR_MUST_CHECK enum mr_status mr_lease_heartbeat(struct mr_db *db, const struct mr_claim *claim,
                                                int64_t lease_seconds, int progress, bool *ret_ours,
                                                struct mr_err *err);

/* Notes the input that was fetched from the task's url, and takes it out of the ledger of orphaned objects.
 * *ret_ours as above; when false, the object has no owner. Safe to repeat. */
MR_MUST_CHECK enum mr_status mr_lease_set_input(struct mr_db *db, const struct mr_claim *claim,
                                                const char *object, int64_t object_generation, int64_t size,
                                                const char *original_file, const char *original_format,
                                                bool *ret_ours, struct mr_err *err);

/* What a processed task has; nothing is owned. */
struct mr_commit {
    const struct mr_output *outputs;
    size_t count;
    const json_t *receipt; /* may be NULL */
    const json_t *result;  /* of a kind without files; may be NULL */
};
/*
 * Makes the outputs visible and the task processed, and takes the objects out of the ledger of orphaned objects,
 * in one statement. *ret_ours is false when the fence no longer matches. Safe to repeat after MR_UNAVAILABLE:
 * *ret_ours is true if an earlier attempt was committed.
 */
MR_MUST_CHECK enum mr_status mr_lease_commit(struct mr_db *db, const struct mr_claim *claim,
                                             const struct mr_commit *commit, bool *ret_ours,
                                             struct mr_err *err);

/* Ends the task as failed. Safe to repeat. */
MR_MUST_CHECK enum mr_status mr_lease_fail(struct mr_db *db, const struct mr_claim *claim, const char *code,
                                           const char *detail, struct mr_err *err);

/* Gives the lease back and does not count the attempt, because the input was not at fault: the task waits
 * again. */
MR_MUST_CHECK enum mr_status mr_lease_release(struct mr_db *db, const struct mr_claim *claim,
                                              struct mr_err *err);

/* Gives the lease back and counts the attempt: something outside failed that may recover (a third-party
 * server). The next sweep publishes the task again. */
MR_MUST_CHECK enum mr_status mr_lease_defer(struct mr_db *db, const struct mr_claim *claim,
                                            struct mr_err *err);

#endif
