/* Tasks are deleted, canceled and run again. */
#include "shared/data/task_rows.h"
#include "shared/data/tasks.h"
#include "shared/media/options.h"
#include "shared/media/presets.h"

/* Locks the task and returns what decides whether it may be changed. A statement of its own, because the next
 * one must see outputs that a commit adds while this one waits for the row's lock. */
static enum mr_status lock_task(struct mr_db_tx *tx, int64_t user_id, const char *key,
                                struct mr_rows **ret_rows, struct mr_err *err)
{
    static const struct mr_statement lock = {
        "tasks_lock",
        "SELECT t.id, t.status, t.new_format, t.preset, t.options FROM tasks t WHERE" MR_TASK_BY_KEY
        " FOR UPDATE",
        3};
    struct mr_task_key by = {0};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_task_key_of(user_id, key, &by, err));
    MR_TRY(mr_db_tx_exec(tx, &lock, (const char *const[]){by.user, by.id, by.file_id}, &rows, err));
    if (mr_rows_count(rows) == 0)
        return mr_task_not_found(err);
    *ret_rows = MR_TAKE(rows);
    return MR_OK;
}

static enum mr_status names_of(const struct mr_rows *rows, json_t **ret, struct mr_err *err)
{
    *ret = json_loads(mr_rows_text(rows, 0, "names"), 0, NULL);
    return *ret ? MR_OK : mr_fail_oom(err);
}

/* Makes the objects named by the CTE `names (name)` due in the ledger of orphaned objects. */
#define DUE                                                                                                  \
    " due AS (INSERT INTO stray_objects (name, delete_after) SELECT name, now() FROM names"                  \
    "  ON CONFLICT (name) DO UPDATE SET delete_after = now() RETURNING name)"
#define DUE_NAMES " (SELECT coalesce(json_agg(name), '[]') FROM due) AS names"

enum mr_status mr_tasks_delete(struct mr_db *db, int64_t user_id, const char *key, json_t **ret_objects,
                               struct mr_err *err)
{
    static const struct mr_statement remove = {
        "tasks_delete",
        "WITH names AS (SELECT input_object AS name FROM tasks"
        "  WHERE id = $1::bigint AND input_object IS NOT NULL"
        "  UNION SELECT object FROM outputs WHERE task_id = $1::bigint)," DUE
        ", gone AS (DELETE FROM tasks WHERE id = $1::bigint) SELECT" DUE_NAMES,
        1};
    MR_AUTO(mr_db_tx) struct mr_db_tx *tx = NULL;
    MR_AUTO(mr_rows) struct mr_rows *found = NULL;
    MR_AUTO(mr_rows) struct mr_rows *names = NULL;
    MR_TRY(mr_db_begin(db, &tx, err));
    MR_TRY(lock_task(tx, user_id, key, &found, err));
    MR_TRY(mr_db_tx_exec(tx, &remove, (const char *const[]){mr_rows_text(found, 0, "id")}, &names, err));
    MR_TRY(mr_db_commit(&tx, err));
    return names_of(names, ret_objects, err);
}

static enum mr_status check_can_redo(const struct mr_rows *found, struct mr_err *err)
{
    if (mr_rows_is_null(found, 0, "new_format"))
        return mr_fail_code(err, MR_CODE_NOT_CONVERTIBLE,
                            "a task of this kind has no format: only conversions can be run again");
    if (strcmp(mr_rows_text(found, 0, "status"), "awaiting_upload") == 0)
        return mr_fail_code(err, MR_CODE_AWAITING_UPLOAD, "the file is still being uploaded");
    return MR_OK;
}

/* What a task becomes. */
struct plan {
    const char *kind;
    const struct mr_format *format;
    const struct mr_preset *preset; /* NULL: none */
    json_t *options;                /* owned; NULL: none */
};

static void plan_free(struct plan *plan)
{
    json_decref(plan->options);
}
MR_DEFINE_VALUE_CLEANUP(plan, plan_free)

static const char *text_of(const struct mr_rows *found, const char *column)
{
    return mr_rows_is_null(found, 0, column) ? NULL : mr_rows_text(found, 0, column);
}

/* The options of the change, else those of the task. */
static enum mr_status take_options(const struct mr_rows *found, const struct mr_task_change *change,
                                   json_t **ret, struct mr_err *err)
{
    const char *before = text_of(found, "options");
    if (change->options)
        *ret = json_incref((json_t *)(uintptr_t)change->options);
    else if (before && !(*ret = json_loads(before, 0, NULL)))
        return mr_fail_oom(err);
    return MR_OK;
}

/* The task follows the preset that the change names; its present one if the change names neither preset nor
 * options; else none. */
static enum mr_status make_plan(const struct mr_rows *found, const struct mr_task_change *change,
                                struct plan *ret, struct mr_err *err)
{
    const char *format = change->new_format ? change->new_format : text_of(found, "new_format");
    if (change->preset)
        ret->preset = mr_preset_find(change->preset);
    else if (!change->options)
        ret->preset = mr_preset_find(text_of(found, "preset"));
    ret->kind = ret->preset ? MR_KIND_EDIT : MR_KIND_CONVERT;
    if (ret->preset)
        return mr_preset_apply(ret->preset, change->preset ? change->new_format : format, &ret->format,
                               &ret->options, err);
    ret->format = mr_format_find(format);
    if (!ret->format)
        return mr_fail(err, MR_INTERNAL, "unknown format %s", format);
    MR_TRY(take_options(found, change, &ret->options, err));
    return mr_options_check(ret->options, ret->format, err);
}

