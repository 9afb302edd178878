/* The reports for operators. */
#include "shared/data/operators.h"

#include "shared/data/task_rows.h"

#define LOOKED_MAX "10000" /* MR_OPERATORS_LOOKED_MAX */

/* What an operator needs to know of the task t, beside why it is in the list. */
/* clang-format off */
#define ENTRY(reason)                                                                                        \
    "json_build_object('id', t.id, 'user_id', t.user_id, 'kind', t.kind, 'priority', t.priority,"            \
    " 'status', t.status, 'reason', " reason                                                                 \
    ", 'generation', t.generation, 'attempts', t.attempts, 'interruptions', t.interruptions,"                \
    " 'stops', t.stops, 'code', t.error_code, 'detail', t.error_detail,"                                     \
    " 'uploaded_at'," MR_TASK_VIEW_UTC("t.uploaded_at") ", 'published_at',"                                  \
    MR_TASK_VIEW_UTC("nullif(t.published_at, timestamptz '1970-01-01 00:00:00+00')")                         \
    ", 'processed_at'," MR_TASK_VIEW_UTC("t.processed_at") ")"
/* clang-format on */
#define ENTRY_COLUMNS                                                                                        \
    " t.id, t.user_id, t.kind, t.priority, t.status, t.generation, t.attempts, t.interruptions, t.stops,"    \
    " t.error_code, t.error_detail, t.uploaded_at, t.published_at, t.processed_at"

static enum mr_status report(struct mr_db *db, const struct mr_statement *statement,
                             const char *const *params, json_t **ret, int64_t *ret_next, struct mr_err *err)
{
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(db, statement, params, &rows, err));
    const char *text = mr_rows_text(rows, 0, "report");
    if (ret_next)
        *ret_next = mr_rows_int64(rows, 0, "next");
    return mr_json_parse(text, strlen(text), 0, ret, err);
}

/* The tasks of a status are walked along their index (tasks_by_status): rows are compared as in tasks.c, so that no other plan
 * can read more. */
/* clang-format off */
static const struct mr_statement failures = {
    "operators_failures",
    "SELECT coalesce(json_agg(json_build_object('code', c.error_code, 'count', c.count, 'last_at',"
    MR_TASK_VIEW_UTC("c.last_at") ", 'tasks', c.tasks) ORDER BY c.count DESC, c.error_code), '[]') AS report"
    " FROM (SELECT l.error_code, count(*) AS count, max(l.processed_at) AS last_at,"
    "  (array_agg(l.id ORDER BY l.id DESC))[1:5] AS tasks FROM (SELECT t.id, t.error_code, t.processed_at FROM tasks t"
    "   WHERE (t.status, t.id) > ('failed', (SELECT last_task_before(0, now() - make_interval(secs => $1::bigint))))"
    "   AND (t.status, t.id) <= ('failed', 9223372036854775807)"
    "   ORDER BY t.status DESC, t.id DESC LIMIT " LOOKED_MAX ") l GROUP BY l.error_code) c",
    1};

/* The next page begins behind the last entry of a full one, or behind the last task that was looked at. */
static const struct mr_statement failed = {
    "operators_failed",
    "WITH looked AS MATERIALIZED (SELECT" ENTRY_COLUMNS " FROM tasks t"
    "  WHERE (t.status, t.id) < ('failed', $2::bigint) AND (t.status, t.id) > ('failed', 0)"
    "  ORDER BY t.status DESC, t.id DESC LIMIT " LOOKED_MAX "),"
    " found AS MATERIALIZED (SELECT" ENTRY_COLUMNS " FROM looked t"
    "  WHERE $1::text IS NULL OR t.error_code = $1 ORDER BY t.id DESC LIMIT $3::bigint)"
    " SELECT coalesce(json_agg(" ENTRY("'failed'") " ORDER BY t.id DESC), '[]') AS report,"
    " CASE WHEN count(*) = $3::bigint THEN min(t.id)"
    "  WHEN (SELECT count(*) FROM looked) = " LOOKED_MAX " THEN (SELECT min(id) FROM looked) ELSE 0 END AS next"
    " FROM found t",
    3};

