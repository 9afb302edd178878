/* Task states and the ways between them. The database holds the same table and refuses every other way. */
#ifndef MR_DATA_TRANSITIONS_H
#define MR_DATA_TRANSITIONS_H

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
bool mr_task_state_parse(const char *name, enum mr_task_state *ret);
/* processed, failed, canceled: left only by an order to do it again. */
bool mr_task_state_is_final(enum mr_task_state state);
bool mr_task_transition_allowed(enum mr_task_state before, enum mr_task_state after);

#endif
