/* How a unit is claimed, and what of units is published. */
#include "shared/data/task_rows.h"
#include "shared/data/unit_sql.h"

#include "shared/base/buf.h"

#include <inttypes.h>

enum { ARRAY_TEXT_MAX = 1 << 20 };

/* $1 task, $2 generation, $3 n; joins the unit with the task that runs by its plan. */
#define OF_MESSAGE                                                                                           \
    " u.task_id = $1::bigint AND u.n = $3::int AND t.id = $1::bigint AND t.generation = $2::int"             \
    " AND t.status = 'processing' AND t.fence = u.plan"

struct message_text {
    char task[MR_INT64_TEXT_MAX], generation[MR_INT64_TEXT_MAX], n[MR_INT64_TEXT_MAX];
};

static struct message_text text_of(const struct mr_message *message)
{
    struct message_text text;
    mr_int64_text(message->task_id, text.task);
    mr_int64_text(message->generation <= INT32_MAX ? message->generation : 0, text.generation);
    mr_int64_text(message->id <= INT32_MAX ? message->id : 0, text.n);
    return text;
}

static bool is_true(const struct mr_rows *rows, const char *column)
{
    return strcmp(mr_rows_text(rows, 0, column), "t") == 0;
}

enum mr_status mr_unit_look(struct mr_db *db, const struct mr_message *message,
                            enum mr_claim_outcome *ret_outcome, int64_t *ret_user, struct mr_err *err)
{
    static const struct mr_statement look = {"unit_look",
                                             "SELECT t.user_id," MR_UNIT_IS_CLAIMABLE
                                             " AS is_open, u.state = 'running' AS is_running"
                                             " FROM units u, tasks t WHERE" OF_MESSAGE,
                                             3};
    const struct message_text text = text_of(message);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec_within(db, MR_DB_QUICK_MS, &look,
                             (const char *const[]){text.task, text.generation, text.n}, &rows, err));
    *ret_outcome = MR_CLAIM_STALE;
    if (mr_rows_count(rows) == 0)
        return MR_OK;
    *ret_user = mr_rows_int64(rows, 0, "user_id");
    *ret_outcome = is_true(rows, "is_open")      ? MR_CLAIM_OURS
                   : is_true(rows, "is_running") ? MR_CLAIM_ELSEWHERE
                                                 : MR_CLAIM_STALE;
    return MR_OK;
}

static enum mr_status claim_of(const struct mr_rows *rows, struct mr_claim *ret, struct mr_err *err)
{
    MR_TRY(mr_claim_of(rows, ret, err));
    ret->unit = (struct mr_unit){.n = mr_rows_int64(rows, 0, "unit_n"),
                                 .kind = mr_unit_kind_of(mr_rows_text(rows, 0, "unit_kind")),
                                 .fence = mr_rows_int64(rows, 0, "unit_fence"),
                                 .from_us = mr_rows_int64(rows, 0, "from_us"),
                                 .to_us = mr_rows_int64(rows, 0, "to_us"),
                                 .attempts = mr_rows_int64(rows, 0, "unit_attempts"),
                                 .search = strdup(mr_rows_text(rows, 0, "search"))};
    return ret->unit.search ? MR_OK : mr_fail_oom(err);
}

#define IS_TOO_LONG(seconds) " (t.first_claimed_at < now() - make_interval(secs => " seconds "::int)) IS TRUE"

/* Fails the task of a unit if it has been worked on for too long. */
static enum mr_status end_too_long(struct mr_db *db, const char *const params[],
                                   enum mr_claim_outcome *ret_outcome, struct mr_err *err)
{
    static const struct mr_statement statement = {
        "unit_too_long",
        "UPDATE tasks t SET status = 'failed', lease_expires_at = NULL, processed_at = now(),"
        " error_code = $5, error_detail = $6 WHERE t.id = $1::bigint AND t.generation = $2::int"
        " AND t.status = 'processing'"
        " AND" IS_TOO_LONG("$4") " AND EXISTS (SELECT 1 FROM units u WHERE u.task_id = $1::bigint"
                                 " AND u.n = $3::int AND u.plan = t.fence AND" MR_UNIT_IS_CLAIMABLE ")",
        6};
    const char *const values[] = {params[0],
                                  params[1],
                                  params[2],
                                  params[7],
                                  mr_code_name(MR_CODE_TASK_TOO_LONG),
                                  MR_TASK_TOO_LONG_DETAIL};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec_within(db, MR_DB_QUICK_MS, &statement, values, &rows, err));
    if (mr_rows_affected(rows) > 0)
        *ret_outcome = MR_CLAIM_EXHAUSTED;
    return MR_OK;
}

