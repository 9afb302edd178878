#include "shared/data/task_state.h"

static const struct {
    const char *name;
    bool final;
} states[MR_TASK_STATES] = {
    [MR_TASK_AWAITING_UPLOAD] = {"awaiting_upload", false},
    [MR_TASK_UPLOADED] = {"uploaded", false},
    [MR_TASK_PROCESSING] = {"processing", false},
    [MR_TASK_PROCESSED] = {"processed", true},
    [MR_TASK_FAILED] = {"failed", true},
    [MR_TASK_CANCELED] = {"canceled", true},
};

const char *mr_task_state_name(enum mr_task_state state)
{
    return states[state].name;
}

bool mr_task_state_parse(const char *name, enum mr_task_state *ret)
{
    for (int i = 0; i < MR_TASK_STATES; i++)
        if (strcmp(name, states[i].name) == 0) {
            *ret = (enum mr_task_state)i;
            return true;
        }
    return false;
}

bool mr_task_state_is_final(enum mr_task_state state)
{
    return states[state].final;
}
