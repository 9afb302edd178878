#include "shared/data/leases.h"

#include "shared/base/encoding.h"
#include "shared/data/lease_sql.h"
#include "shared/data/result_sql.h"

/* Runs an UPDATE of the row of a held lease. *ret_ours is false when the lease is no longer held. */
static enum mr_status affect(struct mr_db *db, const struct mr_statement *update, const char *const *params,
                             bool *ret_ours, struct mr_err *err)
{
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec_within(db, MR_DB_QUICK_MS, update, params, &rows, err));
    *ret_ours = mr_rows_affected(rows) > 0;
    return MR_OK;
}

enum mr_status mr_lease_start(struct mr_db *db, const struct mr_claim *claim, bool *ret_ours,
                              struct mr_err *err)
{
    static const struct mr_statement start = {
        "lease_start",
        "UPDATE tasks SET attempts = attempts + (NOT started)::int, started = true WHERE" MR_LEASE_IS_HELD
        " AND" MR_COMMIT_IS_LAZY, /* a crash of the database may forgive an attempt */
        3};
    const struct mr_held held = mr_held_of(claim);
    return affect(db, &start, (const char *const[]){held.task, held.generation, held.fence}, ret_ours, err);
}

enum mr_status mr_lease_heartbeat(struct mr_db *db, const struct mr_claim *claim, int64_t lease_seconds,
                                  int progress, bool *ret_ours, struct mr_err *err)
{
    static const struct mr_statement heartbeat = {
        "lease_heartbeat",
        "UPDATE tasks SET lease_expires_at = greatest(lease_expires_at,"
        " now() + make_interval(secs => $4::int)),"
        " progress = $5::int WHERE" MR_LEASE_IS_HELD,
        5};
    const struct mr_held held = mr_held_of(claim);
    char lease[MR_INT64_TEXT_MAX], permille[MR_INT64_TEXT_MAX];
    mr_int64_text(lease_seconds, lease);
    mr_int64_text(progress, permille);
    const char *const params[] = {held.task, held.generation, held.fence, lease, permille};
    return affect(db, &heartbeat, params, ret_ours, err);
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
        " owned AS (DELETE FROM stray_objects WHERE name = ANY (ARRAY(SELECT input_object FROM t)))"
        " SELECT 1 FROM t",
        8};
    const struct mr_held held = mr_held_of(claim);
    char generation[MR_INT64_TEXT_MAX], bytes[MR_INT64_TEXT_MAX];
    mr_int64_text(object_generation, generation);
    mr_int64_text(size, bytes);
    const char *const params[] = {held.task,  held.generation, held.fence,    object,
                                  generation, bytes,           original_file, original_format};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec_within(db, MR_DB_QUICK_MS, &set, params, &rows, err));
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
        " lease_expires_at = NULL, receipt = $5::jsonb, result = $6::jsonb, input_crc32c = $7::bigint,"
        " engine = $8::text, result_hash = CASE WHEN $7::bigint IS NOT NULL THEN" MR_RESULT_HASH(
            "$7::bigint",
            "$8") " END, result_generation = CASE WHEN $7::bigint IS NOT NULL THEN generation END "
                  "WHERE" MR_LEASE_IS_HELD
                  /* A join holds its unit's lease, and not that of the task alone. By the lease, not by the state: the
                   * index of open units would be read for that. */
                  " AND ($9::int = 0 OR EXISTS (SELECT 1 FROM units u WHERE u.task_id = $1::bigint"
                  " AND u.n = $9::int AND u.plan = $3::bigint AND u.fence = $10::bigint"
                  " AND u.lease_expires_at IS NOT NULL)) RETURNING id),"
                  " stored AS (INSERT INTO outputs (task_id, n, object, object_generation, file_name,"
                  " format, content_type, size) SELECT done.id, n, object, object_generation, file_name,"
                  " format, content_type, size FROM done, jsonb_to_recordset($4::jsonb) AS r (n int,"
                  " object text, object_generation bigint, file_name text, format text, content_type text,"
                  " size bigint) RETURNING object),"
                  " owned AS (DELETE FROM stray_objects WHERE name = ANY (ARRAY(SELECT object"
                  " FROM stored))) SELECT 1 FROM done UNION ALL SELECT 1 FROM tasks before"
                  " WHERE before.id = $1::bigint AND before.generation = $2::int"
                  " AND before.fence = $3::bigint AND before.status = 'processed' AND ($9::int = 0"
                  " OR EXISTS (SELECT 1 FROM outputs o WHERE o.task_id = $1::bigint"
                  " AND o.object = $4::jsonb -> 0 ->> 'object'))",
        10};
    const struct mr_held held = mr_held_of(claim);
    MR_AUTO_STR char *outputs = NULL;
    MR_AUTO_STR char *receipt = NULL;
    MR_AUTO_STR char *result = NULL;
    MR_TRY(outputs_text(commit->outputs, commit->count, &outputs, err));
    MR_TRY(json_text(commit->receipt, &receipt, err));
    MR_TRY(json_text(commit->result, &result, err));
    const struct mr_made_from *made = &commit->made;
    char crc32c[MR_INT64_TEXT_MAX], unit[MR_INT64_TEXT_MAX], unit_fence[MR_INT64_TEXT_MAX];
    mr_int64_text(made->crc32c, crc32c);
    mr_int64_text(claim->unit.n, unit);
    mr_int64_text(claim->unit.fence, unit_fence);
    const char *const params[] = {held.task,
                                  held.generation,
                                  held.fence,
                                  outputs,
                                  receipt,
                                  result,
                                  made->is_known ? crc32c : NULL,
                                  made->is_known ? made->engine : NULL,
                                  unit,
                                  unit_fence};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec_within(db, MR_DB_QUICK_MS, &statement, params, &rows, err));
    *ret_ours = mr_rows_count(rows) > 0;
    return MR_OK;
}

