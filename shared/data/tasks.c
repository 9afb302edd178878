#include "shared/data/tasks.h"

/* ---- the view ---------------------------------------------------------------- */

#define UTC(column) "to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"

/* t is the task, o its first output. uploaded_filename and original_file are two older systems' words for one
 * thing. */
#define VIEW_COLUMNS                                                                                         \
    " t.id, t.file_id, t.kind, t.status, t.progress, t.user_id, t.new_format, t.options, t.priority,"        \
    " t.original_file, t.original_format, t.original_size, t.original_file AS uploaded_filename,"            \
    " NULL::text AS url, t.attempts, t.receipt, " UTC("t.created_at") " AS timestamp, " UTC(                 \
        "t.uploaded_at") " AS uploaded_at, " UTC("t.processed_at") " AS processed_at,"                       \
                                                                   " o.file_name AS processed_file, "        \
                                                                   "o.format AS processed_format, o.size "   \
                                                                   "AS processed_size,"                      \
                                                                   " CASE WHEN t.error_code IS NULL THEN "   \
                                                                   "NULL"                                    \
                                                                   " ELSE json_build_object('code', "        \
                                                                   "t.error_code, 'detail', "                \
                                                                   "t.error_detail) END AS error,"           \
                                                                   " (SELECT "                               \
                                                                   "coalesce(json_agg(json_build_object('n'" \
                                                                   ", a.n, 'file_name', a.file_name, "       \
                                                                   "'format', a.format,"                     \
                                                                   " 'content_type', a.content_type, "       \
                                                                   "'size', a.size) ORDER BY a.n), '[]')"    \
                                                                   " FROM outputs a WHERE a.task_id = "      \
                                                                   "t.id) AS outputs"
#define FIRST_OUTPUT " LEFT JOIN outputs o ON o.task_id = t.id AND o.n = 0"

enum column_type { TEXT, INTEGER, JSON, PERMILLE };

static const struct {
    const char *name;
    enum column_type type;
} columns[] = {
    {"id", INTEGER},
    {"file_id", TEXT},
    {"kind", TEXT},
    {"status", TEXT},
    {"progress", PERMILLE},
    {"timestamp", TEXT},
    {"user_id", INTEGER},
    {"new_format", TEXT},
    {"options", JSON},
    {"priority", TEXT},
    {"original_file", TEXT},
    {"original_format", TEXT},
    {"url", TEXT},
    {"original_size", INTEGER},
    {"uploaded_filename", TEXT},
    {"processed_file", TEXT},
    {"processed_format", TEXT},
    {"processed_size", INTEGER},
    {"outputs", JSON},
    {"uploaded_at", TEXT},
    {"processed_at", TEXT},
    {"attempts", INTEGER},
    {"error", JSON},
    {"receipt", JSON},
};

static json_t *field_of(const struct mr_rows *rows, int row, size_t column)
{
    const char *name = columns[column].name;
    if (mr_rows_is_null(rows, row, name))
        return json_null();
    switch (columns[column].type) {
    case INTEGER:
        return json_integer(mr_rows_int64(rows, row, name));
    case PERMILLE: /* the API speaks of per cent */
        return json_real((double)mr_rows_int64(rows, row, name) / 10.0);
    case JSON:
        return json_loads(mr_rows_text(rows, row, name), JSON_DECODE_ANY, NULL);
    case TEXT:
        break;
    }
    return json_string(mr_rows_text(rows, row, name));
}

static enum mr_status view_of(const struct mr_rows *rows, int row, json_t **ret, struct mr_err *err)
{
    MR_AUTO_JSON json_t *view = json_object();
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        if (json_object_set_new(view, columns[i].name, field_of(rows, row, i)) != 0)
            return mr_fail_oom(err);
    *ret = MR_TAKE(view);
    return MR_OK;
}

/* ---- insert ------------------------------------------------------------------ */

static json_t *draft_json(const struct mr_task_draft *draft)
{
    return json_pack("{s:s,s:I,s:s,s:s,s:s?,s:O?,s:s?,s:s?,s:I,s:s?,s:I}", "file_id", draft->file_id,
                     "user_id", (json_int_t)draft->user_id, "kind", draft->kind, "priority", draft->priority,
                     "new_format", draft->new_format, "options", (json_t *)(uintptr_t)draft->options,
                     "original_file", draft->original_file, "original_format", draft->original_format,
                     "original_size", (json_int_t)draft->original_size, "input_object", draft->input_object,
                     "input_generation", (json_int_t)draft->input_generation);
}

static enum mr_status drafts_text(const struct mr_task_draft *const *drafts, size_t count, char **ret,
                                  struct mr_err *err)
{
    MR_AUTO_JSON json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        if (json_array_append_new(array, draft_json(drafts[i])) != 0)
            return mr_fail_oom(err);
    *ret = json_dumps(array, JSON_COMPACT);
    return *ret ? MR_OK : mr_fail_oom(err);
}

