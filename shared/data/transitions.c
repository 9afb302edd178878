#include "shared/data/transitions.h"

#define TO(state) (1u << MR_TASK_##state)

static const struct {
    const char *name;
    bool final;
    unsigned next; /* a bit for each state that may follow */
} states[MR_TASK_STATES] = {
    [MR_TASK_AWAITING_UPLOAD] = {"awaiting_upload", false, TO(UPLOADED) | TO(FAILED) | TO(CANCELED)},
    [MR_TASK_UPLOADED] = {"uploaded", false, TO(PROCESSING) | TO(FAILED) | TO(CANCELED)},
    [MR_TASK_PROCESSING] = {"processing", false, TO(PROCESSED) | TO(FAILED) | TO(CANCELED) | TO(UPLOADED)},
    [MR_TASK_PROCESSED] = {"processed", true, TO(UPLOADED)},
    [MR_TASK_FAILED] = {"failed", true, TO(UPLOADED)},
    [MR_TASK_CANCELED] = {"canceled", true, TO(UPLOADED)},
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

bool mr_task_transition_allowed(enum mr_task_state before, enum mr_task_state after)
{
    return states[before].next & (1u << after);
}
