/* Tasks are read: one, or a list. */
#include "shared/data/tasks.h"

#include "shared/base/encoding.h"
#include "shared/data/task_rows.h"

enum mr_status mr_tasks_get(struct mr_db *db, int64_t user_id, const char *key, json_t **ret_view,
                            struct mr_err *err)
{
    static const struct mr_statement get = {
        "tasks_get", "SELECT" MR_TASK_VIEW_COLUMNS " FROM tasks t" MR_TASK_VIEW_JOIN " WHERE" MR_TASK_BY_KEY,
        3};
    struct mr_task_key by = {0};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_task_key_of(user_id, key, &by, err));
    MR_TRY(mr_db_exec(db, &get, (const char *const[]){by.user, by.id, by.file_id}, &rows, err));
    if (mr_rows_count(rows) == 0)
        return mr_task_not_found(err);
    return mr_task_view_of(rows, 0, ret_view, err);
}

/* Pages of views; whose: a condition on the owner. */
#define LIST_OF(whose) "SELECT" MR_TASK_VIEW_COLUMNS " FROM tasks t" MR_TASK_VIEW_JOIN " WHERE " whose
#define ONE_USERS      "t.user_id = $1::bigint"
#define EVERYBODYS     "$1::bigint = 0"
#define FILTERED       " AND ($2::text IS NULL OR t.status = $2)"
#define RISING         FILTERED " AND t.id > $3::bigint ORDER BY t.id ASC LIMIT $4::bigint"
#define FALLING        FILTERED " AND t.id < $3::bigint ORDER BY t.id DESC LIMIT $4::bigint"

/* [everybody's][falling]: a statement each, so that each can follow an index. */
static const struct mr_statement lists[2][2] = {
    {{"tasks_list_rising", LIST_OF(ONE_USERS) RISING, 4},
     {"tasks_list_falling", LIST_OF(ONE_USERS) FALLING, 4}},
    {{"tasks_all_rising", LIST_OF(EVERYBODYS) RISING, 4},
     {"tasks_all_falling", LIST_OF(EVERYBODYS) FALLING, 4}},
};

enum mr_status mr_tasks_list(struct mr_db *db, int64_t user_id, const struct mr_task_filter *filter,
                             json_t **ret_views, struct mr_err *err)
{
    char user[MR_INT64_TEXT_MAX], after[MR_INT64_TEXT_MAX], max[MR_INT64_TEXT_MAX];
    mr_int64_text(user_id, user);
    mr_int64_text(filter->falling && !filter->after ? INT64_MAX : filter->after, after);
    mr_int64_text(filter->max, max);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(db, &lists[user_id == MR_EVERYBODY][filter->falling],
                      (const char *const[]){user, filter->status, after, max}, &rows, err));
    MR_AUTO_JSON json_t *views = json_array();
    for (int row = 0; row < mr_rows_count(rows); row++) {
        json_t *view = NULL;
        MR_TRY(mr_task_view_of(rows, row, &view, err));
        if (json_array_append_new(views, view) != 0)
            return mr_fail_oom(err);
    }
    *ret_views = MR_TAKE(views);
    return MR_OK;
}
