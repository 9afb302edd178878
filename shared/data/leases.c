#include "shared/data/leases.h"

#include "shared/base/encoding.h"
#include "shared/data/lease_sql.h"

void mr_claim_free(struct mr_claim *claim)
{
    free(claim->input_object);
    free(claim->original_file);
    free(claim->new_format);
    free(claim->options);
    free(claim->url);
    *claim = (struct mr_claim){0};
}

static enum mr_status claim_of(const struct mr_rows *rows, struct mr_claim *ret, struct mr_err *err)
{
    MR_AUTO(mr_claim)
    struct mr_claim claim = {
        .task_id = mr_rows_int64(rows, 0, "id"),
        .generation = mr_rows_int64(rows, 0, "generation"),
        .fence = mr_rows_int64(rows, 0, "fence"),
        .attempts = mr_rows_int64(rows, 0, "attempts"),
        .queued_ms = mr_rows_int64(rows, 0, "queued_ms"),
        .input_object = strdup(mr_rows_text(rows, 0, "input_object")),
        .input_generation = mr_rows_int64(rows, 0, "input_generation"),
        .input_size = mr_rows_int64(rows, 0, "original_size"),
        .original_file = strdup(mr_rows_text(rows, 0, "original_file")),
        .new_format = strdup(mr_rows_text(rows, 0, "new_format")),
        .options = strdup(mr_rows_text(rows, 0, "options")),
        .url = strdup(mr_rows_text(rows, 0, "url")),
        .has_deliveries = !mr_rows_is_null(rows, 0, "callback_url") ||
                          strcmp(mr_rows_text(rows, 0, "notify_mail"), "t") == 0,
    };
    snprintf(claim.file_id, sizeof claim.file_id, "%s", mr_rows_text(rows, 0, "file_id"));
    snprintf(claim.kind, sizeof claim.kind, "%s", mr_rows_text(rows, 0, "kind"));
    if (!claim.input_object || !claim.original_file || !claim.new_format || !claim.options || !claim.url)
        return mr_fail_oom(err);
    *ret = claim;
    claim = (struct mr_claim){0};
    return MR_OK;
}

/* Why a claim got no row. Fails a task that has no attempts left. */
static enum mr_status why_not(struct mr_db *db, const char *task, const char *generation,
                              const char *max_attempts, enum mr_claim_outcome *ret_outcome,
                              struct mr_err *err)
{
    static const struct mr_statement exhaust = {
        "lease_exhaust",
        "WITH failed AS (UPDATE tasks SET status = 'failed', lease_expires_at = NULL, processed_at = now(),"
        " error_code = $4, error_detail = 'the conversion was started ' || attempts ||"
        " ' times and never finished'"
        " WHERE id = $1::bigint AND generation = $2::int AND attempts >= $3::int AND" MR_LEASE_IS_CLAIMABLE
        " RETURNING id)"
        " SELECT CASE WHEN EXISTS (SELECT FROM failed) THEN 'exhausted'"
        " WHEN status = 'processing' AND generation = $2::int THEN 'elsewhere' ELSE 'stale' END AS outcome"
        " FROM tasks WHERE id = $1::bigint",
        4};
    const char *const params[] = {task, generation, max_attempts, mr_code_name(MR_CODE_ATTEMPTS_EXHAUSTED)};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(db, &exhaust, params, &rows, err));
    const char *outcome = mr_rows_count(rows) ? mr_rows_text(rows, 0, "outcome") : "stale";
    *ret_outcome = strcmp(outcome, "exhausted") == 0   ? MR_CLAIM_EXHAUSTED
                   : strcmp(outcome, "elsewhere") == 0 ? MR_CLAIM_ELSEWHERE
                                                       : MR_CLAIM_STALE;
    return MR_OK;
}

