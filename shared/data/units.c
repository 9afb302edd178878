#include "shared/data/units.h"

#include "shared/data/task_rows.h"
#include "shared/data/unit_sql.h"

#include <inttypes.h>

static enum mr_status dump(const json_t *value, char **ret, struct mr_err *err)
{
    *ret = value ? json_dumps(value, JSON_COMPACT) : NULL;
    return *ret ? MR_OK : mr_fail_oom(err);
}

static const char *const kind_names[] = {
    [MR_UNIT_VIDEO] = "video", [MR_UNIT_AUDIO] = "audio", [MR_UNIT_JOIN] = "join", [MR_UNIT_LEVEL] = "level"};

const char *mr_unit_kind_name(enum mr_unit_kind kind)
{
    return kind_names[kind];
}

enum mr_unit_kind mr_unit_kind_of(const char *name)
{
    enum mr_unit_kind kind = MR_UNIT_VIDEO;
    for (size_t i = 0; i < sizeof kind_names / sizeof *kind_names; i++)
        if (strcmp(name, kind_names[i]) == 0)
            kind = (enum mr_unit_kind)i;
    return kind;
}

/* waits_for 0: it can be claimed. frees: the number of the unit that waits for it. Its own is that of its place. */
static bool add_row(json_t *rows, struct mr_unit_plan unit, size_t waits_for, size_t frees)
{
    json_t *row = json_pack("{s:I,s:s,s:I,s:I,s:s,s:I,s:I}", "n", (json_int_t)json_array_size(rows) + 1,
                            "kind", kind_names[unit.kind], "from_us", (json_int_t)unit.from_us, "to_us",
                            (json_int_t)unit.to_us, "state", waits_for ? "blocked" : "waiting", "waits_for",
                            (json_int_t)waits_for, "frees", (json_int_t)frees);
    return json_array_append_new(rows, row) == 0;
}

static size_t rows_of(const struct mr_units_plan *plan)
{
    return plan->count + plan->has_level + 1;
}

/* The join waits for `level` in the place of the audio, until its gain is found. */
static enum mr_status plan_text(const struct mr_units_plan *plan, char **ret, struct mr_err *err)
{
    MR_AUTO_JSON json_t *rows = json_array();
    const size_t level = plan->count + 1, join = rows_of(plan);
    size_t joined = plan->has_level;
    bool is_added = true;
    for (size_t i = 0; i < plan->count; i++) {
        const bool is_levelled = plan->has_level && plan->units[i].kind == MR_UNIT_AUDIO;
        joined += !is_levelled;
        is_added &= add_row(rows, plan->units[i], is_levelled, is_levelled ? level : join);
    }
    if (plan->has_level)
        is_added &= add_row(rows, (struct mr_unit_plan){MR_UNIT_LEVEL, 0, INT64_MAX}, 0, join);
    is_added &= add_row(rows, (struct mr_unit_plan){MR_UNIT_JOIN, 0, INT64_MAX}, joined, join);
    return is_added ? dump(rows, ret, err) : mr_fail_oom(err);
}