enum mr_status mr_lease_fail(struct mr_db *db, const struct mr_claim *claim, const char *code,
                             const char *detail, bool *ret_ours, struct mr_err *err)
{
    static const struct mr_statement fail = {
        "lease_fail",
        "UPDATE tasks SET status = 'failed', lease_expires_at = NULL, processed_at = now(), error_code = $4,"
        " error_detail = $5 WHERE" MR_LEASE_IS_HELD,
        5};
    const struct mr_held held = mr_held_of(claim);
    return affect(db, &fail, (const char *const[]){held.task, held.generation, held.fence, code, detail},
                  ret_ours, err);
}

enum mr_status mr_lease_release(struct mr_db *db, const struct mr_claim *claim, enum mr_release reason,
                                bool *ret_ours, struct mr_err *err)
{
    static const struct mr_statement release = {
        "lease_release",
        "UPDATE tasks SET status = 'uploaded', lease_expires_at = NULL, progress = 0, started = false,"
        " attempts = attempts - (started AND $4::int = 0)::int,"
        " interruptions = interruptions + (started AND $4::int = 1)::int,"
        " kills = kills + (started AND $5::int = 1)::int, stops = stops + $6::int"
        " WHERE" MR_LEASE_IS_HELD,
        6};
    static const struct {
        const char *is_interruption, *is_kill, *is_stop;
    } counts[] = {[MR_RELEASE_UNCOUNTED] = {"0", "0", "0"},
                  [MR_RELEASE_STOP] = {"0", "0", "1"},
                  [MR_RELEASE_KILL] = {"1", "0", "0"},
                  [MR_RELEASE_KILL_FULL] = {"1", "1", "0"}};
    const struct mr_held held = mr_held_of(claim);
    const char *const params[] = {held.task,
                                  held.generation,
                                  held.fence,
                                  counts[reason].is_interruption,
                                  counts[reason].is_kill,
                                  counts[reason].is_stop};
    return affect(db, &release, params, ret_ours, err);
}

enum mr_status mr_lease_defer(struct mr_db *db, const struct mr_claim *claim, bool *ret_ours,
                              struct mr_err *err)
{
    static const struct mr_statement defer = {
        "lease_defer",
        "UPDATE tasks SET status = 'uploaded', lease_expires_at = NULL, progress = 0, published_at = NULL,"
        " attempts = attempts + (NOT started)::int, started = false WHERE" MR_LEASE_IS_HELD,
        3};
    const struct mr_held held = mr_held_of(claim);
    return affect(db, &defer, (const char *const[]){held.task, held.generation, held.fence}, ret_ours, err);
}
