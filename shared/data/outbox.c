#include "shared/data/outbox.h"

#include "shared/base/encoding.h"
#include "shared/base/random.h"
#include "shared/data/lease_sql.h"
#include "shared/data/task_rows.h"

#include <inttypes.h>

enum { ARRAY_TEXT_MAX = 1 << 20 };
/* A message that was lost must not cost minutes, and one that waits must not be repeated for ever: so the pause grows
 * with the time that the task has waited, up to this many times the first. */
#define REPUBLISH_MAX "5"
/* Messages that are tried in a run while the queue says nothing of its length. */
#define TRIED_MAX "100"

enum mr_status mr_outbox_mark(struct mr_db *db, const struct mr_message *messages, size_t count,
                              struct mr_err *err)
{
    /* By generation, so that a late mark does not count for a task that was run again meanwhile; nor for one that was put
     * off meanwhile, which would wait for a message that was acknowledged. */
    static const struct mr_statement mark = {"outbox_mark",
                                             "UPDATE tasks t SET published_at = now()"
                                             " FROM unnest($1::bigint[], $2::int[]) AS m (id, generation)"
                                             " WHERE" MR_TASK_OF_MESSAGE
                                             " AND t.published_at IS DISTINCT FROM timestamptz 'epoch'",
                                             2};
    if (count == 0)
        return MR_OK;
    MR_AUTO(mr_buf) struct mr_buf ids = MR_BUF_INIT(ARRAY_TEXT_MAX);
    MR_AUTO(mr_buf) struct mr_buf generations = MR_BUF_INIT(ARRAY_TEXT_MAX);
    for (size_t i = 0; i < count; i++) {
        const char *before = i ? "," : "{";
        MR_TRY(mr_buf_appendf(&ids, err, "%s%" PRId64, before, messages[i].task_id));
        MR_TRY(mr_buf_appendf(&generations, err, "%s%" PRId64, before, messages[i].generation));
    }
    MR_TRY(mr_buf_append_str(&ids, "}", err));
    MR_TRY(mr_buf_append_str(&generations, "}", err));
    const char *const params[] = {mr_buf_str(&ids), mr_buf_str(&generations)};
    return mr_db_exec_within(db, MR_DB_QUICK_MS, &mark, params, NULL, err);
}

enum mr_status mr_outbox_batch_new(int64_t *ret_id, struct mr_err *err)
{
    uint64_t id = 0;
    MR_TRY(mr_random_bytes(&id, sizeof id, err));
    *ret_id = (int64_t)(id >> 2 << 1); /* positive, and room for the other lane */
    return MR_OK;
}

int64_t mr_outbox_batch_of(int64_t id, bool high)
{
    return id + high;
}

enum mr_status mr_outbox_settled_text(const int64_t *settled, size_t count, struct mr_buf *ret,
                                      struct mr_err *err)
{
    for (size_t i = 0; i < count; i++)
        MR_TRY(mr_buf_appendf(ret, err, "%s%" PRId64, i ? "," : "{", settled[i]));
    return mr_buf_append_str(ret, count ? "}" : "{}", err);
}

enum mr_status mr_outbox_settle(struct mr_db *db, const int64_t *settled, size_t count, struct mr_err *err)
{
    /* A crash of the database may forget it: then they are published twice. */
    static const struct mr_statement settle = {
        "outbox_settle", "DELETE FROM outbox_batches WHERE id = ANY ($1::bigint[]) AND" MR_COMMIT_IS_LAZY, 1};
    if (count == 0)
        return MR_OK;
    MR_AUTO(mr_buf) struct mr_buf ids = MR_BUF_INIT(ARRAY_TEXT_MAX);
    MR_TRY(mr_outbox_settled_text(settled, count, &ids, err));
    return mr_db_exec_within(db, MR_DB_QUICK_MS, &settle, (const char *const[]){mr_buf_str(&ids)}, NULL, err);
}

enum mr_status mr_outbox_recover(struct mr_db *db, struct mr_err *err)
{
    /* A task that was run again, put off or finished meanwhile has a debt of its own, or none. */
    static const struct mr_statement recover = {
        "outbox_recover",
        "WITH late AS (DELETE FROM outbox_batches WHERE made_at < now() - interval '5 s'"
        " RETURNING tasks) UPDATE tasks t SET published_at = NULL"
        " FROM (SELECT unnest(tasks) AS id, 1 AS generation FROM late) m"
        " WHERE" MR_TASK_OF_MESSAGE
        " AND (t.status = 'uploaded') IS TRUE AND t.published_at > timestamptz 'epoch'",
        0};
    return mr_db_exec(db, &recover, NULL, NULL, err);
}