enum mr_status mr_units_make(struct mr_db *db, const struct mr_claim *claim, const struct mr_units_plan *plan,
                             bool *ret_ours, struct mr_err *err)
{
    static const struct mr_statement make = {
        "units_make",
        "WITH t AS (UPDATE tasks SET units = $5::int, kept = 0,"
        " lease_expires_at = now() + make_interval(secs => $6::int)"
        " WHERE" MR_LEASE_IS_HELD " AND units = 0 RETURNING id, fence),"
        " r AS (SELECT n, kind, from_us, to_us, state, waits_for, frees,"
        " encode(sha256(convert_to(CASE kind WHEN 'video' THEN $7::text WHEN 'join' THEN NULL"
        " ELSE $8::text END, 'UTF8')), 'hex') AS basis FROM jsonb_to_recordset($4::jsonb) AS r (n int,"
        " kind text, from_us bigint, to_us bigint, state text, waits_for int, frees int)),"
        " spare AS (DELETE FROM kept_units k USING t WHERE k.task_id = t.id"
        " RETURNING k.kind, k.from_us, k.to_us, k.basis, k.object, k.object_generation, k.object_size,"
        " k.report),"
        " fit AS (SELECT r.n, r.frees, k.kind, k.object, k.object_generation, k.object_size, k.report"
        " FROM spare k JOIN r USING (kind, from_us, to_us, basis)),"
        /* Units that have found a gain together are taken together. */
        " wanted AS (SELECT n, frees, kind, object, object_generation, object_size, report FROM fit"
        " WHERE kind = 'video' OR NOT EXISTS (SELECT 1 FROM r WHERE kind = 'level') OR (SELECT count(*)"
        " FROM fit WHERE kind <> 'video') = (SELECT count(*) FROM r WHERE kind IN ('audio', 'level'))),"
        /* What is due soon may be deleted at this moment. What one plan left is due at one time. */
        " owned AS (DELETE FROM stray_objects WHERE name = ANY (ARRAY(SELECT object FROM wanted))"
        " AND delete_after > now() + interval '1 min' RETURNING name),"
        " had AS (SELECT n, frees, kind, object, object_generation, object_size, report FROM wanted"
        " WHERE object IN (SELECT name FROM owned) OR (kind = 'level' AND EXISTS (SELECT 1"
        " FROM wanted x JOIN owned o ON o.name = x.object WHERE x.kind = 'audio'))),"
        " made AS (INSERT INTO units (task_id, n, plan, kind, from_us, to_us, state, waits_for, frees,"
        " basis, progress, object, object_generation, object_size, report)"
        " SELECT t.id, r.n, t.fence, r.kind, r.from_us, r.to_us, CASE WHEN h.n IS NOT NULL THEN 'done'"
        " WHEN r.kind = 'join' AND r.waits_for = f.count THEN 'waiting' ELSE r.state END, CASE"
        " WHEN h.n IS NOT NULL THEN 0 WHEN r.kind = 'join' THEN r.waits_for - f.count ELSE r.waits_for"
        " END, r.frees, r.basis, CASE WHEN h.n IS NULL THEN 0 ELSE 1000 END, nullif(h.object, ''), CASE"
        " WHEN h.object <> '' THEN h.object_generation END, CASE WHEN h.object <> '' THEN h.object_size"
        " END, h.report FROM t, r LEFT JOIN had h ON h.n = r.n, LATERAL (SELECT count(*)::int FROM had"
        " WHERE had.frees = r.n) f RETURNING n)"
        " SELECT 1 FROM t UNION ALL SELECT 1 FROM tasks WHERE" MR_LEASE_IS_HELD " AND units > 0",
        8};
    const struct mr_held held = mr_held_of(claim);
    char count[MR_INT64_TEXT_MAX], hold[MR_INT64_TEXT_MAX];
    mr_int64_text((int64_t)rows_of(plan), count);
    mr_int64_text(MR_UNITS_HOLD_S, hold);
    MR_AUTO_STR char *text = NULL;
    MR_TRY(plan_text(plan, &text, err));
    const char *const params[] = {held.task,
                                  held.generation,
                                  held.fence,
                                  text,
                                  count,
                                  hold,
                                  plan->basis[MR_UNIT_VIDEO],
                                  plan->basis[MR_UNIT_AUDIO]};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec_within(db, MR_DB_QUICK_MS, &make, params, &rows, err));
    *ret_ours = mr_rows_count(rows) > 0;
    return MR_OK;
}

enum mr_status mr_unit_heartbeat(struct mr_db *db, const struct mr_claim *claim, int64_t lease_seconds,
                                 int progress, bool *ret_ours, struct mr_err *err)
{
    static const struct mr_statement heartbeat = {
        "unit_heartbeat",
        "UPDATE units u SET lease_expires_at = now() + make_interval(secs => $6::int), progress = $7::int"
        " FROM tasks t WHERE" MR_UNIT_IS_HELD " AND" MR_PLAN_HOLDS,
        7};
    /* Units weigh as much as their ranges are long, the last as the others on average, and what is no video a tenth of that. It
     * only rises, also when a unit begins again. Apart from the first, so that no statement waits for a task while it
     * holds a unit. */
    static const struct mr_statement show = {
        "units_show",
        "UPDATE tasks t SET progress = a.all_units, lease_expires_at = now() + make_interval(secs =>"
        " $4::int) FROM (SELECT (sum(progress * weight) / sum(weight) * 0.999)::int AS all_units"
        " FROM (SELECT progress, CASE WHEN kind <> 'video' THEN usual / 10"
        " WHEN to_us = 9223372036854775807 THEN usual ELSE to_us - from_us END AS weight"
        " FROM units, (SELECT greatest(max(from_us), 1)::float8 / greatest(count(*) - 1, 1) AS usual"
        " FROM units WHERE task_id = $1::bigint AND plan = $3::bigint"
        " AND kind = 'video') v WHERE task_id = $1::bigint AND plan = $3::bigint) w) a WHERE" MR_PLAN_HOLDS
        " AND t.progress < a.all_units",
        4};
    const struct mr_held_unit held = mr_held_unit_of(claim);
    char lease[MR_INT64_TEXT_MAX], permille[MR_INT64_TEXT_MAX], hold[MR_INT64_TEXT_MAX];
    mr_int64_text(lease_seconds, lease);
    mr_int64_text(progress, permille);
    mr_int64_text(MR_UNITS_HOLD_S, hold);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec_within(db, MR_DB_QUICK_MS, &heartbeat,
                             (const char *const[]){MR_HELD_UNIT_PARAMS(held), lease, permille}, &rows, err));
    *ret_ours = mr_rows_affected(rows) > 0;
    if (!*ret_ours)
        return MR_OK;
    return mr_db_exec_within(
        db, MR_DB_QUICK_MS, &show,
        (const char *const[]){held.task.task, held.task.generation, held.task.fence, hold}, NULL, err);
}