enum mr_status mr_lease_claim(struct mr_db *db, const struct mr_message *message, int64_t lease_seconds,
                              int64_t max_attempts, enum mr_claim_outcome *ret_outcome, struct mr_claim *ret,
                              struct mr_err *err)
{
    static const struct mr_statement claim = {
        "lease_claim",
        "UPDATE tasks SET status = 'processing', attempts = attempts + 1, fence = fence + 1, progress = 0,"
        " lease_expires_at = now() + make_interval(secs => $4::int)"
        " WHERE id = $1::bigint AND generation = $2::int AND attempts < $3::int AND" MR_LEASE_IS_CLAIMABLE
        " RETURNING id, generation, fence, attempts, file_id, kind, input_object, input_generation, "
        "original_size,"
        " original_file, new_format, options, url, callback_url, notify_mail,"
        " (extract(epoch FROM now() - uploaded_at) * 1000)::bigint AS queued_ms",
        4};
    char task[MR_INT64_TEXT_MAX], generation[MR_INT64_TEXT_MAX], attempts[MR_INT64_TEXT_MAX],
        lease[MR_INT64_TEXT_MAX];
    mr_int64_text(message->task_id, task);
    mr_int64_text(message->generation <= INT32_MAX ? message->generation : 0, generation);
    mr_int64_text(max_attempts, attempts);
    mr_int64_text(lease_seconds, lease);
    const char *const params[] = {task, generation, attempts, lease};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(db, &claim, params, &rows, err));
    if (mr_rows_count(rows) == 0)
        return why_not(db, task, generation, attempts, ret_outcome, err);
    MR_TRY(claim_of(rows, ret, err));
    *ret_outcome = MR_CLAIM_OURS;
    return MR_OK;
}

enum mr_status mr_lease_heartbeat(struct mr_db *db, const struct mr_claim *claim, int64_t lease_seconds,
                                  int progress, bool *ret_ours, struct mr_err *err)
{
    static const struct mr_statement heartbeat = {
        "lease_heartbeat",
        "UPDATE tasks SET lease_expires_at = now() + make_interval(secs => $4::int), progress = $5::int"
        " WHERE" MR_LEASE_IS_HELD,
        5};
    const struct mr_held held = mr_held_of(claim);
    char lease[MR_INT64_TEXT_MAX], permille[MR_INT64_TEXT_MAX];
    mr_int64_text(lease_seconds, lease);
    mr_int64_text(progress, permille);
    const char *const params[] = {held.task, held.generation, held.fence, lease, permille};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(db, &heartbeat, params, &rows, err));
    *ret_ours = mr_rows_affected(rows) > 0;
    return MR_OK;
}

enum mr_status mr_lease_set_input(struct mr_db *db, const struct mr_claim *claim, const char *object,
                                  int64_t object_generation, int64_t size, const char *original_file,
                                  const char *original_format, bool *ret_ours, struct mr_err *err)
{
    static const struct mr_statement set = {
        "lease_set_input",
        "WITH t AS (UPDATE tasks SET input_object = $4, input_generation = $5::bigint,"
        " original_size = $6::bigint, original_file = $7, original_format = $8 WHERE" MR_LEASE_IS_HELD
        " RETURNING input_object),"
        " owned AS (DELETE FROM stray_objects s USING t WHERE s.name = t.input_object)"
        " SELECT 1 FROM t",
        8};
    const struct mr_held held = mr_held_of(claim);
    char generation[MR_INT64_TEXT_MAX], bytes[MR_INT64_TEXT_MAX];
    mr_int64_text(object_generation, generation);
    mr_int64_text(size, bytes);
    const char *const params[] = {held.task,  held.generation, held.fence,    object,
                                  generation, bytes,           original_file, original_format};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(db, &set, params, &rows, err));
    *ret_ours = mr_rows_count(rows) > 0;
    return MR_OK;
}

static enum mr_status outputs_text(const struct mr_output *outputs, size_t count, char **ret,
                                   struct mr_err *err)
{
    MR_AUTO_JSON json_t *array = json_array();
    for (size_t i = 0; i < count; i++) {
        const struct mr_output *o = &outputs[i];
        json_t *one =
            json_pack("{s:I,s:s,s:I,s:s,s:s,s:s,s:I}", "n", (json_int_t)i, "object", o->object,
                      "object_generation", (json_int_t)o->object_generation, "file_name", o->file_name,
                      "format", o->format, "content_type", o->content_type, "size", (json_int_t)o->size);
        if (json_array_append_new(array, one) != 0)
            return mr_fail_oom(err);
    }
    *ret = json_dumps(array, JSON_COMPACT);
    return *ret ? MR_OK : mr_fail_oom(err);
}

