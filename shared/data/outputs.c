#include "shared/data/outputs.h"

#include "shared/base/encoding.h"
#include "shared/data/task_rows.h"

void mr_output_free(struct mr_output *output)
{
    free(output->object);
    free(output->file_name);
    free(output->format);
    free(output->content_type);
    *output = (struct mr_output){0};
}

static enum mr_status fail_without_output(const struct mr_rows *rows, struct mr_err *err)
{
    const char *task_status = mr_rows_text(rows, 0, "status");
    if (strcmp(task_status, "failed") == 0)
        return mr_fail_code(err, MR_CODE_TASK_FAILED, "conversion failed: it has no output");
    if (strcmp(task_status, "processed") == 0)
        return mr_fail(err, MR_NOT_FOUND, "output not found");
    return mr_fail_code(err, MR_CODE_NOT_READY, "output is not ready: the task is %s", task_status);
}

/* One row: the task that the key names, and the n-th output if it has one. The name of a file is compared as a row, so that
 * only the index on it gives the order; the last task up to the name has it, or none has. */
static enum mr_status find(struct mr_db *db, int64_t user_id, const char *key, int64_t n,
                           struct mr_rows **ret_rows, struct mr_err *err)
{
    static const struct mr_statement find = {
        "outputs_find",
        "WITH named AS ((SELECT t.id, t.status, t.processed_at, 0 AS "
        "rank FROM tasks t WHERE" MR_TASK_BY_KEY ") UNION ALL SELECT b.id, b.status, b.processed_at, 1"
        " FROM (SELECT t.id, t.status, t.processed_at, t.user_id, t.original_file FROM tasks t"
        " WHERE (t.user_id, t.original_file) <= ($1::bigint, $4::text)"
        " ORDER BY t.user_id DESC, t.original_file DESC, t.id DESC LIMIT 1) b"
        " WHERE b.user_id = $1::bigint AND b.original_file = $4 ORDER BY rank LIMIT 1)"
        " SELECT t.status, a.object, a.object_generation, a.file_name, a.format, a.content_type, a.size,"
        " coalesce(t.processed_at < now() - " MR_OUTPUTS_ARE_KEPT ", false) "
        "AS is_old FROM named t LEFT JOIN outputs a ON a.task_id = t.id AND a.n = $5::bigint"
        " AND t.status = 'processed'",
        5};
    struct mr_task_key by = {0};
    struct mr_err no_key;
    char number[MR_INT64_TEXT_MAX];
    mr_int64_text(n, number);
    if (mr_task_key_of(user_id, key, &by, &no_key) != MR_OK) /* then it is a name only */
        mr_int64_text(user_id, by.user);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(db, &find, (const char *const[]){by.user, by.id, by.file_id, key, number}, &rows, err));
    if (mr_rows_count(rows) == 0)
        return mr_fail(err, MR_NOT_FOUND, "file not found");
    *ret_rows = MR_TAKE(rows);
    return MR_OK;
}

enum mr_status mr_outputs_find(struct mr_db *db, int64_t user_id, const char *key, int64_t n,
                               struct mr_output *ret, struct mr_err *err)
{
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(find(db, user_id, key, n, &rows, err));
    if (mr_rows_is_null(rows, 0, "object"))
        return fail_without_output(rows, err);
    MR_AUTO(mr_output)
    struct mr_output output = {
        .object = strdup(mr_rows_text(rows, 0, "object")),
        .object_generation = mr_rows_int64(rows, 0, "object_generation"),
        .file_name = strdup(mr_rows_text(rows, 0, "file_name")),
        .format = strdup(mr_rows_text(rows, 0, "format")),
        .content_type = strdup(mr_rows_text(rows, 0, "content_type")),
        .size = mr_rows_int64(rows, 0, "size"),
        .is_old = strcmp(mr_rows_text(rows, 0, "is_old"), "t") == 0,
    };
    if (!output.object || !output.file_name || !output.format || !output.content_type)
        return mr_fail_oom(err);
    *ret = output;
    output = (struct mr_output){0};
    return MR_OK;
}