enum mr_status mr_unit_finish(struct mr_db *db, const struct mr_claim *claim,
                              const struct mr_unit_result *result, bool *ret_ours, int64_t *ret_join,
                              struct mr_err *err)
{
    /* What waits is counted down in its own row, whose newest version each of two last units meets. The join's made_at is
     * when its message was owed, that of `level` when the plan was made. */
    static const struct mr_statement finish = {
        "unit_finish",
        "WITH done AS (UPDATE units u SET state = 'done', lease_expires_at = NULL, progress = 1000,"
        " object = $6, object_generation = $7::bigint, object_size = $8::bigint, report = $9::jsonb"
        " FROM tasks t"
        " WHERE" MR_UNIT_IS_HELD " AND" MR_PLAN_HOLDS " RETURNING u.task_id, u.plan, u.frees),"
        " owned AS (DELETE FROM stray_objects WHERE name = ANY (ARRAY(SELECT $6 FROM done))),"
        " freed AS (UPDATE units j SET waits_for = j.waits_for - 1, state = CASE j.waits_for WHEN 1"
        " THEN 'waiting' ELSE j.state END,"
        " made_at = CASE WHEN j.waits_for = 1 AND j.kind = 'join' THEN now() ELSE j.made_at END"
        " FROM done WHERE j.task_id = done.task_id AND j.plan = done.plan AND j.state = 'blocked'"
        " AND CASE WHEN done.frees IS NULL THEN j.kind = 'join' ELSE j.n = done.frees END"
        " RETURNING CASE j.state WHEN 'waiting' THEN j.n END AS n)"
        " SELECT (SELECT n FROM freed) AS join_n FROM done UNION ALL SELECT NULL FROM units u"
        " WHERE u.task_id = $1::bigint AND u.n = $4::int AND u.plan = $3::bigint AND u.fence = $5::bigint"
        " AND u.state = 'done'",
        9};
    const struct mr_held_unit held = mr_held_unit_of(claim);
    char generation[MR_INT64_TEXT_MAX], size[MR_INT64_TEXT_MAX];
    mr_int64_text(result->object_generation, generation);
    mr_int64_text(result->object_size, size);
    MR_AUTO_STR char *report = NULL;
    MR_TRY(dump(result->report, &report, err));
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec_within(
        db, MR_DB_QUICK_MS, &finish,
        (const char *const[]){MR_HELD_UNIT_PARAMS(held), result->object, generation, size, report}, &rows,
        err));
    *ret_ours = mr_rows_count(rows) > 0;
    *ret_join = *ret_ours ? mr_rows_int64(rows, 0, "join_n") : 0;
    return MR_OK;
}

