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

/* A task whose input is stored, about to be inserted. Texts are not owned. */
struct mr_task_draft {
    char file_id[MR_UUID_TEXT_MAX];
    int64_t user_id;
    const char *kind;
    const char *priority; /* "normal" or "high" */
    const char *new_format;
    const json_t *options; /* may be NULL */
    const char *original_file;
    const char *original_format;
    int64_t original_size;
    const char *input_object;
    int64_t input_generation;
};

/*
 * Inserts count drafts in one statement and strikes their input objects from the ledger of strays.
 * ret_views[i] is the view of drafts[i], owned by the caller. Doing it again with the same drafts changes
 * nothing and gives the same views, so it may be repeated after MR_UNAVAILABLE. All or none.
 */
MR_MUST_CHECK enum mr_status mr_tasks_insert(struct mr_db *db, const struct mr_task_draft *const *drafts,
                                             size_t count, json_t **ret_views, struct mr_err *err);

/* key: the number or the file_id of a task. */
MR_MUST_CHECK enum mr_status mr_tasks_get(struct mr_db *db, int64_t user_id, const char *key,
                                          json_t **ret_view, struct mr_err *err);

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

struct mr_output {
    char *object;
    int64_t object_generation;
    char *file_name;
    char *content_type;
    int64_t size;
};
void mr_output_free(struct mr_output *output);
MR_DEFINE_VALUE_CLEANUP(mr_output, mr_output_free)
/* The n-th result of a task. MR_INVALID with code "not_ready" or "failed" if there is none (yet),
 * MR_NOT_FOUND. */
MR_MUST_CHECK enum mr_status mr_tasks_output(struct mr_db *db, int64_t user_id, const char *key, int64_t n,
                                             struct mr_output *ret, struct mr_err *err);

#endif
