/* Rules about single rows. Each reports through model_violate. */
#ifndef MR_TESTS_MODEL_RULES_H
#define MR_TESTS_MODEL_RULES_H

#include "tests/model/model.h"

/* A task's row after any step. */
void task_rules_check_debt(struct model *model, const struct task_row *row);

/* A task's row before and after a step that changed it. */
void task_rules_check(struct model *model, const struct task_row *before, const struct task_row *after);

/* All rows of units after a step that ran a statement. */
void unit_rules_check(struct model *model);
/* Whether a unit was held by this job; NULL: by none. */
bool unit_rules_is_held(const struct snapshot *snapshot, const struct job *job);

#endif