static enum mr_status redo(struct mr_db_tx *tx, const char *id, const struct plan *plan,
                           const struct mr_task_change *change, struct mr_rows **ret_rows, struct mr_err *err)
{
    static const struct mr_statement statement = {
        "tasks_redo",
        "WITH names AS (DELETE FROM outputs WHERE task_id = $1::bigint RETURNING object AS name)," DUE
        ", again AS (UPDATE tasks SET generation = generation + 1, status = 'uploaded', attempts = 0,"
        "  interruptions = 0, kills = 0, stops = 0, started = false, lease_expires_at = NULL,"
        " published_at = NULL, progress = 0, kind = $2, new_format = $3,  preset = $4,"
        " options = $5::jsonb, priority = coalesce($6, priority),  callback_url = coalesce($7,"
        " callback_url), reuse = $8::boolean, uploaded_at = now(), processed_at = NULL,"
        "  error_code = NULL, error_detail = NULL, receipt = NULL, result = NULL WHERE id = $1::bigint"
        "  RETURNING" MR_TASK_MESSAGE_COLUMNS ")"
        " SELECT id, kind, generation, high, traceparent," DUE_NAMES " FROM again",
        8};
    MR_AUTO_STR char *options = NULL;
    if (plan->options && !(options = json_dumps(plan->options, JSON_COMPACT)))
        return mr_fail_oom(err);
    return mr_db_tx_exec(
        tx, &statement,
        (const char *const[]){id, plan->kind, plan->format->name, plan->preset ? plan->preset->name : NULL,
                              options, change->priority, change->callback_url, change->reuse ? "t" : "f"},
        ret_rows, err);
}

/* A statement of its own, because the one before still sees the old outputs. */
static enum mr_status view_task(struct mr_db_tx *tx, const char *id, json_t **ret_view, struct mr_err *err)
{
    static const struct mr_statement look = {
        "tasks_look",
        "SELECT" MR_TASK_VIEW_COLUMNS " FROM tasks t" MR_TASK_VIEW_JOIN " WHERE t.id = $1::bigint", 1};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_tx_exec(tx, &look, &id, &rows, err));
    return mr_task_view_of(rows, 0, ret_view, err);
}

enum mr_status mr_tasks_redo(struct mr_db *db, int64_t user_id, const char *key,
                             const struct mr_task_change *change, json_t **ret_view, json_t **ret_objects,
                             struct mr_message *ret_message, struct mr_err *err)
{
    MR_AUTO(mr_db_tx) struct mr_db_tx *tx = NULL;
    MR_AUTO(mr_rows) struct mr_rows *found = NULL;
    MR_AUTO(mr_rows) struct mr_rows *again = NULL;
    MR_AUTO(plan) struct plan plan = {0};
    MR_AUTO_JSON json_t *view = NULL;
    MR_AUTO_JSON json_t *objects = NULL;
    MR_TRY(mr_db_begin(db, &tx, err));
    MR_TRY(lock_task(tx, user_id, key, &found, err));
    MR_TRY(check_can_redo(found, err));
    MR_TRY(make_plan(found, change, &plan, err));
    MR_TRY(redo(tx, mr_rows_text(found, 0, "id"), &plan, change, &again, err));
    MR_TRY(view_task(tx, mr_rows_text(found, 0, "id"), &view, err));
    MR_TRY(names_of(again, &objects, err));
    MR_TRY(mr_db_commit(&tx, err));
    *ret_view = MR_TAKE(view);
    *ret_objects = MR_TAKE(objects);
    *ret_message = mr_task_message_of(again, 0);
    return MR_OK;
}

enum mr_status mr_tasks_cancel(struct mr_db *db, int64_t user_id, const char *key, json_t **ret_view,
                               struct mr_err *err)
{
    static const struct mr_statement cancel = {
        "tasks_cancel",
        "UPDATE tasks SET status = 'canceled', lease_expires_at = NULL, processed_at = now()"
        " WHERE id = $1::bigint AND status IN ('awaiting_upload', 'uploaded', 'processing')",
        1};
    MR_AUTO(mr_db_tx) struct mr_db_tx *tx = NULL;
    MR_AUTO(mr_rows) struct mr_rows *found = NULL;
    MR_AUTO_JSON json_t *view = NULL;
    MR_TRY(mr_db_begin(db, &tx, err));
    MR_TRY(lock_task(tx, user_id, key, &found, err));
    const char *id = mr_rows_text(found, 0, "id"), *status = mr_rows_text(found, 0, "status");
    if (strcmp(status, "processed") == 0 || strcmp(status, "failed") == 0)
        return mr_fail_code(err, MR_CODE_TASK_HAS_ENDED, "task must wait or run to be canceled; it is %s",
                            status);
    MR_TRY(mr_db_tx_exec(tx, &cancel, &id, NULL, err));
    MR_TRY(view_task(tx, id, &view, err));
    MR_TRY(mr_db_commit(&tx, err));
    *ret_view = MR_TAKE(view);
    return MR_OK;
}
