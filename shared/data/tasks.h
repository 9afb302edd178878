/*
 * Tasks as their owners see them: made, read, listed, run again, deleted. Leases (leases.h) are the workers' side.
 *
 * A task is returned as its API object (a "view"): id, file_id, kind, status, progress, …, outputs[], error,
 * receipt. Another user's task is MR_NOT_FOUND. Any thread may call.
 */
#ifndef MR_DATA_TASKS_H
#define MR_DATA_TASKS_H

#include "shared/base/json.h"
#include "shared/base/quotas.h"
#include "shared/base/random.h"
#include "shared/data/db.h"
#include "shared/data/message.h"
#include "shared/data/outbox.h"

/* A task to insert. Texts are not owned; NULL if there is none. */
struct mr_task_draft {
    char file_id[MR_UUID_TEXT_MAX];
    int64_t user_id;
    bool is_guest; /* the user: for the text of a refusal */
    const char *kind;
    const char *priority; /* "normal" or "high" */
    const char *new_format;
    const char *preset;    /* that an edit follows */
    const json_t *options; /* of conversions and edits: the options; of other kinds: their parameters */
    const char *original_file;
    const char *original_format;
    int64_t original_size; /* bytes; -1: not known yet (url), or no file at all */
    const char *input_object;
    int64_t input_generation;
    const char *url; /* fetched by the worker: then there is no input_object yet */
    const char *callback_url;
    bool notify_mail;
    bool reuse;            /* an earlier result may be the answer (results.h) */
    const char *upload_id; /* the direct upload that becomes the input; the same statement takes it */
    const char *idempotency_key;
    const char *request_hash; /* of the request that has the key */
    char traceparent[MR_TRACEPARENT_MAX];
};

enum { MR_TASKS_INSERT_MS = 6000 };
/*
 * As mr_tasks_insert, for drafts whose users keep these quotas. ret_over[i] is the quota that the user of drafts[i]
 * would exceed (mr_quota_refuse has the failure): then ret_views[i] is NULL and nothing was inserted for it. It is
 * MR_QUOTA_NONE for all others. quotas and batch may be NULL; without a batch each task owes its own message.
 */
MR_MUST_CHECK enum mr_status mr_tasks_insert_within(struct mr_db *db, const struct mr_quotas *quotas,
                                                    const struct mr_outbox_batch *batch,
                                                    const struct mr_task_draft *const *drafts, size_t count,
                                                    json_t **ret_views, enum mr_quota *ret_over,
                                                    struct mr_err *err);

/*
 * Inserts count drafts in one statement, all or none, and takes their input objects out of the ledger of orphaned
 * objects. ret_views[i] is the view of drafts[i], owned by the caller; NULL if the draft's idempotency key or
 * upload was used before: mr_idempotency_resolve (idempotency.h) finds the answer then. Repeating it with the
 * same drafts changes nothing and returns the same views, so it may be retried after MR_UNAVAILABLE. Gives up after
 * MR_TASKS_INSERT_MS: MR_UNAVAILABLE. MR_UNAUTHENTICATED if the user is deleted.
 */
MR_MUST_CHECK enum mr_status mr_tasks_insert(struct mr_db *db, const struct mr_task_draft *const *drafts,
                                             size_t count, json_t **ret_views, struct mr_err *err);

/* key: the number or the file_id of a task. The caller owns *ret_view. */
MR_MUST_CHECK enum mr_status mr_tasks_get(struct mr_db *db, int64_t user_id, const char *key,
                                          json_t **ret_view, struct mr_err *err);

/* As the user_id of mr_tasks_list: everybody's tasks. For operators. */
enum { MR_EVERYBODY = 0 };