/* Rows come in any order: each view goes to the draft with its file_id. */
static enum mr_status hand_out(const struct mr_rows *rows, const struct mr_task_draft *const *drafts,
                               size_t count, json_t **views, struct mr_err *err)
{
    for (int row = 0; row < mr_rows_count(rows); row++) {
        const char *file_id = mr_rows_text(rows, row, "file_id");
        for (size_t i = 0; i < count; i++) {
            if (views[i] || strcmp(drafts[i]->file_id, file_id) != 0)
                continue;
            enum mr_status status = view_of(rows, row, &views[i], err);
            if (status != MR_OK)
                return status;
            break;
        }
    }
    for (size_t i = 0; i < count; i++)
        if (!views[i])
            return mr_fail(err, MR_INTERNAL, "task %s was not inserted", drafts[i]->file_id);
    return MR_OK;
}

enum mr_status mr_tasks_insert(struct mr_db *db, const struct mr_task_draft *const *drafts, size_t count,
                               json_t **ret_views, struct mr_err *err)
{
    /* The no-op update on conflict makes the statement return the row that is there already. */
    static const struct mr_statement insert = {
        "tasks_insert",
        "WITH t AS (INSERT INTO tasks (file_id, user_id, kind, priority, new_format, options, original_file,"
        " original_format, original_size, input_object, input_generation, uploaded_at)"
        " SELECT d.*, now() FROM jsonb_to_recordset($1::jsonb) AS d (file_id uuid, user_id bigint, kind text,"
        " priority text, new_format text, options jsonb, original_file text, original_format text,"
        " original_size bigint, input_object text, input_generation bigint)"
        " ON CONFLICT (file_id) DO UPDATE SET file_id = excluded.file_id RETURNING *),"
        " struck AS (DELETE FROM stray_objects s USING t WHERE s.name = t.input_object)"
        " SELECT" VIEW_COLUMNS " FROM t" FIRST_OUTPUT,
        1};
    MR_AUTO_STR char *text = NULL;
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    enum mr_status status = drafts_text(drafts, count, &text, err);
    if (status == MR_OK)
        status = mr_db_exec(db, &insert, (const char *const[]){text}, &rows, err);
    if (status != MR_OK)
        return status;
    for (size_t i = 0; i < count; i++)
        ret_views[i] = NULL;
    status = hand_out(rows, drafts, count, ret_views, err);
    if (status != MR_OK)
        for (size_t i = 0; i < count; i++)
            json_decref(MR_TAKE(ret_views[i]));
    return status;
}

/* ---- read -------------------------------------------------------------------- */

/* A key is a number or a file_id; the other parameter is NULL. MR_NOT_FOUND for what can be neither. */
static enum mr_status split_key(const char *key, const char **ret_id, const char **ret_file_id,
                                struct mr_err *err)
{
    int64_t id = 0;
    bool is_id = mr_parse_int64(key, 1, INT64_MAX, &id);
    if (!is_id && !mr_uuid_is_valid(key))
        return mr_fail(err, MR_NOT_FOUND, "there is no such task");
    *ret_id = is_id ? key : NULL;
    *ret_file_id = is_id ? NULL : key;
    return MR_OK;
}

#define OWNED_TASK " t.user_id = $1::bigint AND (t.id = $2::bigint OR t.file_id = $3::uuid)"

enum mr_status mr_tasks_get(struct mr_db *db, int64_t user_id, const char *key, json_t **ret_view,
                            struct mr_err *err)
{
    static const struct mr_statement get = {
        "tasks_get", "SELECT" VIEW_COLUMNS " FROM tasks t" FIRST_OUTPUT " WHERE" OWNED_TASK, 3};
    char user[MR_INT64_TEXT_MAX];
    mr_int64_text(user_id, user);
    const char *params[3] = {user};
    enum mr_status status = split_key(key, &params[1], &params[2], err);
    if (status != MR_OK)
        return status;
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    status = mr_db_exec(db, &get, params, &rows, err);
    if (status != MR_OK)
        return status;
    if (mr_rows_count(rows) == 0)
        return mr_fail(err, MR_NOT_FOUND, "there is no such task");
    return view_of(rows, 0, ret_view, err);
}