enum mr_status mr_unit_level(struct mr_db *db, const struct mr_claim *claim, enum mr_level_next next,
                             const json_t *search, bool *ret_ours, struct mr_err *err)
{
    /* $6: again, last or made. All rows are locked in the order of n, and looked at afterwards. */
    static const struct mr_statement level = {
        "unit_level",
        "WITH held AS (SELECT 1 FROM units u, tasks t WHERE" MR_UNIT_IS_HELD " AND" MR_PLAN_HOLDS "),"
        " m AS (SELECT u.n, u.kind, u.state, u.fence, u.object FROM units u, held"
        " WHERE u.task_id = $1::bigint AND u.plan = $3::bigint AND u.kind <> 'video' ORDER BY u.n FOR"
        " UPDATE OF u),"
        " ours AS (SELECT (SELECT count(*) FROM m WHERE kind = 'audio')::int AS audios FROM m"
        " WHERE n = $4::int AND fence = $5::bigint AND state = 'running'),"
        " decided AS (UPDATE units u SET lease_expires_at = NULL, progress = 1000, published_at = NULL,"
        " search = $7::jsonb, report = $7::jsonb, state = CASE $6 WHEN 'again' THEN 'blocked'"
        " ELSE 'done' END, waits_for = CASE $6 WHEN 'again' THEN audios ELSE 0 END, attempts = CASE $6"
        " WHEN 'again' THEN 0 ELSE u.attempts END FROM ours WHERE u.task_id = $1::bigint"
        " AND u.n = $4::int),"
        " begun AS (UPDATE units u SET state = 'waiting', waits_for = 0, attempts = 0, stops = 0,"
        " claim_id = NULL, published_at = NULL, made_at = now(), search = $7::jsonb, report = NULL,"
        " object = NULL, object_generation = NULL, object_size = NULL, progress ="
        " CASE jsonb_array_length($7::jsonb -> 'heard') WHEN 1 THEN 0 ELSE 500 END, frees = CASE $6"
        " WHEN 'again' THEN $4::int ELSE (SELECT n FROM m WHERE kind = 'join') END FROM ours, m"
        " WHERE $6 <> 'made' AND m.kind = 'audio' AND u.task_id = $1::bigint AND u.n = m.n),"
        " orphaned AS (INSERT INTO stray_objects (name, delete_after) SELECT object, now()"
        " FROM ours, m WHERE $6 <> 'made' AND kind = 'audio' AND object IS NOT NULL"
        " ON CONFLICT (name) DO UPDATE SET delete_after = excluded.delete_after),"
        " freed AS (UPDATE units u SET waits_for = u.waits_for - 1 + a.more, state ="
        " CASE u.waits_for - 1 + a.more WHEN 0 THEN 'waiting' ELSE u.state END, made_at ="
        " CASE u.waits_for - 1 + a.more WHEN 0 THEN now() ELSE u.made_at END FROM m, (SELECT CASE $6"
        " WHEN 'last' THEN audios ELSE 0 END AS more FROM ours) a WHERE $6 <> 'again'"
        " AND m.kind = 'join' AND u.task_id = $1::bigint AND u.n = m.n) SELECT 1 FROM ours UNION ALL"
        " SELECT 1 FROM units u WHERE u.task_id = $1::bigint AND u.n = $4::int AND u.plan = $3::bigint"
        " AND u.fence = $5::bigint AND u.state <> 'running' AND u.search = $7::jsonb",
        7};
    static const char *const names[] = {
        [MR_LEVEL_AGAIN] = "again", [MR_LEVEL_LAST] = "last", [MR_LEVEL_MADE] = "made"};
    const struct mr_held_unit held = mr_held_unit_of(claim);
    MR_AUTO_STR char *text = NULL;
    MR_TRY(dump(search, &text, err));
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec_within(db, MR_DB_QUICK_MS, &level,
                             (const char *const[]){MR_HELD_UNIT_PARAMS(held), names[next], text}, &rows,
                             err));
    *ret_ours = mr_rows_count(rows) > 0;
    return MR_OK;
}

enum mr_status mr_unit_release(struct mr_db *db, const struct mr_claim *claim, enum mr_release reason,
                               bool *ret_ours, struct mr_err *err)
{
    static const struct mr_statement release = {
        "unit_release",
        "UPDATE units u SET state = 'waiting', lease_expires_at = NULL, progress = 0, published_at = NULL,"
        " made_at = now(), attempts = u.attempts - $6::int, stops = u.stops + $7::int FROM tasks t"
        " WHERE" MR_UNIT_IS_HELD " AND" MR_PLAN_HOLDS,
        7};
    const struct mr_held_unit held = mr_held_unit_of(claim);
    bool counts = reason == MR_RELEASE_KILL || reason == MR_RELEASE_KILL_FULL;
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec_within(db, MR_DB_QUICK_MS, &release,
                             (const char *const[]){MR_HELD_UNIT_PARAMS(held), counts ? "0" : "1",
                                                   reason == MR_RELEASE_STOP ? "1" : "0"},
                             &rows, err));
    *ret_ours = mr_rows_affected(rows) > 0;
    return MR_OK;
}

/* The trigger drops the units. */
#define AND_UNIT_IS_HELD " AND EXISTS (SELECT 1 FROM units u WHERE" MR_UNIT_IS_HELD ")"

