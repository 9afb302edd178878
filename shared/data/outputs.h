/* The outputs of a task: one stored file each. Workers commit them (leases.h), clients download them. */
#ifndef MR_DATA_OUTPUTS_H
#define MR_DATA_OUTPUTS_H

#include "shared/data/db.h"

/* One output; its texts are owned. */
struct mr_output {
    char *object; /* its name in the bucket */
    int64_t object_generation;
    char *file_name; /* for the client */
    char *format;
    char *content_type;
    int64_t size; /* bytes */
    bool is_old;  /* the bucket's lifecycle may have deleted the object */
};
void mr_output_free(struct mr_output *output);
MR_DEFINE_VALUE_CLEANUP(mr_output, mr_output_free)

/*
 * Output n, from 0, of a task of this user. key is the task's number, its file_id, or the name its file was
 * uploaded with (then the user's newest task of that name). MR_NOT_FOUND; codes "not_ready" and "task_failed"
 * while or because the task has no outputs. Any thread may call.
 */
MR_MUST_CHECK enum mr_status mr_outputs_find(struct mr_db *db, int64_t user_id, const char *key, int64_t n,
                                             struct mr_output *ret, struct mr_err *err);

#endif