/* Fails the task of a unit that has been claimed too often. Its detail says where, as mr_unit_place does. */
static enum mr_status exhaust(struct mr_db *db, const char *const params[],
                              enum mr_claim_outcome *ret_outcome, struct mr_err *err)
{
    static const struct mr_statement statement = {
        "unit_exhaust",
        "UPDATE tasks t SET status = 'failed', lease_expires_at = NULL, processed_at = now(),"
        " error_code = $6, error_detail = (SELECT 'conversion was interrupted too often' || CASE"
        " WHEN u.kind = 'video' THEN ' at ' || to_char(make_interval(secs => u.from_us / 1000000),"
        " 'HH24:MI:SS') WHEN u.kind = 'audio' AND u.to_us < 9223372036854775807 THEN ' up to ' ||"
        " to_char(make_interval(secs => u.to_us / 1000000), 'HH24:MI:SS') ELSE ''"
        " END || ': its machines died or were stopped' FROM units u WHERE u.task_id = $1::bigint"
        " AND u.n = $3::int) WHERE t.id = $1::bigint AND t.generation = $2::int"
        " AND t.status = 'processing' AND EXISTS (SELECT 1 FROM units u WHERE u.task_id = $1::bigint"
        " AND u.n = $3::int AND u.plan = t.fence"
        " AND" MR_UNIT_IS_CLAIMABLE " AND (u.attempts >= $4::int OR u.stops >= $5::int))",
        6};
    const char *const values[] = {params[0], params[1], params[2],
                                  params[5], params[6], mr_code_name(MR_CODE_INTERRUPTED)};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec_within(db, MR_DB_QUICK_MS, &statement, values, &rows, err));
    if (mr_rows_affected(rows) > 0)
        *ret_outcome = MR_CLAIM_EXHAUSTED;
    return MR_OK;
}

enum mr_status mr_unit_claim(struct mr_db *db, const struct mr_message *message, const char *claim_id,
                             const struct mr_lease_terms *terms, enum mr_claim_outcome *ret_outcome,
                             struct mr_claim *ret, struct mr_err *err)
{
    static const struct mr_statement claim = {
        "unit_claim",
        "WITH c AS (UPDATE units u SET state = 'running', fence = u.fence + (u.claim_id IS DISTINCT FROM"
        " $4::uuid)::int, attempts = u.attempts + (u.claim_id IS DISTINCT FROM $4::uuid)::int,"
        " claim_id = $4::uuid, progress = 0, lease_expires_at = now() + make_interval(secs => $5::int)"
        " FROM tasks t WHERE" OF_MESSAGE " AND (" MR_UNIT_IS_CLAIMABLE
        " OR (u.state = 'running' AND u.claim_id = $4::uuid))"
        " AND (u.claim_id IS NOT DISTINCT FROM $4::uuid OR (u.attempts < $6::int AND u.stops < $7::int"
        " AND NOT" IS_TOO_LONG(
            "$8") "))"
                  " RETURNING u.n AS unit_n, u.kind AS unit_kind, u.fence AS unit_fence, u.from_us, u.to_us,"
                  " u.attempts AS unit_attempts, u.search)"
                  " SELECT" MR_CLAIM_COLUMNS
                  ", unit_n, unit_kind, unit_fence, from_us, to_us, unit_attempts, search"
                  " FROM c, tasks WHERE id = $1::bigint",
        8};
    const struct message_text text = text_of(message);
    char seconds[MR_INT64_TEXT_MAX], attempts[MR_INT64_TEXT_MAX], stops[MR_INT64_TEXT_MAX];
    char longest[MR_INT64_TEXT_MAX];
    mr_int64_text(terms->seconds, seconds);
    mr_int64_text(terms->max_interruptions, attempts);
    mr_int64_text(terms->max_stops, stops);
    mr_int64_text(terms->max_task_seconds, longest);
    const char *const params[] = {text.task, text.generation, text.n, claim_id,
                                  seconds,   attempts,        stops,  longest};
    int64_t user = 0;
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec_within(db, MR_DB_QUICK_MS, &claim, params, &rows, err));
    *ret_outcome = MR_CLAIM_OURS;
    if (mr_rows_count(rows) > 0)
        return claim_of(rows, ret, err);
    MR_TRY(mr_unit_look(db, message, ret_outcome, &user, err));
    if (*ret_outcome != MR_CLAIM_OURS)
        return MR_OK;
    *ret_outcome = MR_CLAIM_STALE;
    MR_TRY(exhaust(db, params, ret_outcome, err));
    if (*ret_outcome != MR_CLAIM_EXHAUSTED)
        MR_TRY(end_too_long(db, params, ret_outcome, err));
    return *ret_outcome == MR_CLAIM_EXHAUSTED
               ? MR_OK
               : mr_fail(err, MR_UNAVAILABLE, "unit %s of task %s changes while it is claimed", text.n,
                         text.task);
}