static const struct mr_statement stuck = {
    "operators_stuck",
    "WITH looked AS MATERIALIZED (SELECT" ENTRY_COLUMNS " FROM tasks t"
    "  WHERE (t.status, t.id) > ('uploaded', 0) AND (t.status, t.id) <= ('uploaded', 9223372036854775807)"
    "  ORDER BY t.status, t.id LIMIT " LOOKED_MAX "),"
    " found AS (SELECT" ENTRY_COLUMNS ", CASE WHEN t.published_at IS NULL THEN 'not_published'"
    "   WHEN t.published_at = timestamptz '1970-01-01 00:00:00+00' THEN 'put_off' ELSE 'waiting' END AS reason"
    "  FROM looked t WHERE t.uploaded_at < now() - make_interval(secs => $1::bigint)"
    "  UNION ALL SELECT" ENTRY_COLUMNS ", 'lease_expired' FROM tasks t WHERE" MR_TASK_IS_RUNNING
    "  AND t.lease_expires_at < now())"
    " SELECT coalesce(json_agg(" ENTRY("t.reason") " ORDER BY t.id), '[]') AS report"
    " FROM (SELECT" ENTRY_COLUMNS ", t.reason FROM found t ORDER BY t.id LIMIT $2::bigint) t",
    2};

static const struct mr_statement dead_letters = {
    "operators_dead_letters",
    "SELECT coalesce(json_agg(json_build_object('task_id', d.task_id, 'generation', d.generation,"
    "  'times', d.times, 'first_at'," MR_TASK_VIEW_UTC("d.first_at") ", 'last_at'," MR_TASK_VIEW_UTC("d.last_at")
    "  , 'requeued_at'," MR_TASK_VIEW_UTC("d.requeued_at") ", 'user_id', t.user_id, 'kind', t.kind,"
    "  'status', t.status, 'code', t.error_code) ORDER BY d.task_id DESC), '[]') AS report,"
    " CASE WHEN count(*) = $2::bigint THEN min(d.task_id) ELSE 0 END AS next"
    " FROM (SELECT task_id, generation, times, first_at, last_at, requeued_at FROM dead_letters"
    "  WHERE task_id < $1::bigint ORDER BY task_id DESC LIMIT $2::bigint) d"
    " CROSS JOIN LATERAL (SELECT user_id, kind, status, error_code FROM tasks WHERE id = d.task_id LIMIT 1) t",
    2};
/* clang-format on */

enum mr_status mr_operators_failures(struct mr_db *db, int64_t seconds, json_t **ret, struct mr_err *err)
{
    char age[MR_INT64_TEXT_MAX];
    mr_int64_text(seconds, age);
    return report(db, &failures, (const char *const[]){age}, ret, NULL, err);
}

/* max and before as texts. */
struct page_texts {
    char max[MR_INT64_TEXT_MAX], before[MR_INT64_TEXT_MAX];
};

static struct page_texts texts_of(const struct mr_operators_page *page)
{
    struct page_texts texts;
    mr_int64_text(page->max, texts.max);
    mr_int64_text(page->before ? page->before : INT64_MAX, texts.before);
    return texts;
}

enum mr_status mr_operators_failed(struct mr_db *db, const char *code, const struct mr_operators_page *page,
                                   json_t **ret, int64_t *ret_next, struct mr_err *err)
{
    const struct page_texts texts = texts_of(page);
    return report(db, &failed, (const char *const[]){code, texts.before, texts.max}, ret, ret_next, err);
}

enum mr_status mr_operators_stuck(struct mr_db *db, int64_t seconds, int64_t max, json_t **ret,
                                  struct mr_err *err)
{
    char age[MR_INT64_TEXT_MAX], most[MR_INT64_TEXT_MAX];
    mr_int64_text(seconds, age);
    mr_int64_text(max, most);
    return report(db, &stuck, (const char *const[]){age, most}, ret, NULL, err);
}