struct mr_task_filter {
    int64_t max;        /* length of the list, at least 1 */
    bool falling;       /* by falling id; else rising */
    int64_t after;      /* only ids behind this one in the list's order; 0: from the start */
    const char *status; /* NULL: any */
    /* These make a search (tasks_search.c). NULL: any. */
    const char *statuses; /* several states, with commas between them */
    const char *kind, *format;
    const char *name;                           /* a part of the file's name, without regard to case */
    const char *created_after, *created_before; /* RFC 3339 */
};
/*
 * A page of a list: the tasks as mr_tasks_get has them, but without `receipt`, which may be long. A page has at
 * most filter->max tasks and ends with the one that makes it as long as MR_TASK_PAGE_BYTES (as estimated from
 * the rows), so memory stays bounded whatever the tasks hold. Owned and used by one thread.
 */
struct mr_task_page;
enum { MR_TASK_PAGE_BYTES = 1 << 20 };
MR_MUST_CHECK enum mr_status mr_tasks_list(struct mr_db *db, int64_t user_id,
                                           const struct mr_task_filter *filter, struct mr_task_page **ret,
                                           struct mr_err *err);
/* How many tasks the filter lets through, whatever its max and after. */
MR_MUST_CHECK enum mr_status mr_tasks_count(struct mr_db *db, int64_t user_id,
                                            const struct mr_task_filter *filter, int64_t *ret,
                                            struct mr_err *err);
void mr_task_page_free(struct mr_task_page *page);
MR_DEFINE_CLEANUP(mr_task_page, mr_task_page_free)
int mr_task_page_count(const struct mr_task_page *page);
/* The id behind which (as filter->after) there may be more tasks; 0 if there are none. A search looks at no more tasks for a
 * page than fit into a few milliseconds, so its page may be short, or empty, while there are more. */
int64_t mr_task_page_next(const struct mr_task_page *page);
/* The task at index, which is below the count. The caller owns *ret_view. */
MR_MUST_CHECK enum mr_status mr_task_page_view(const struct mr_task_page *page, int index, json_t **ret_view,
                                               struct mr_err *err);

/*
 * Deletes a task; a worker that runs it notices at its next heartbeat. The task's objects become due in the
 * ledger of orphaned objects; *ret_objects names them (an array of strings), so that the caller may delete them
 * at once.
 */
MR_MUST_CHECK enum mr_status mr_tasks_delete(struct mr_db *db, int64_t user_id, const char *key,
                                             json_t **ret_objects, struct mr_err *err);

/*
 * Ends a task that waits or runs as `canceled`: a worker that runs it notices at its next heartbeat. The input is kept,
 * so that the task can run again. One that is canceled already stays so; MR_CONFLICT with code "task_has_ended" for
 * other final states. The caller owns *ret_view.
 */
MR_MUST_CHECK enum mr_status mr_tasks_cancel(struct mr_db *db, int64_t user_id, const char *key,
                                             json_t **ret_view, struct mr_err *err);

/* What PUT changes: a preset or options; NULL leaves a field as it is. */
struct mr_task_change {
    const char *new_format;
    const char *preset;    /* of the table: the task becomes an edit that follows it */
    const json_t *options; /* checked, but not for the format: the task becomes a conversion with these */
    const char *priority, *callback_url;
    bool reuse; /* of this run: an earlier result of another task may be the answer (results.h) */
};
/*
 * Runs a task again: generation + 1, `uploaded`, attempts 0, no message published yet. The old outputs become due
 * in the ledger of orphaned objects, and *ret_objects names them. A worker that still runs it loses its fence.
 * The caller publishes *ret_message. MR_CONFLICT with code "not_convertible" for a kind without a format, or
 * "awaiting_upload". MR_INVALID as of mr_options_check and mr_preset_apply, for the change together with what the
 * task was.
 */
MR_MUST_CHECK enum mr_status mr_tasks_redo(struct mr_db *db, int64_t user_id, const char *key,
                                           const struct mr_task_change *change, json_t **ret_view,
                                           json_t **ret_objects, struct mr_message *ret_message,
                                           struct mr_err *err);

#endif