struct mr_message mr_unit_message(const struct mr_claim *claim, int64_t n, bool high)
{
    struct mr_message message = {
        .task_id = claim->task_id, .generation = claim->generation, .id = n, .high = high};
    snprintf(message.kind, sizeof message.kind, "%s", MR_KIND_UNIT);
    return message;
}

#define MESSAGE_COLUMNS                                                                                      \
    " t.id, 'unit' AS kind, t.generation, (t.priority = 'high')::int AS high, t.traceparent, u.n"

static void take_messages(const struct mr_rows *rows, struct mr_message *messages, size_t *ret_count)
{
    *ret_count = (size_t)mr_rows_count(rows);
    for (int row = 0; row < mr_rows_count(rows); row++) {
        messages[row] = mr_task_message_of(rows, row);
        messages[row].id = mr_rows_int64(rows, row, "n");
    }
}

enum mr_status mr_units_owed(struct mr_db *db, const struct mr_claim *claim, struct mr_message *owed,
                             size_t max, size_t *ret_count, struct mr_err *err)
{
    static const struct mr_statement look = {
        "units_owed",
        "SELECT" MESSAGE_COLUMNS " FROM units u, tasks t WHERE u.task_id = $1::bigint AND u.plan = $3::bigint"
        " AND u.state = 'waiting' AND u.published_at IS NULL AND" MR_PLAN_HOLDS " ORDER BY u.n LIMIT $4::int",
        4};
    const struct mr_held held = mr_held_of(claim);
    char limit[MR_INT64_TEXT_MAX];
    mr_int64_text((int64_t)max, limit);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec_within(db, MR_DB_QUICK_MS, &look,
                             (const char *const[]){held.task, held.generation, held.fence, limit}, &rows,
                             err));
    take_messages(rows, owed, ret_count);
    return MR_OK;
}

enum mr_status mr_units_due(struct mr_db *db, bool high, int64_t republish_after_s, struct mr_message *due,
                            size_t max, size_t *ret_count, struct mr_err *err)
{
    static const struct mr_statement look = {
        "units_due",
        "SELECT" MESSAGE_COLUMNS " FROM units u, tasks t"
        " WHERE u.state IN ('waiting', 'running') AND t.id = u.task_id AND t.fence = u.plan"
        " AND t.status = 'processing' AND t.priority = $3 AND CASE u.state"
        " WHEN 'waiting' THEN (u.published_at IS NULL AND u.made_at < now() - interval '5 s'"
        " AND NOT EXISTS (SELECT 1 FROM units r WHERE r.task_id = u.task_id AND r.state = 'running'"
        " AND r.lease_expires_at > now())) OR u.published_at < now() - greatest(make_interval(secs =>"
        " $1::int), least(5 * make_interval(secs => $1::int), u.published_at - u.made_at))"
        " ELSE u.lease_expires_at < now() AND (u.published_at IS NULL"
        " OR u.published_at < u.lease_expires_at OR u.published_at < now() - make_interval(secs =>"
        " $1::int)) END ORDER BY u.made_at, u.task_id, u.n LIMIT $2::int",
        3};
    char after[MR_INT64_TEXT_MAX], limit[MR_INT64_TEXT_MAX];
    mr_int64_text(republish_after_s, after);
    mr_int64_text((int64_t)max, limit);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(db, &look, (const char *const[]){after, limit, high ? "high" : "normal"}, &rows, err));
    take_messages(rows, due, ret_count);
    return MR_OK;
}