enum mr_status mr_outbox_heard(struct mr_db *db, bool high, int64_t published_s, struct mr_err *err)
{
    static const struct mr_statement heard = {
        "outbox_heard",
        "UPDATE lanes SET front = least(to_timestamp($2::bigint), now()), changed_at = now()"
        " WHERE priority = $1 AND front < to_timestamp($2::bigint)",
        2};
    char published[MR_INT64_TEXT_MAX];
    mr_int64_text(published_s, published);
    return mr_db_exec_within(db, MR_DB_QUICK_MS, &heard,
                             (const char *const[]){high ? "high" : "normal", published}, NULL, err);
}

/* clang-format off */
/* The parts of outbox_due: $1 republish_after_s, $2 max, $3 priority. Each walks along an index of the queue from its
 * oldest message, and stops behind what is due, so the length of the queue does not matter. */
#define REPUBLISH_AFTER "make_interval(secs => $1::int)"
#define WALK(condition, order, limit)                                                                        \
    " (SELECT" MR_TASK_MESSAGE_COLUMNS ", published_at FROM tasks WHERE priority = $3 AND" condition         \
    order " LIMIT " limit ")"
#define QUEUED(condition, limit)                                                                             \
    WALK(MR_TASK_IS_QUEUED " AND " condition, " ORDER BY published_at NULLS FIRST", limit)
/* Published, and not put off, as long ago as the pause. */
#define OVERDUE                                                                                              \
    " AND published_at > 'epoch' AND published_at < now() - " REPUBLISH_AFTER                                \
    " AND published_at < now() - least(" REPUBLISH_MAX " * " REPUBLISH_AFTER ","                             \
    " greatest(" REPUBLISH_AFTER ", published_at - coalesce(uploaded_at, created_at)))"
#define NEVER_PUBLISHED                                                                                      \
    QUEUED("published_at IS NULL AND coalesce(uploaded_at, created_at) < now() - interval '5 s'", "$2::int")
/* Workers received messages that were published long after this one. */
#define OVERTAKEN QUEUED("published_at < (SELECT front FROM lane) - " REPUBLISH_AFTER OVERDUE, "$2::int")
#define TRIED                                                                                                \
    QUEUED("(SELECT is_still FROM lane) AND published_at >= (SELECT front FROM lane) - " REPUBLISH_AFTER      \
           OVERDUE, "least($2::int, " TRIED_MAX ")")
#define EXPIRED                                                                                              \
    WALK(MR_TASK_IS_RUNNING " AND lease_expires_at < now() AND (published_at IS NULL"                        \
         " OR published_at < lease_expires_at OR published_at < now() - " REPUBLISH_AFTER ")", "", "$2::int")

enum mr_status mr_outbox_due(struct mr_db *db, bool high, int64_t republish_after_s, struct mr_message *due,
                             size_t max, size_t *ret_count, struct mr_err *err)
{
    static const struct mr_statement look = {
        "outbox_due",
        "WITH lane AS MATERIALIZED (SELECT front, changed_at < now() - " REPUBLISH_AFTER " AS is_still"
        " FROM lanes WHERE priority = $3)"
        " SELECT id, kind, generation, high, traceparent FROM ("
        NEVER_PUBLISHED " UNION ALL" OVERTAKEN " UNION ALL" TRIED " UNION ALL" EXPIRED
        ") due ORDER BY published_at NULLS FIRST, id LIMIT $2::int",
        3};
    /* clang-format on */
    char after[MR_INT64_TEXT_MAX], limit[MR_INT64_TEXT_MAX];
    mr_int64_text(republish_after_s, after);
    mr_int64_text((int64_t)max, limit);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(db, &look, (const char *const[]){after, limit, high ? "high" : "normal"}, &rows, err));
    *ret_count = (size_t)mr_rows_count(rows);
    for (int row = 0; row < mr_rows_count(rows); row++)
        due[row] = mr_task_message_of(rows, row);
    return MR_OK;
}
