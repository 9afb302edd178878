/*
 * A run of the capacity test (POST /benchmark/conversion/start): creates many tasks at once, all from one
 * input. The test comes from one of the older systems; web/api/benchmark.c has its routes,
 * shared/data/benchmark_figures.h reads its results.
 *
 * The tasks belong to a user that nobody can be: the name contains a space, so nobody can sign up with it,
 * and the password was random and is not kept. Any thread.
 */
#ifndef MR_WEB_BENCHMARK_RUN_H
#define MR_WEB_BENCHMARK_RUN_H

#include "web/app.h"

enum { MR_BENCHMARK_TASKS_MAX = 5000 }; /* tasks of one run */

/* MR_NOT_FOUND, as for an unknown path, unless ENABLE_BENCHMARK=1. */
MR_MUST_CHECK enum mr_status mr_benchmark_check_enabled(const struct mr_web *web, struct mr_err *err);

/* The user of the tasks; *ret_id is 0 if it does not exist yet. */
MR_MUST_CHECK enum mr_status mr_benchmark_find_user(struct mr_web *web, int64_t *ret_id, struct mr_err *err);
/* The user of the tasks, created if it does not exist yet. */
MR_MUST_CHECK enum mr_status mr_benchmark_make_user(struct mr_web *web, int64_t *ret_id, struct mr_err *err);

/* The failure of the quota of queued tasks (quota_check.h) if count more are too many: anybody may start a run. The
 * other quotas do not apply. */
MR_MUST_CHECK enum mr_status mr_benchmark_check_room(struct mr_web *web, int64_t user_id, int64_t count,
                                                     struct mr_err *err);

/*
 * Creates count tasks (1 … MR_BENCHMARK_TASKS_MAX) with the input, format and user of `model`, whose file_id
 * is not used, and publishes them; the sweep publishes those that cannot be published now. *ret_made is the
 * number of created tasks, also after a failure.
 */
MR_MUST_CHECK enum mr_status mr_benchmark_make_tasks(struct mr_web *web, const struct mr_log *log,
                                                     const struct mr_task_draft *model, int64_t count,
                                                     int64_t *ret_made, struct mr_err *err);

#endif
