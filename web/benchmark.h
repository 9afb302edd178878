/*
 * The capacity test of one of the older systems: one file, converted many times at once. Its tasks belong to
 * a user of their own, whom nobody can be: the name holds a blank, so that nobody can sign up with it, and
 * the password was random and is forgotten.
 */
#ifndef MR_WEB_BENCHMARK_H
#define MR_WEB_BENCHMARK_H

#include "web/app.h"

enum { MR_BENCHMARK_TASKS_MAX = 5000 };

/* MR_NOT_FOUND, as for an unknown path, unless ENABLE_BENCHMARK=1. */
MR_MUST_CHECK enum mr_status mr_benchmark_check_enabled(const struct mr_web *web, struct mr_err *err);

/* The user of the tasks; *ret_id is 0 when there is none yet. */
MR_MUST_CHECK enum mr_status mr_benchmark_find_user(struct mr_web *web, int64_t *ret_id, struct mr_err *err);
/* As above, made where there is none. */
MR_MUST_CHECK enum mr_status mr_benchmark_make_user(struct mr_web *web, int64_t *ret_id, struct mr_err *err);

/*
 * Makes count tasks, all with the file, format and user of `model` (whose file_id does not matter), and
 * publishes them. What cannot be published is left to the sweep. *ret_made is how many there are also after a
 * failure.
 */
MR_MUST_CHECK enum mr_status mr_benchmark_make_tasks(struct mr_web *web, const struct mr_log *log,
                                                     const struct mr_task_draft *model, int64_t count,
                                                     int64_t *ret_made, struct mr_err *err);

#endif