enum mr_status mr_operators_dead_letters(struct mr_db *db, const struct mr_operators_page *page, json_t **ret,
                                         int64_t *ret_next, struct mr_err *err)
{
    const struct page_texts texts = texts_of(page);
    return report(db, &dead_letters, (const char *const[]){texts.before, texts.max}, ret, ret_next, err);
}

/* A delivery's claim has no time of its own: the lease that ends first is the oldest. */
enum mr_status mr_operators_leases(struct mr_db *db, json_t **ret, struct mr_err *err)
{
    static const struct mr_statement statement = {
        "operators_leases",
        "WITH leases AS MATERIALIZED (SELECT t.priority AS lane, t.id, t.claimed_at, t.lease_expires_at,"
        "   t.lease_expires_at >= now() AS lives FROM tasks t WHERE" MR_TASK_IS_RUNNING
        "  UNION ALL SELECT 'deliveries', d.id, NULL, d.lease_expires_at, d.lease_expires_at >= now()  "
        " FROM deliveries d WHERE CASE d.status WHEN 'sending' THEN true END),"
        " lanes_of AS (SELECT n.lane, n.place,  (SELECT count(*) FROM leases l WHERE l.lane = n.lane"
        " AND l.lives) AS live,  (SELECT count(*) FROM leases l WHERE l.lane = n.lane"
        " AND NOT l.lives) AS expired,  (SELECT json_build_object('id', l.id, 'seconds',"
        "    round(extract(epoch FROM clock_timestamp() - l.claimed_at)::numeric, 3)) FROM leases l  "
        " WHERE l.lane = n.lane AND l.lives ORDER BY coalesce(l.claimed_at, l.lease_expires_at)"
        " LIMIT 1) AS oldest  FROM unnest(ARRAY['normal', 'high', 'deliveries'])"
        " WITH ORDINALITY AS n (lane, place)) SELECT json_build_object('live', sum(live), 'expired',"
        " sum(expired), 'lanes', json_agg(  json_build_object('lane', lane, 'live', live, 'expired',"
        " expired, 'oldest', oldest)  ORDER BY place)) AS report FROM lanes_of",
        0};
    return report(db, &statement, NULL, ret, NULL, err);
}

enum mr_status mr_operators_usage(struct mr_db *db, const char *who, json_t **ret, struct mr_err *err)
{
    static const struct mr_statement statement = {
        "operators_usage",
        "WITH named AS (SELECT id, username, is_operator, created_at FROM users WHERE deleted_at IS NULL"
        "  AND (username_key = fold_name($1) OR email_key = fold_name($1) OR id = $2::bigint)"
        "  ORDER BY coalesce(username_key = fold_name($1), false) DESC, id = $2::bigint LIMIT 1)"
        " SELECT json_build_object('id', n.id, 'username', n.username, 'is_operator', n.is_operator,"
        "  'created_at'," MR_TASK_VIEW_UTC(
            "n.created_at") ", 'used', json_build_object("
                            "   'tasks', coalesce(u.tasks, 0), 'minutes', CASE"
                            " WHEN u.day = (now() AT TIME ZONE 'UTC')::date    THEN round((u.seconds /"
                            " 60)::numeric, 3) ELSE 0 END,   'stored_bytes', coalesce(u.stored_bytes, 0),"
                            " 'records', coalesce(u.records, 0),   'deliveries', coalesce(u.deliveries,"
                            " 0), 'uploads', coalesce(u.uploads, 0))) AS report FROM named n LEFT"
                            " JOIN LATERAL (SELECT tasks, stored_bytes, records, uploads, deliveries, day,"
                            " seconds  FROM user_usage WHERE user_id = n.id LIMIT 1) u ON true",
        2};
    int64_t id = 0;
    const char *number = mr_parse_int64(who, 1, INT64_MAX, &id) ? who : NULL;
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(db, &statement, (const char *const[]){who, number}, &rows, err));
    if (mr_rows_count(rows) == 0)
        return mr_fail(err, MR_NOT_FOUND, "user not found");
    const char *text = mr_rows_text(rows, 0, "report");
    return mr_json_parse(text, strlen(text), 0, ret, err);
}
