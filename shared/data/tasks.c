/* Tasks are read: one, many, and what came of them. */
#include "shared/data/tasks.h"

#include "shared/data/task_rows.h"

/* ---- read -------------------------------------------------------------------- */

enum mr_status mr_tasks_get(struct mr_db *db, int64_t user_id, const char *key, json_t **ret_view,
                            struct mr_err *err)
{
    static const struct mr_statement get = {
        "tasks_get", "SELECT" MR_TASK_VIEW_COLUMNS " FROM tasks t" MR_TASK_VIEW_JOIN " WHERE" MR_TASK_BY_KEY,
        3};
    struct mr_task_key by = {0};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    enum mr_status status = mr_task_key_of(user_id, key, &by, err);
    if (status == MR_OK)
        status = mr_db_exec(db, &get, (const char *const[]){by.user, by.id, by.file_id}, &rows, err);
    if (status != MR_OK)
        return status;
    if (mr_rows_count(rows) == 0)
        return mr_fail(err, MR_NOT_FOUND, "there is no such task");
    return mr_task_view_of(rows, 0, ret_view, err);
}

/* ---- lists ------------------------------------------------------------------- */

#define LIST_OF(whose) "SELECT" MR_TASK_VIEW_COLUMNS " FROM tasks t" MR_TASK_VIEW_JOIN " WHERE " whose
#define MINE           "t.user_id = $1::bigint"
#define EVERYBODYS     "$1::bigint = 0"
#define FILTERED       " AND ($2::text IS NULL OR t.status = $2)"
#define RISING         FILTERED " AND t.id > $3::bigint ORDER BY t.id ASC LIMIT $4::bigint"
#define FALLING        FILTERED " AND t.id < $3::bigint ORDER BY t.id DESC LIMIT $4::bigint"

/* [everybody's][falling]: one statement for each, so that each has an index to walk along. */
static const struct mr_statement lists[2][2] = {
    {{"tasks_list_rising", LIST_OF(MINE) RISING, 4}, {"tasks_list_falling", LIST_OF(MINE) FALLING, 4}},
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
    enum mr_status status = mr_db_exec(db, &lists[user_id == MR_EVERYBODY][filter->falling],
                                       (const char *const[]){user, filter->status, after, max}, &rows, err);
    MR_AUTO_JSON json_t *views = json_array();
    for (int row = 0; status == MR_OK && row < mr_rows_count(rows); row++) {
        json_t *view = NULL;
        status = mr_task_view_of(rows, row, &view, err);
        if (status == MR_OK && json_array_append_new(views, view) != 0)
            status = mr_fail_oom(err);
    }
    if (status == MR_OK)
        *ret_views = MR_TAKE(views);
    return status;
}

/* ---- results ----------------------------------------------------------------- */

void mr_output_free(struct mr_output *output)
{
    free(output->object);
    free(output->file_name);
    free(output->content_type);
    *output = (struct mr_output){0};
}

static enum mr_status no_output(const struct mr_rows *rows, struct mr_err *err)
{
    const char *task_status = mr_rows_text(rows, 0, "status");
    if (strcmp(task_status, "failed") == 0)
        return mr_fail_code(err, MR_CODE_TASK_FAILED, "the conversion failed: there is no file");
    if (strcmp(task_status, "processed") == 0)
        return mr_fail(err, MR_NOT_FOUND, "there is no such output");
    return mr_fail_code(err, MR_CODE_NOT_READY, "the file is not ready: the task is %s", task_status);
}

/* One row: the task that the key means, and the n-th output if it has one. */
static enum mr_status find_output(struct mr_db *db, int64_t user_id, const char *key, int64_t n,
                                  struct mr_rows **ret_rows, struct mr_err *err)
{
    static const struct mr_statement find = {
        "tasks_output",
        "WITH named AS ((SELECT t.id, t.status, 0 AS rank FROM tasks t WHERE" MR_TASK_BY_KEY ")"
        " UNION ALL (SELECT t.id, t.status, 1 FROM tasks t WHERE t.user_id = $1::bigint"
        "  AND t.original_file = $4 ORDER BY t.id DESC LIMIT 1) ORDER BY rank LIMIT 1)"
        " SELECT t.status, a.object, a.object_generation, a.file_name, a.content_type, a.size FROM named t"
        " LEFT JOIN outputs a ON a.task_id = t.id AND a.n = $5::bigint AND t.status = 'processed'",
        5};
    struct mr_task_key by = {0};
    struct mr_err no_key;
    char number[MR_INT64_TEXT_MAX];
    mr_int64_text(n, number);
    if (mr_task_key_of(user_id, key, &by, &no_key) != MR_OK) /* then it is a name only */
        mr_int64_text(user_id, by.user);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    enum mr_status status =
        mr_db_exec(db, &find, (const char *const[]){by.user, by.id, by.file_id, key, number}, &rows, err);
    if (status != MR_OK)
        return status;
    if (mr_rows_count(rows) == 0)
        return mr_fail(err, MR_NOT_FOUND, "there is no such file");
    *ret_rows = MR_TAKE(rows);
    return MR_OK;
}

enum mr_status mr_tasks_output(struct mr_db *db, int64_t user_id, const char *key, int64_t n,
                               struct mr_output *ret, struct mr_err *err)
{
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    enum mr_status status = find_output(db, user_id, key, n, &rows, err);
    if (status != MR_OK)
        return status;
    if (mr_rows_is_null(rows, 0, "object"))
        return no_output(rows, err);
    struct mr_output output = {
        .object = strdup(mr_rows_text(rows, 0, "object")),
        .object_generation = mr_rows_int64(rows, 0, "object_generation"),
        .file_name = strdup(mr_rows_text(rows, 0, "file_name")),
        .content_type = strdup(mr_rows_text(rows, 0, "content_type")),
        .size = mr_rows_int64(rows, 0, "size"),
    };
    if (!output.object || !output.file_name || !output.content_type) {
        mr_output_free(&output);
        return mr_fail_oom(err);
    }
    *ret = output;
    return MR_OK;
}
