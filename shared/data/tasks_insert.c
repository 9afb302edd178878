/* Tasks are made: mr_tasks_insert. */
#include "shared/data/idempotency.h"
#include "shared/data/task_rows.h"
#include "shared/data/tasks.h"

/* All drafts are one JSON parameter. */
static json_t *draft_json(const struct mr_task_draft *draft)
{
    return json_pack(
        "{s:s,s:I,s:s,s:s,s:s?,s:s?,s:O?,s:s?,s:s?,s:I,s:s?,s:I,s:s?,s:s?,s:b,s:s?,s:s?,s:s?,s:s}", "file_id",
        draft->file_id, "user_id", (json_int_t)draft->user_id, "kind", draft->kind, "priority",
        draft->priority, "new_format", draft->new_format, "preset", draft->preset, "options",
        (json_t *)(uintptr_t)draft->options, "original_file", draft->original_file, "original_format",
        draft->original_format, "original_size", (json_int_t)draft->original_size, "input_object",
        draft->input_object, "input_generation", (json_int_t)draft->input_generation, "url", draft->url,
        "callback_url", draft->callback_url, "notify_mail", draft->notify_mail, "upload_id", draft->upload_id,
        "idempotency_key", draft->idempotency_key, "request_hash", draft->request_hash, "traceparent",
        draft->traceparent);
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

/* Rows come in any order: each view belongs to the draft with its file_id. */
static enum mr_status assign_views(const struct mr_rows *rows, const struct mr_task_draft *const *drafts,
                                   size_t count, json_t **views, struct mr_err *err)
{
    for (int row = 0; row < mr_rows_count(rows); row++) {
        const char *file_id = mr_rows_text(rows, row, "file_id");
        for (size_t i = 0; i < count; i++) {
            if (views[i] || strcmp(drafts[i]->file_id, file_id) != 0)
                continue;
            MR_TRY(mr_task_view_of(rows, row, &views[i], err));
            break;
        }
    }
    for (size_t i = 0; i < count; i++)
        if (!views[i] && !drafts[i]->idempotency_key && !drafts[i]->upload_id)
            return mr_fail(err, MR_INTERNAL, "task %s was not inserted", drafts[i]->file_id);
    return MR_OK;
}

/* clang-format off */
#define DRAFT_COLUMNS                                                                                        \
    " file_id, user_id, kind, priority, new_format, preset, options, original_file, original_format,"        \
    " original_size, input_object, input_generation, url, callback_url, notify_mail, upload_id,"             \
    " idempotency_key, request_hash, traceparent"

#define DRAFTS                                                                                               \
    " d AS (SELECT" DRAFT_COLUMNS                                                                            \
    "  FROM jsonb_to_recordset($1::jsonb) AS r (file_id uuid, user_id bigint, kind text,"                    \
    "  priority text, new_format text, preset text, options jsonb, original_file text, original_format text,"  \
    "  original_size bigint, input_object text, input_generation bigint, url text, callback_url text,"       \
    "  notify_mail boolean, upload_id uuid, idempotency_key text, request_hash text, traceparent text)),"

/* What the view of a new task is made of. */
#define TASK_COLUMNS                                                                                         \
    " id, file_id, user_id, kind, status, progress, generation, new_format, preset, options, priority,"      \
    " original_file, original_format, original_size, input_object, url, callback_url, attempts, receipt,"    \
    " result, created_at, uploaded_at, processed_at, error_code, error_detail"

/* The no-op update makes the statement return the row of an earlier attempt that this one did not see. */
#define INSERT_FROM(source)                                                                                  \
    " (INSERT INTO tasks (file_id, user_id, kind, priority, new_format, preset, options, original_file,"     \
    "  original_format, original_size, input_object, input_generation, url, callback_url, notify_mail,"      \
    "  traceparent, uploaded_at)"                                                                            \
    "  SELECT file_id, user_id, kind, priority, new_format, preset, options, original_file,"                 \
    "  original_format, nullif(original_size, -1), input_object, nullif(input_generation, 0), url,"          \
    "  callback_url, notify_mail, nullif(traceparent, ''), now() FROM " source                               \
    "  ON CONFLICT (file_id) DO UPDATE SET file_id = excluded.file_id RETURNING" TASK_COLUMNS "),"

#define OWN_AND_VIEW                                                                                      \
    " owned AS (DELETE FROM stray_objects s USING t WHERE s.name = t.input_object)"                         \
    " SELECT" MR_TASK_VIEW_COLUMNS " FROM t" MR_TASK_VIEW_JOIN

/* For drafts without keys and uploads, the common case: half the work of the other statement. */
static const struct mr_statement insert_plain = {
    "tasks_insert", "WITH" DRAFTS " t AS" INSERT_FROM("d") OWN_AND_VIEW, 1};

/*
 * locked: the uploads, in an order that prevents deadlocks. fit: the drafts that need no upload, and one for each
 * upload that exists. keyed: those that got their key. won: the drafts to insert. A draft whose task exists
 * already (the statement is repeated) is not in won, and its task is returned.
 */
static const struct mr_statement insert_contested = {
    "tasks_insert_contested",
    "WITH" DRAFTS " locked AS (SELECT u.id, u.user_id FROM uploads u WHERE u.expires_at > now()"
    "  AND u.id = ANY (ARRAY(SELECT upload_id FROM d WHERE upload_id IS NOT NULL))"
    "  ORDER BY u.id FOR UPDATE),"
    " fit AS (SELECT DISTINCT ON (coalesce(upload_id, file_id))" DRAFT_COLUMNS " FROM d"
    "  WHERE upload_id IS NULL OR (upload_id, user_id) IN (SELECT id, user_id FROM locked)"
    "  ORDER BY coalesce(upload_id, file_id), file_id),"
    " keyed AS (" MR_IDEMPOTENCY_TAKE_KEYS("fit") "),"
    " won AS (SELECT" DRAFT_COLUMNS " FROM fit"
    "  WHERE idempotency_key IS NULL OR file_id IN (SELECT file_id FROM keyed)),"
    " made AS" INSERT_FROM("won")
    " t AS (SELECT" TASK_COLUMNS " FROM made UNION ALL SELECT" TASK_COLUMNS " FROM tasks"
    "  WHERE file_id = ANY (ARRAY(SELECT file_id FROM d EXCEPT SELECT file_id FROM won))),"
    " taken AS (DELETE FROM uploads u USING won WHERE u.id = won.upload_id)," OWN_AND_VIEW,
    1};
/* clang-format on */

static const struct mr_statement *statement_for(const struct mr_task_draft *const *drafts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (drafts[i]->idempotency_key || drafts[i]->upload_id)
            return &insert_contested;
    return &insert_plain;
}

enum mr_status mr_tasks_insert(struct mr_db *db, const struct mr_task_draft *const *drafts, size_t count,
                               json_t **ret_views, struct mr_err *err)
{
    MR_AUTO_STR char *text = NULL;
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(drafts_text(drafts, count, &text, err));
    MR_TRY(mr_db_exec(db, statement_for(drafts, count), (const char *const[]){text}, &rows, err));
    for (size_t i = 0; i < count; i++)
        ret_views[i] = NULL;
    enum mr_status status = assign_views(rows, drafts, count, ret_views, err);
    if (status != MR_OK)
        for (size_t i = 0; i < count; i++)
            json_decref(MR_TAKE(ret_views[i]));
    return status;
}
