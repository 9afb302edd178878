/* Tasks are made: mr_tasks_insert. */
#include "shared/data/idempotency.h"
#include "shared/data/quota_check.h"
#include "shared/data/task_rows.h"
#include "shared/data/tasks.h"

enum { SETTLED_TEXT_MAX = 8 << 10 };

/* All drafts are one JSON parameter. */
static json_t *draft_json(const struct mr_task_draft *draft)
{
    return json_pack(
        "{s:s,s:I,s:s,s:s,s:s?,s:s?,s:O?,s:s?,s:s?,s:I,s:s?,s:I,s:s?,s:s?,s:b,s:b,s:s?,s:s?,s:s?,s:s}",
        "file_id", draft->file_id, "user_id", (json_int_t)draft->user_id, "kind", draft->kind, "priority",
        draft->priority, "new_format", draft->new_format, "preset", draft->preset, "options",
        (json_t *)(uintptr_t)draft->options, "original_file", draft->original_file, "original_format",
        draft->original_format, "original_size", (json_int_t)draft->original_size, "input_object",
        draft->input_object, "input_generation", (json_int_t)draft->input_generation, "url", draft->url,
        "callback_url", draft->callback_url, "notify_mail", draft->notify_mail, "reuse", draft->reuse,
        "upload_id", draft->upload_id, "idempotency_key", draft->idempotency_key, "request_hash",
        draft->request_hash, "traceparent", draft->traceparent);
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

/* What became of each draft: a view, or the quota that its user is over. */
struct outcomes {
    json_t **views;
    enum mr_quota *over;
};

static size_t find_draft(const struct mr_task_draft *const *drafts, size_t count, const char *file_id)
{
    size_t i = 0;
    while (i < count && strcmp(drafts[i]->file_id, file_id) != 0)
        i++;
    return i;
}

/* The rows come in any order. A row has the view of a task, a quota, or neither. */
static enum mr_status read_outcomes(const struct mr_rows *rows, const struct mr_task_draft *const *drafts,
                                    size_t count, const struct outcomes *ret, struct mr_err *err)
{
    for (int row = 0; row < mr_rows_count(rows); row++) {
        size_t i = find_draft(drafts, count, mr_rows_text(rows, row, "draft_id"));
        if (i == count || ret->views[i])
            continue;
        if (!mr_rows_is_null(rows, row, "quota"))
            ret->over[i] = mr_quota_find(mr_rows_text(rows, row, "quota"));
        else if (!mr_rows_is_null(rows, row, "id"))
            MR_TRY(mr_task_view_of(rows, row, &ret->views[i], err));
    }
    for (size_t i = 0; i < count; i++)
        if (!ret->views[i] && !ret->over[i] && !drafts[i]->idempotency_key && !drafts[i]->upload_id)
            return mr_fail(err, MR_INTERNAL, "task %s was not inserted", drafts[i]->file_id);
    return MR_OK;
}

/* clang-format off */
#define DRAFT_COLUMNS                                                                                        \
    " file_id, user_id, kind, priority, new_format, preset, options, original_file, original_format,"        \
    " original_size, input_object, input_generation, url, callback_url, notify_mail, reuse, upload_id,"  \
    " idempotency_key, request_hash, traceparent"

#define DRAFTS                                                                                               \
    " d AS (SELECT" DRAFT_COLUMNS                                                                            \
    "  FROM jsonb_to_recordset($1::jsonb) AS r (file_id uuid, user_id bigint, kind text,"                    \
    "  priority text, new_format text, preset text, options jsonb, original_file text, original_format text,"  \
    "  original_size bigint, input_object text, input_generation bigint, url text, callback_url text,"       \
    "  notify_mail boolean, reuse boolean, upload_id uuid, idempotency_key text, request_hash text, traceparent text)),"

/*
 * Leaves out the drafts of users who are over a quota: `ok` has the others. What the drafts of a user add is summed up,
 * so that a batch counts like single requests; a direct upload counts since it was opened. A task that exists already
 * (the statement is repeated) is counted, too: it is no reason to refuse it.
 */
#define WITHIN_QUOTAS                                                                                        \
    MR_QUOTA_LIMITS("$2") ","                                                                                \
    " w AS (SELECT file_id, user_id, row_number() OVER mine AS tasks,"                                       \
    "  sum(CASE WHEN upload_id IS NULL THEN greatest(original_size, 0) ELSE 0 END) OVER mine AS bytes,"      \
    "  task_records(kind, options) AS records_of_task, sum(task_records(kind, options)) OVER mine AS records," \
    "  callback_url IS NOT NULL AS has_delivery, count(callback_url) OVER mine AS deliveries, 0 AS uploads"  \
    "  FROM d WINDOW mine AS (PARTITION BY user_id ORDER BY file_id)),"                                      \
    " judged AS (SELECT w.file_id," MR_QUOTA_VERDICT " AS quota FROM w" MR_QUOTA_JOIN "),"                   \
    " refused AS (SELECT file_id, quota FROM judged WHERE quota IS NOT NULL"                                 \
    "  AND (SELECT t.id FROM tasks t WHERE t.file_id = judged.file_id) IS NULL),"                              \
    " ok AS (SELECT" DRAFT_COLUMNS " FROM d WHERE file_id NOT IN (SELECT file_id FROM refused)),"

/* What the view of a new task is made of. */
#define TASK_COLUMNS                                                                                         \
    " id, file_id, user_id, kind, status, progress, generation, new_format, preset, options, priority,"      \
    " original_file, original_format, original_size, input_object, url, callback_url, attempts, receipt,"    \
    " result, created_at, uploaded_at, processed_at, error_code, error_detail"

/* The no-op update makes the statement return the row of an earlier attempt that this one did not see. */
#define INSERT_FROM(source)                                                                                  \
    " (INSERT INTO tasks (file_id, user_id, kind, priority, new_format, preset, options, original_file,"     \
    "  original_format, original_size, input_object, input_generation, url, callback_url, notify_mail, reuse," \
    "  traceparent, uploaded_at, published_at)"                                                                            \
    "  SELECT file_id, user_id, kind, priority, new_format, preset, options, original_file,"                 \
    "  original_format, nullif(original_size, -1), input_object, nullif(input_generation, 0), url,"          \
    "  callback_url, notify_mail, reuse, nullif(traceparent, ''), now(),"                                        \
    "  CASE WHEN $3::bigint IS NOT NULL THEN now() END FROM " source                               \
    "  ON CONFLICT (file_id) DO UPDATE SET file_id = excluded.file_id RETURNING" TASK_COLUMNS "),"

/* t has the tasks, also those of an earlier attempt: then the batch has them already, or twice. */
#define OWE_AND_SETTLE                                                                                       \
    " owed AS (INSERT INTO outbox_batches AS b (id, tasks)"                                                  \
    "  SELECT $3::bigint + (priority = 'high')::int, array_agg(id) FROM t WHERE $3::bigint IS NOT NULL"      \
    "  GROUP BY 1 ON CONFLICT (id) DO UPDATE SET tasks = b.tasks || excluded.tasks),"                        \
    " settled AS (DELETE FROM outbox_batches WHERE id = ANY ($4::bigint[])),"

#define OWN_AND_VIEW                                                                                      \
    " owned AS (DELETE FROM stray_objects WHERE name = ANY (ARRAY(SELECT input_object FROM t)))"            \
    " SELECT d.file_id AS draft_id, refused.quota," MR_TASK_VIEW_COLUMNS                                     \
    "  FROM d LEFT JOIN refused ON refused.file_id = d.file_id LEFT JOIN t ON t.file_id = d.file_id"         \
    MR_TASK_VIEW_JOIN

/* For drafts without keys and uploads, the common case: half the work of the other statement. */
static const struct mr_statement insert_plain = {
    "tasks_insert", "WITH" DRAFTS WITHIN_QUOTAS " t AS" INSERT_FROM("ok") OWE_AND_SETTLE OWN_AND_VIEW, 4};

/*
 * locked: the uploads, in an order that prevents deadlocks. fit: the drafts that need no upload, and one for each
 * upload that exists. keyed: those that got their key. won: the drafts to insert. A draft whose task exists
 * already (the statement is repeated) is not in won, and its task is returned.
 */
static const struct mr_statement insert_contested = {
    "tasks_insert_contested",
    "WITH" DRAFTS WITHIN_QUOTAS " locked AS (SELECT u.id, u.user_id FROM uploads u WHERE u.expires_at > now()"
    "  AND u.id = ANY (ARRAY(SELECT upload_id FROM d WHERE upload_id IS NOT NULL))"
    "  ORDER BY u.id FOR UPDATE),"
    " fit AS (SELECT DISTINCT ON (coalesce(upload_id, file_id))" DRAFT_COLUMNS " FROM ok"
    "  WHERE upload_id IS NULL OR (upload_id, user_id) IN (SELECT id, user_id FROM locked)"
    "  ORDER BY coalesce(upload_id, file_id), file_id),"
    " keyed AS (" MR_IDEMPOTENCY_TAKE_KEYS("fit") "),"
    " won AS (SELECT" DRAFT_COLUMNS " FROM fit"
    "  WHERE idempotency_key IS NULL OR file_id IN (SELECT file_id FROM keyed)),"
    " made AS" INSERT_FROM("won")
    " t AS (SELECT" TASK_COLUMNS " FROM made UNION ALL SELECT" TASK_COLUMNS " FROM tasks"
    "  WHERE file_id = ANY (ARRAY(SELECT file_id FROM d EXCEPT SELECT file_id FROM won))),"
    " taken AS (DELETE FROM uploads WHERE id = ANY (ARRAY(SELECT upload_id FROM won)))," OWE_AND_SETTLE
    OWN_AND_VIEW, 4};
/* clang-format on */

static const struct mr_statement *statement_for(const struct mr_task_draft *const *drafts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (drafts[i]->idempotency_key || drafts[i]->upload_id)
            return &insert_contested;
    return &insert_plain;
}

enum mr_status mr_tasks_insert_within(struct mr_db *db, const struct mr_quotas *quotas,
                                      const struct mr_outbox_batch *batch,
                                      const struct mr_task_draft *const *drafts, size_t count,
                                      json_t **ret_views, enum mr_quota *ret_over, struct mr_err *err)
{
    char limits[MR_QUOTA_LIMITS_MAX], id[MR_INT64_TEXT_MAX];
    MR_AUTO(mr_buf) struct mr_buf settled = MR_BUF_INIT(SETTLED_TEXT_MAX);
    MR_AUTO_STR char *text = NULL;
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(drafts_text(drafts, count, &text, err));
    if (quotas)
        MR_TRY(mr_quota_limits_text(quotas, limits, err));
    if (batch) {
        mr_int64_text(batch->id, id);
        MR_TRY(mr_outbox_settled_text(batch->settled, batch->settled_count, &settled, err));
    }
    const char *const params[] = {text, quotas ? limits : NULL, batch ? id : NULL,
                                  batch ? mr_buf_str(&settled) : NULL};
    enum mr_status status =
        mr_db_exec_within(db, MR_TASKS_INSERT_MS, statement_for(drafts, count), params, &rows, err);
    if (status == MR_NOT_FOUND) /* the one row that others refer to */
        return mr_fail(err, MR_UNAUTHENTICATED, "token rejected: its user no longer exists");
    if (status != MR_OK)
        return status;
    const struct outcomes outcomes = {ret_views, ret_over};
    for (size_t i = 0; i < count; i++) {
        ret_views[i] = NULL;
        ret_over[i] = MR_QUOTA_NONE;
    }
    status = read_outcomes(rows, drafts, count, &outcomes, err);
    if (status != MR_OK)
        for (size_t i = 0; i < count; i++)
            json_decref(MR_TAKE(ret_views[i]));
    return status;
}

enum mr_status mr_tasks_insert(struct mr_db *db, const struct mr_task_draft *const *drafts, size_t count,
                               json_t **ret_views, struct mr_err *err)
{
    enum mr_quota *over = calloc(count, sizeof *over);
    if (!over)
        return mr_fail_oom(err);
    enum mr_status status = mr_tasks_insert_within(db, NULL, NULL, drafts, count, ret_views, over, err);
    free(over);
    return status;
}
