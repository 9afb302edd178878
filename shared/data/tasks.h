/*
 * Tasks as their owners see them: made, read, listed, deleted. Leases (leases.h) are the workers' side.
 *
 * A task is given out as its API object (a "view"): id, file_id, kind, status, progress, …, outputs[], error,
 * receipt. Another user's task is MR_NOT_FOUND. Any thread may call.
 */
#ifndef MR_DATA_TASKS_H
#define MR_DATA_TASKS_H

#include "shared/base/encoding.h"
#include "shared/base/json.h"
#include "shared/data/db.h"
#include "shared/data/message.h"

/* A task about to be inserted. Texts are not owned; NULL where there is none. */
struct mr_task_draft {
    char file_id[MR_UUID_TEXT_MAX];
    int64_t user_id;
    const char *kind;
    const char *priority; /* "normal" or "high" */
    const char *new_format;
    const char *preset;    /* that an edit follows */
    const json_t *options; /* of conversions and edits: the options; of other kinds: their parameters */
    const char *original_file;
    const char *original_format;
    int64_t original_size; /* -1: not known yet (url), or no file at all */
    const char *input_object;
    int64_t input_generation;
    const char *url; /* to be fetched by the worker: then there is no input_object yet */
    const char *callback_url;
    bool notify_mail;
    const char *upload_id; /* the direct upload that becomes the input: taken by this very statement */
    const char *idempotency_key;
    const char *request_hash; /* of the request the key came with */
    char traceparent[MR_TRACEPARENT_MAX];
};

/*
 * Inserts count drafts in one statement and strikes their input objects from the ledger of strays.
 * ret_views[i] is the view of drafts[i], owned by the caller; NULL where the draft's idempotency key or
 * upload had been used before: mr_tasks_resolve says what to answer then. Doing it again with the same drafts
 * changes nothing and gives the same views, so it may be repeated after MR_UNAVAILABLE. All or none.
 */
MR_MUST_CHECK enum mr_status mr_tasks_insert(struct mr_db *db, const struct mr_task_draft *const *drafts,
                                             size_t count, json_t **ret_views, struct mr_err *err);

/*
 * The answer to a draft that mr_tasks_insert left out: the task that its idempotency key made before.
 * MR_CONFLICT with code "idempotency_key_reused" (another request), "idempotency_key_spent" (that task is
 * deleted), or MR_NOT_FOUND with code "unknown_upload" (upload_id: taken, expired, or another user's).
 */
MR_MUST_CHECK enum mr_status mr_tasks_resolve(struct mr_db *db, const struct mr_task_draft *draft,
                                              json_t **ret_view, struct mr_err *err);

/* key: the number or the file_id of a task. */
MR_MUST_CHECK enum mr_status mr_tasks_get(struct mr_db *db, int64_t user_id, const char *key,
                                          json_t **ret_view, struct mr_err *err);

/* user_id of a filter's task list: everybody's. For operators. */
enum { MR_EVERYBODY = 0 };

struct mr_task_filter {
    int64_t max;        /* at most so many */
    bool falling;       /* by id, else rising */
    int64_t after;      /* only ids behind this one in the order; 0: from the start */
    const char *status; /* NULL: any */
};
/* *ret_views is an array. */
MR_MUST_CHECK enum mr_status mr_tasks_list(struct mr_db *db, int64_t user_id,
                                           const struct mr_task_filter *filter, json_t **ret_views,
                                           struct mr_err *err);

/*
 * Deletes a task; a worker that runs it notices at its next heartbeat. The task's objects go into the ledger
 * of strays as due; their names are given as an array of strings, so that the caller may delete them at once.
 */
MR_MUST_CHECK enum mr_status mr_tasks_delete(struct mr_db *db, int64_t user_id, const char *key,
                                             json_t **ret_objects, struct mr_err *err);

/* What PUT changes, a preset or options; NULL leaves a field as it is. */
struct mr_task_change {
    const char *new_format;
    const char *preset;    /* of the table: the task becomes an edit that follows it */
    const json_t *options; /* checked but for the format: the task becomes a conversion with these */
};
/*
 * Orders the task anew: generation + 1, `uploaded`, attempts 0, no message published yet. The old outputs go
 * into the ledger of strays as due, and *ret_objects names them. Work that is under way loses its fence. The
 * message to be published is *ret_message. MR_CONFLICT with code "not_convertible" for a kind without a
 * format. MR_INVALID as mr_options_check and mr_preset_apply have it, for what the change makes together with
 * what the task was.
 */
MR_MUST_CHECK enum mr_status mr_tasks_redo(struct mr_db *db, int64_t user_id, const char *key,
                                           const struct mr_task_change *change, json_t **ret_view,
                                           json_t **ret_objects, struct mr_message *ret_message,
                                           struct mr_err *err);

struct mr_output {
    char *object;
    int64_t object_generation;
    char *file_name;
    char *content_type;
    int64_t size;
};
void mr_output_free(struct mr_output *output);
MR_DEFINE_VALUE_CLEANUP(mr_output, mr_output_free)
/* The n-th result of a task; key may also be the name its file was uploaded with: the caller's newest task of
 * that name. MR_INVALID with code "not_ready" or "failed" if there is none (yet), MR_NOT_FOUND. */
MR_MUST_CHECK enum mr_status mr_tasks_output(struct mr_db *db, int64_t user_id, const char *key, int64_t n,
                                             struct mr_output *ret, struct mr_err *err);

#endif
