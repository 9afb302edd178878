/* The states of a task. The database allows only certain changes from one to another
 * (task_transition_allowed in infra/migrations/0001_start.sql). Pure functions; any thread. */
#ifndef MR_DATA_TASK_STATE_H
#define MR_DATA_TASK_STATE_H

#include <stdbool.h>
#include <stddef.h>

enum mr_task_state {
    MR_TASK_AWAITING_UPLOAD,
    MR_TASK_UPLOADED,
    MR_TASK_PROCESSING,
    MR_TASK_PROCESSED,
    MR_TASK_FAILED,
    MR_TASK_CANCELED,
    MR_TASK_STATES
};

/* The word in the database and in the API. */
const char *mr_task_state_name(enum mr_task_state state);
/* False for an unknown word. */
bool mr_task_state_parse(const char *name, enum mr_task_state *ret);
/* processed, failed, canceled: only running the task again leaves them. */
bool mr_task_state_is_final(enum mr_task_state state);

#endif