static enum mr_status json_text(const json_t *value, char **ret, struct mr_err *err)
{
    *ret = value ? json_dumps(value, JSON_COMPACT) : NULL;
    return value && !*ret ? mr_fail_oom(err) : MR_OK;
}

enum mr_status mr_lease_commit(struct mr_db *db, const struct mr_claim *claim, const struct mr_commit *commit,
                               bool *ret_ours, struct mr_err *err)
{
    /* `before` lets a repeated commit see that an earlier one with the same fence succeeded. */
    static const struct mr_statement statement = {
        "lease_commit",
        "WITH done AS (UPDATE tasks SET status = 'processed', progress = 1000, processed_at = now(),"
        " lease_expires_at = NULL, receipt = $5::jsonb, result = $6::jsonb WHERE" MR_LEASE_IS_HELD
        " RETURNING id),"
        " stored AS (INSERT INTO outputs (task_id, n, object, object_generation, file_name, format,"
        " content_type, size)"
        " SELECT done.id, n, object, object_generation, file_name, format, content_type, size"
        " FROM done, jsonb_to_recordset($4::jsonb) AS r (n int, object text,"
        " object_generation bigint, file_name text, format text, content_type text, size bigint)"
        " RETURNING object),"
        " owned AS (DELETE FROM stray_objects s USING stored WHERE s.name = stored.object)"
        " SELECT 1 FROM done UNION ALL SELECT 1 FROM tasks before WHERE before.id = $1::bigint"
        " AND before.generation = $2::int AND before.fence = $3::bigint AND before.status = 'processed'",
        6};
    const struct mr_held held = mr_held_of(claim);
    MR_AUTO_STR char *outputs = NULL;
    MR_AUTO_STR char *receipt = NULL;
    MR_AUTO_STR char *result = NULL;
    MR_TRY(outputs_text(commit->outputs, commit->count, &outputs, err));
    MR_TRY(json_text(commit->receipt, &receipt, err));
    MR_TRY(json_text(commit->result, &result, err));
    const char *const params[] = {held.task, held.generation, held.fence, outputs, receipt, result};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(db, &statement, params, &rows, err));
    *ret_ours = mr_rows_count(rows) > 0;
    return MR_OK;
}

enum mr_status mr_lease_fail(struct mr_db *db, const struct mr_claim *claim, const char *code,
                             const char *detail, struct mr_err *err)
{
    static const struct mr_statement fail = {
        "lease_fail",
        "UPDATE tasks SET status = 'failed', lease_expires_at = NULL, processed_at = now(), error_code = $4,"
        " error_detail = $5 WHERE" MR_LEASE_IS_HELD,
        5};
    const struct mr_held held = mr_held_of(claim);
    return mr_db_exec(db, &fail, (const char *const[]){held.task, held.generation, held.fence, code, detail},
                      NULL, err);
}

enum mr_status mr_lease_release(struct mr_db *db, const struct mr_claim *claim, struct mr_err *err)
{
    static const struct mr_statement release = {
        "lease_release",
        "UPDATE tasks SET status = 'uploaded', lease_expires_at = NULL, progress = 0, attempts = attempts - 1"
        " WHERE" MR_LEASE_IS_HELD,
        3};
    const struct mr_held held = mr_held_of(claim);
    return mr_db_exec(db, &release, (const char *const[]){held.task, held.generation, held.fence}, NULL, err);
}

enum mr_status mr_lease_defer(struct mr_db *db, const struct mr_claim *claim, struct mr_err *err)
{
    static const struct mr_statement defer = {
        "lease_defer",
        "UPDATE tasks SET status = 'uploaded', lease_expires_at = NULL, progress = 0, published_at = NULL"
        " WHERE" MR_LEASE_IS_HELD,
        3};
    const struct mr_held held = mr_held_of(claim);
    return mr_db_exec(db, &defer, (const char *const[]){held.task, held.generation, held.fence}, NULL, err);
}