enum mr_status mr_units_put_off(struct mr_db *db, const struct mr_message *message, bool for_others,
                                bool *ret_done, struct mr_err *err)
{
    static const struct mr_statement put_off = {
        "units_put_off",
        "UPDATE units u SET published_at = NULL FROM tasks t WHERE" OF_MESSAGE " AND u.state = 'waiting'"
        " AND (NOT $4::bool OR EXISTS (SELECT 1 FROM tasks WHERE priority = t.priority AND" MR_TASK_IS_QUEUED
        "))",
        4};
    const struct message_text text = text_of(message);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec_within(
        db, MR_DB_QUICK_MS, &put_off,
        (const char *const[]){text.task, text.generation, text.n, for_others ? "true" : "false"}, &rows,
        err));
    *ret_done = mr_rows_affected(rows) > 0;
    return MR_OK;
}

enum mr_status mr_units_recall(struct mr_db *db, bool high, struct mr_message *recalled, size_t max,
                               size_t *ret_count, struct mr_err *err)
{
    /* The first condition is that of the index units_open. Units of a new plan are about to be published. */
    static const struct mr_statement take = {
        "units_recall",
        "WITH m AS (SELECT u.task_id, u.n FROM units u, tasks t WHERE u.state IN ('waiting', 'running')"
        " AND u.state = 'waiting' AND u.published_at IS NULL AND u.made_at < now() - interval '1 s'"
        " AND t.id = u.task_id AND t.fence = u.plan AND t.status = 'processing' AND t.priority = $1"
        " ORDER BY u.made_at, u.task_id, u.n LIMIT $2::int FOR UPDATE OF u SKIP LOCKED)"
        " UPDATE units u SET published_at = now() FROM m, tasks t"
        " WHERE u.task_id = m.task_id AND u.n = m.n AND t.id = u.task_id RETURNING" MESSAGE_COLUMNS,
        2};
    char limit[MR_INT64_TEXT_MAX];
    mr_int64_text((int64_t)max, limit);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec_within(db, MR_DB_QUICK_MS, &take,
                             (const char *const[]){high ? "high" : "normal", limit}, &rows, err));
    take_messages(rows, recalled, ret_count);
    return MR_OK;
}

static enum mr_status append(struct mr_buf *list, size_t i, int64_t value, struct mr_err *err)
{
    return mr_buf_appendf(list, err, "%s%" PRId64, i ? "," : "{", value);
}

enum mr_status mr_units_mark(struct mr_db *db, const struct mr_message *messages, size_t count,
                             struct mr_err *err)
{
    static const struct mr_statement mark = {
        "units_mark",
        "WITH m AS (SELECT u.task_id, u.n FROM unnest($1::bigint[], $2::int[]) AS m (id, n), units u"
        " WHERE u.task_id = m.id AND u.n = m.n AND u.state IN ('waiting', 'running')"
        " ORDER BY u.task_id, u.n FOR UPDATE OF u)"
        " UPDATE units u SET published_at = now() FROM m WHERE u.task_id = m.task_id AND u.n = m.n",
        2};
    MR_AUTO(mr_buf) struct mr_buf ids = MR_BUF_INIT(ARRAY_TEXT_MAX);
    MR_AUTO(mr_buf) struct mr_buf numbers = MR_BUF_INIT(ARRAY_TEXT_MAX);
    if (count == 0)
        return MR_OK;
    for (size_t i = 0; i < count; i++) {
        MR_TRY(append(&ids, i, messages[i].task_id, err));
        MR_TRY(append(&numbers, i, messages[i].id, err));
    }
    MR_TRY(mr_buf_append_str(&ids, "}", err));
    MR_TRY(mr_buf_append_str(&numbers, "}", err));
    const char *const params[] = {mr_buf_str(&ids), mr_buf_str(&numbers)};
    return mr_db_exec_within(db, MR_DB_QUICK_MS, &mark, params, NULL, err);
}