enum mr_status mr_tasks_list(struct mr_db *db, int64_t user_id, const struct mr_task_filter *filter,
                             json_t **ret_views, struct mr_err *err)
{
#define LIST                                                                                                 \
    "SELECT" VIEW_COLUMNS " FROM tasks t" FIRST_OUTPUT                                                       \
    " WHERE t.user_id = $1::bigint AND ($2::text IS NULL OR t.status = $2)"
    static const struct mr_statement rising = {
        "tasks_list_rising", LIST " AND t.id > $3::bigint ORDER BY t.id ASC LIMIT $4::bigint", 4};
    static const struct mr_statement falling = {
        "tasks_list_falling",
        LIST " AND ($3::bigint = 0 OR t.id < $3::bigint) ORDER BY t.id DESC LIMIT $4::bigint", 4};
    char user[MR_INT64_TEXT_MAX], after[MR_INT64_TEXT_MAX], max[MR_INT64_TEXT_MAX];
    mr_int64_text(user_id, user);
    mr_int64_text(filter->after, after);
    mr_int64_text(filter->max, max);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    enum mr_status status = mr_db_exec(db, filter->falling ? &falling : &rising,
                                       (const char *const[]){user, filter->status, after, max}, &rows, err);
    MR_AUTO_JSON json_t *views = json_array();
    for (int row = 0; status == MR_OK && row < mr_rows_count(rows); row++) {
        json_t *view = NULL;
        status = view_of(rows, row, &view, err);
        if (status == MR_OK && json_array_append_new(views, view) != 0)
            status = mr_fail_oom(err);
    }
    if (status == MR_OK)
        *ret_views = MR_TAKE(views);
    return status;
}

/* ---- delete ------------------------------------------------------------------ */

enum mr_status mr_tasks_delete(struct mr_db *db, int64_t user_id, const char *key, json_t **ret_objects,
                               struct mr_err *err)
{
    /* Two statements: outputs that a commit adds while we wait for the row's lock must be seen by the second.
     */
    static const struct mr_statement lock = {"tasks_delete_lock",
                                             "SELECT t.id FROM tasks t WHERE" OWNED_TASK " FOR UPDATE", 3};
    static const struct mr_statement remove = {
        "tasks_delete",
        "WITH names AS (SELECT input_object AS name FROM tasks WHERE id = $1::bigint AND input_object IS NOT "
        "NULL"
        " UNION SELECT object FROM outputs WHERE task_id = $1::bigint),"
        " due AS (INSERT INTO stray_objects SELECT name, now() FROM names"
        " ON CONFLICT (name) DO UPDATE SET delete_after = now() RETURNING name),"
        " gone AS (DELETE FROM tasks WHERE id = $1::bigint)"
        " SELECT coalesce(json_agg(name), '[]') AS names FROM due",
        1};
    char user[MR_INT64_TEXT_MAX];
    mr_int64_text(user_id, user);
    const char *params[3] = {user};
    enum mr_status status = split_key(key, &params[1], &params[2], err);
    __attribute__((cleanup(mr_db_tx_cleanup))) struct mr_db_tx *tx = NULL;
    MR_AUTO(mr_rows) struct mr_rows *found = NULL;
    MR_AUTO(mr_rows) struct mr_rows *names = NULL;
    if (status == MR_OK)
        status = mr_db_begin(db, &tx, err);
    if (status == MR_OK)
        status = mr_db_tx_exec(tx, &lock, params, &found, err);
    if (status == MR_OK && mr_rows_count(found) == 0)
        status = mr_fail(err, MR_NOT_FOUND, "there is no such task");
    if (status == MR_OK)
        status = mr_db_tx_exec(tx, &remove, (const char *const[]){mr_rows_text(found, 0, "id")}, &names, err);
    if (status == MR_OK)
        status = mr_db_commit(&tx, err);
    if (status != MR_OK)
        return status;
    *ret_objects = json_loads(mr_rows_text(names, 0, "names"), 0, NULL);
    return *ret_objects ? MR_OK : mr_fail_oom(err);
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
        return mr_fail_code(err, MR_INVALID, "failed", "the conversion failed: there is no file");
    if (strcmp(task_status, "processed") == 0)
        return mr_fail(err, MR_NOT_FOUND, "there is no such output");
    return mr_fail_code(err, MR_INVALID, "not_ready", "the file is not ready: the task is %s", task_status);
}

enum mr_status mr_tasks_output(struct mr_db *db, int64_t user_id, const char *key, int64_t n,
                               struct mr_output *ret, struct mr_err *err)
{
    static const struct mr_statement get = {
        "tasks_output",
        "SELECT t.status, a.object, a.object_generation, a.file_name, a.content_type, a.size"
        " FROM tasks t LEFT JOIN outputs a ON a.task_id = t.id AND a.n = $4::bigint AND t.status = "
        "'processed'"
        " WHERE" OWNED_TASK,
        4};
    char user[MR_INT64_TEXT_MAX], number[MR_INT64_TEXT_MAX];
    mr_int64_text(user_id, user);
    mr_int64_text(n, number);
    const char *params[4] = {user, NULL, NULL, number};
    enum mr_status status = split_key(key, &params[1], &params[2], err);
    if (status != MR_OK)
        return mr_fail(err, status, "there is no such file");
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    status = mr_db_exec(db, &get, params, &rows, err);
    if (status != MR_OK)
        return status;
    if (mr_rows_count(rows) == 0)
        return mr_fail(err, MR_NOT_FOUND, "there is no such file");
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
