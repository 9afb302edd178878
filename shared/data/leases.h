/*
 * Leases: how exactly one worker at a time may finish a task.
 *
 * A claim takes the lease: attempts and fence rise before a byte is decoded. A heartbeat extends it. A
 * commit, failure or release demands the same generation and fence, so a worker that was presumed dead can
 * neither publish nor overwrite. Each call is one statement. Any thread may call.
 */
#ifndef MR_DATA_LEASES_H
#define MR_DATA_LEASES_H

#include "shared/base/encoding.h"
#include "shared/base/json.h"
#include "shared/data/db.h"
#include "shared/data/message.h"

enum mr_claim_outcome {
    MR_CLAIM_OURS,
    MR_CLAIM_STALE,     /* unknown task, another generation, or a final state: nothing to do */
    MR_CLAIM_ELSEWHERE, /* somebody holds a live lease */
    MR_CLAIM_EXHAUSTED, /* attempts are used up: the task has been failed */
};

struct mr_claim {
    int64_t task_id;
    int64_t generation;
    int64_t fence;
    int64_t attempts;
    int64_t queued_ms; /* from the upload, or the order to do it anew, to this claim */
    char file_id[MR_UUID_TEXT_MAX];
    char kind[MR_KIND_MAX];
    char *input_object;
    int64_t input_generation;
    int64_t input_size;
    char *original_file;
    char *new_format;
    char *options;       /* JSON text, "" if none */
    char *url;           /* "" if none; to be fetched while there is no input_object ("") */
    bool has_deliveries; /* somebody is to be told of the end */
};
void mr_claim_free(struct mr_claim *claim);
MR_DEFINE_VALUE_CLEANUP(mr_claim, mr_claim_free)

/* *ret is filled for MR_CLAIM_OURS only. */
MR_MUST_CHECK enum mr_status mr_lease_claim(struct mr_db *db, const struct mr_message *message,
                                            int64_t lease_seconds, int64_t max_attempts,
                                            enum mr_claim_outcome *ret_outcome, struct mr_claim *ret,
                                            struct mr_err *err);

/* Extends the lease and notes progress (permille). *ret_ours is false when the task was cancelled, deleted or
 * taken over. */
MR_MUST_CHECK enum mr_status mr_lease_heartbeat(struct mr_db *db, const struct mr_claim *claim,
                                                int64_t lease_seconds, int progress, bool *ret_ours,
                                                struct mr_err *err);

struct mr_result {
    const char *object;
    int64_t object_generation;
    const char *file_name;
    const char *format;
    const char *content_type;
    int64_t size;
};

/* Notes the input that was fetched from the task's url, and strikes it from the ledger of strays. *ret_ours
 * as above; when false the object is nobody's. Safe to repeat. */
MR_MUST_CHECK enum mr_status mr_lease_set_input(struct mr_db *db, const struct mr_claim *claim,
                                                const char *object, int64_t object_generation, int64_t size,
                                                const char *original_file, const char *original_format,
                                                bool *ret_ours, struct mr_err *err);

/*
 * Makes the results visible and the task processed, and strikes the objects from the ledger of strays, in one
 * statement. *ret_ours is false when the fence no longer holds. Repeating it after MR_UNAVAILABLE is safe:
 * *ret_ours is true if an earlier try got through.
 */
struct mr_commit {
    const struct mr_result *results;
    size_t count;
    const json_t *receipt; /* may be NULL */
    const json_t *result;  /* of a kind without files; may be NULL */
};
MR_MUST_CHECK enum mr_status mr_lease_commit(struct mr_db *db, const struct mr_claim *claim,
                                             const struct mr_commit *commit, bool *ret_ours,
                                             struct mr_err *err);

/* Ends the task as failed. Safe to repeat. */
MR_MUST_CHECK enum mr_status mr_lease_fail(struct mr_db *db, const struct mr_claim *claim, const char *code,
                                           const char *detail, struct mr_err *err);

/* Gives the lease back: the task waits again, and the attempt is not counted, for the decoder was not at
 * fault. */
MR_MUST_CHECK enum mr_status mr_lease_release(struct mr_db *db, const struct mr_claim *claim,
                                              struct mr_err *err);

/* Gives the lease back and keeps the attempt counted: something outside failed that may come back (a
 * stranger's server). The task waits for the outbox, which publishes it with the next sweep. */
MR_MUST_CHECK enum mr_status mr_lease_defer(struct mr_db *db, const struct mr_claim *claim,
                                            struct mr_err *err);

/*
 * What a dead letter asks for: the task fails visibly (code "delivery_exhausted") if it was ever attempted or
 * has waited for a day; otherwise it goes back to the outbox, for it was only the queue that was full.
 */
MR_MUST_CHECK enum mr_status mr_lease_dead_letter(struct mr_db *db, const struct mr_message *message,
                                                  struct mr_err *err);

#endif