enum mr_status mr_unit_fail(struct mr_db *db, const struct mr_claim *claim, const char *code,
                            const char *detail, bool *ret_ours, struct mr_err *err)
{
    static const struct mr_statement fail = {"unit_fail",
                                             "UPDATE tasks t SET status = 'failed',"
                                             " lease_expires_at = NULL, processed_at = now(),"
                                             " error_code = $6,"
                                             " error_detail = $7 WHERE" MR_PLAN_HOLDS AND_UNIT_IS_HELD,
                                             7};
    const struct mr_held_unit held = mr_held_unit_of(claim);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec_within(db, MR_DB_QUICK_MS, &fail,
                             (const char *const[]){MR_HELD_UNIT_PARAMS(held), code, detail}, &rows, err));
    *ret_ours = mr_rows_affected(rows) > 0;
    return MR_OK;
}

enum mr_status mr_units_give_up(struct mr_db *db, const struct mr_claim *claim, const char *reason,
                                bool *ret_ours, struct mr_message *ret_message, struct mr_err *err)
{
    static const struct mr_statement give_up = {
        "units_give_up",
        "UPDATE tasks t SET status = 'uploaded', lease_expires_at = NULL, progress = 0,"
        " attempts = attempts - started::int, started = false, published_at = NULL,"
        " whole_generation = generation, whole_reason = $6"
        " WHERE" MR_PLAN_HOLDS AND_UNIT_IS_HELD " RETURNING" MR_TASK_MESSAGE_COLUMNS,
        6};
    const struct mr_held_unit held = mr_held_unit_of(claim);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec_within(db, MR_DB_QUICK_MS, &give_up,
                             (const char *const[]){MR_HELD_UNIT_PARAMS(held), reason}, &rows, err));
    *ret_ours = mr_rows_count(rows) > 0;
    if (*ret_ours)
        *ret_message = mr_task_message_of(rows, 0);
    return MR_OK;
}

void mr_unit_parts_free(struct mr_unit_parts *parts)
{
    for (size_t i = 0; i < parts->count; i++) {
        free(parts->parts[i].object);
        json_decref(parts->parts[i].report);
    }
    free(parts->parts);
    *parts = (struct mr_unit_parts){0};
}

enum mr_status mr_units_parts(struct mr_db *db, const struct mr_claim *claim, struct mr_unit_parts *ret,
                              struct mr_err *err)
{
    static const struct mr_statement look = {
        "units_parts",
        "SELECT kind, object, object_generation, object_size, report,"
        " (extract(epoch FROM now() - min(made_at) OVER ()) * 1000)::bigint AS wall_ms FROM units"
        " WHERE task_id = $1::bigint AND plan = $2::bigint AND kind = ANY (string_to_array($3, ' '))"
        " AND state = 'done' ORDER BY n",
        3};
    const bool is_join = claim->unit.kind == MR_UNIT_JOIN;
    const struct mr_held held = mr_held_of(claim);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec_within(
        db, MR_DB_QUICK_MS, &look,
        (const char *const[]){held.task, held.fence, is_join ? "video audio level" : "audio"}, &rows, err));
    int count = mr_rows_count(rows);
    if (is_join ? count != claim->unit.n - 1 : count == 0)
        return mr_fail(err, MR_NOT_FOUND, "units of the task are gone");
    ret->parts = calloc((size_t)count, sizeof *ret->parts);
    if (!ret->parts)
        return mr_fail_oom(err);
    for (int row = 0; row < count; row++) {
        struct mr_unit_part *part = &ret->parts[ret->count++];
        *part = (struct mr_unit_part){.kind = mr_unit_kind_of(mr_rows_text(rows, row, "kind")),
                                      .object = strdup(mr_rows_text(rows, row, "object")),
                                      .object_generation = mr_rows_int64(rows, row, "object_generation"),
                                      .object_size = mr_rows_int64(rows, row, "object_size"),
                                      .report = json_loads(mr_rows_text(rows, row, "report"), 0, NULL)};
        if (!part->object || !part->report)
            return mr_fail_oom(err);
    }
    ret->wall_seconds = (double)mr_rows_int64(rows, 0, "wall_ms") / 1e3;
    return MR_OK;
}

void mr_unit_place(const struct mr_unit *unit, char out[MR_UNIT_PLACE_SIZE])
{
    const bool is_video = unit->kind == MR_UNIT_VIDEO;
    const int64_t s = (is_video ? unit->from_us : unit->to_us) / 1000000;
    *out = '\0';
    if (is_video || (unit->kind == MR_UNIT_AUDIO && unit->to_us != INT64_MAX))
        snprintf(out, MR_UNIT_PLACE_SIZE, "%s %02" PRId64 ":%02" PRId64 ":%02" PRId64,
                 is_video ? "at" : "up to", s / 3600 % 1000, s / 60 % 60, s % 60);
}
