/* Lists of tasks by what no index has: for mr_tasks_list. Private to shared/data. Any thread. */
#ifndef MR_DATA_TASKS_SEARCH_H
#define MR_DATA_TASKS_SEARCH_H

#include "shared/data/tasks.h"

/* True if the filter has more than one status. */
bool mr_task_filter_searches(const struct mr_task_filter *filter);

/* The rows of a page, with the columns of a summary, `bytes`: the size of the page up to the row, and `looked_to`: the id up to
 * which tasks were looked at, NULL if that was all. A page without a task is one row with a NULL id. after: as in the filter, but
 * never 0 for a falling list. */
MR_MUST_CHECK enum mr_status mr_tasks_search(struct mr_db *db, int64_t user_id,
                                             const struct mr_task_filter *filter, int64_t after,
                                             struct mr_rows **ret, struct mr_err *err);

#endif
