#include "shared/data/waiting.h"

#include "shared/base/buf.h"
#include "shared/base/encoding.h"
#include "shared/data/lease_sql.h"
#include "shared/data/task_rows.h"

#include <inttypes.h>

enum { ARRAY_TEXT_MAX = 1 << 20 };
/* published_at of a task that is put off: so old that any sweep publishes it again. */
#define PUT_OFF " timestamptz '1970-01-01 00:00:00+00' "
/* The condition of the index tasks_put_off (task_rows.h). */
#define IS_PUT_OFF " CASE status WHEN 'uploaded' THEN published_at =" PUT_OFF "END"

static int64_t known_generation(int64_t generation)
{
    return generation <= INT32_MAX ? generation : 0;
}

/* The task of a message, as a statement's first two parameters. */
struct task_text {
    char id[MR_INT64_TEXT_MAX], generation[MR_INT64_TEXT_MAX];
};

static struct task_text text_of(const struct mr_message *message)
{
    struct task_text text;
    mr_int64_text(message->task_id, text.id);
    mr_int64_text(known_generation(message->generation), text.generation);
    return text;
}

static enum mr_status array_texts(const struct mr_waiting *tasks, size_t count, struct mr_buf *ids,
                                  struct mr_buf *generations, struct mr_err *err)
{
    for (size_t i = 0; i < count; i++) {
        const char *before = i ? "," : "{";
        MR_TRY(mr_buf_appendf(ids, err, "%s%" PRId64, before, tasks[i].task_id));
        MR_TRY(mr_buf_appendf(generations, err, "%s%" PRId64, before, known_generation(tasks[i].generation)));
    }
    MR_TRY(mr_buf_append_str(ids, "}", err));
    return mr_buf_append_str(generations, "}", err);
}

static enum mr_waiting_state state_of(const char *name)
{
    return strcmp(name, "ready") == 0       ? MR_WAITING_READY
           : strcmp(name, "elsewhere") == 0 ? MR_WAITING_ELSEWHERE
                                            : MR_WAITING_STALE;
}

enum mr_status mr_waiting_look(struct mr_db *db, struct mr_waiting *tasks, size_t count, struct mr_err *err)
{
    static const struct mr_statement look = {
        "waiting_look",
        "SELECT m.n, t.user_id, CASE WHEN" MR_LEASE_IS_CLAIMABLE " THEN 'ready'"
        " WHEN status = 'processing' AND units = 0 THEN 'elsewhere' ELSE 'stale' END AS state"
        " FROM unnest($1::bigint[], $2::int[]) WITH ORDINALITY AS m (id, generation, n)"
        " JOIN tasks t ON" MR_TASK_OF_MESSAGE,
        2};
    if (count == 0)
        return MR_OK;
    MR_AUTO(mr_buf) struct mr_buf ids = MR_BUF_INIT(ARRAY_TEXT_MAX);
    MR_AUTO(mr_buf) struct mr_buf generations = MR_BUF_INIT(ARRAY_TEXT_MAX);
    MR_TRY(array_texts(tasks, count, &ids, &generations, err));
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    const char *const params[] = {mr_buf_str(&ids), mr_buf_str(&generations)};
    MR_TRY(mr_db_exec_within(db, MR_DB_QUICK_MS, &look, params, &rows, err));
    for (size_t i = 0; i < count; i++)
        tasks[i].user = 0, tasks[i].state = MR_WAITING_STALE;
    for (int row = 0; row < mr_rows_count(rows); row++) {
        struct mr_waiting *task = &tasks[mr_rows_int64(rows, row, "n") - 1];
        task->user = mr_rows_int64(rows, row, "user_id");
        task->state = state_of(mr_rows_text(rows, row, "state"));
    }
    return MR_OK;
}

/* Neighbours of the user in the index tasks_queue_users, however many tasks each of them has. */
#define NEIGHBOUR(compare, order)                                                                            \
    "(SELECT user_id FROM tasks WHERE" MR_TASK_IS_QUEUED " AND priority = $2 AND user_id " compare           \
    " $1::bigint ORDER BY user_id" order " LIMIT 1)"
enum mr_status mr_waiting_has_others(struct mr_db *db, int64_t user, bool high, bool *ret, struct mr_err *err)
{
    static const struct mr_statement ask = {
        "waiting_has_others",
        "SELECT 1 WHERE EXISTS " NEIGHBOUR("<", " DESC") " OR EXISTS " NEIGHBOUR(">", ""), 2};
    char text[MR_INT64_TEXT_MAX];
    mr_int64_text(user, text);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec_within(db, MR_DB_QUICK_MS, &ask, (const char *const[]){text, high ? "high" : "normal"},
                             &rows, err));
    *ret = mr_rows_count(rows) > 0;
    return MR_OK;
}

enum mr_status mr_waiting_put_off(struct mr_db *db, const struct mr_message *message, bool *ret_done,
                                  struct mr_err *err)
{
    static const struct mr_statement put_off = {"waiting_put_off",
                                                "UPDATE tasks SET published_at =" PUT_OFF
                                                "WHERE id = $1::bigint AND generation = $2::int"
                                                " AND status = 'uploaded'",
                                                2};
    const struct task_text task = text_of(message);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    const char *const params[] = {task.id, task.generation};
    MR_TRY(mr_db_exec_within(db, MR_DB_QUICK_MS, &put_off, params, &rows, err));
    *ret_done = mr_rows_affected(rows) > 0;
    return MR_OK;
}

/* Users are found by the index tasks_put_off, one probe for each, and the oldest tasks of each in equal numbers. They count
 * as published before they are, so that no two workers recall the same ones. */
enum mr_status mr_waiting_recall(struct mr_db *db, bool high, struct mr_message *recalled, size_t max,
                                 size_t *ret_count, struct mr_err *err)
{
    static const struct mr_statement recall = {
        "waiting_recall",
        "WITH RECURSIVE every AS ((SELECT user_id FROM tasks WHERE" IS_PUT_OFF
        "  AND priority = $1 ORDER BY priority, user_id LIMIT 1) UNION ALL"
        " SELECT (SELECT user_id FROM tasks WHERE" IS_PUT_OFF
        "  AND priority = $1 AND user_id > every.user_id ORDER BY priority, user_id LIMIT 1)"
        "  FROM every WHERE user_id IS NOT NULL),"
        " owners AS MATERIALIZED (SELECT user_id FROM every WHERE user_id IS NOT NULL LIMIT 500),"
        " chosen AS (SELECT o.id FROM owners, LATERAL (SELECT id, row_number() OVER () AS n"
        "  FROM (SELECT id FROM tasks WHERE" IS_PUT_OFF
        "   AND priority = $1 AND user_id = owners.user_id ORDER BY priority, user_id, id"
        "   LIMIT $2::int / (SELECT count(*) FROM owners) + 1) of_owner) o ORDER BY o.n, o.id LIMIT $2::int),"
        " recalled AS (UPDATE tasks SET published_at = now() WHERE id = ANY (ARRAY(SELECT id FROM tasks"
        "  WHERE id = ANY (ARRAY(SELECT id FROM chosen)) AND (status = 'uploaded' AND published_at =" PUT_OFF
        "  ) IS TRUE FOR UPDATE SKIP LOCKED)) RETURNING" MR_TASK_MESSAGE_COLUMNS ")"
        " SELECT id, kind, generation, high, traceparent FROM recalled ORDER BY id",
        2};
    char limit[MR_INT64_TEXT_MAX];
    mr_int64_text((int64_t)max, limit);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    const char *const params[] = {high ? "high" : "normal", limit};
    MR_TRY(mr_db_exec_within(db, MR_DB_QUICK_MS, &recall, params, &rows, err));
    *ret_count = (size_t)mr_rows_count(rows);
    for (int row = 0; row < mr_rows_count(rows); row++)
        recalled[row] = mr_task_message_of(rows, row);
    return MR_OK;
}

enum mr_status mr_waiting_exchange(struct mr_db *db, struct mr_message *message, struct mr_err *err)
{
    static const struct mr_statement exchange = {
        "waiting_exchange",
        "WITH mine AS (SELECT id, user_id, priority FROM tasks WHERE id = $1::bigint AND generation = $2::int"
        " AND status = 'uploaded'), older AS (SELECT o.id, kind, generation, high, traceparent FROM mine, "
        "LATERAL (SELECT" MR_TASK_MESSAGE_COLUMNS ", priority, user_id FROM tasks WHERE" IS_PUT_OFF
        " AND (priority, user_id, id) > (mine.priority, mine.user_id, 0)"
        "  ORDER BY priority, user_id, id LIMIT 1) o"
        "  WHERE (o.priority, o.user_id) = (mine.priority, mine.user_id) AND o.id < mine.id),"
        " put AS (UPDATE tasks SET published_at =" PUT_OFF
        "WHERE id = ANY (ARRAY(SELECT mine.id FROM mine, older))"
        " AND (status = 'uploaded') IS TRUE RETURNING id)"
        " SELECT older.id, kind, generation, high, traceparent FROM older, put",
        2};
    const struct task_text task = text_of(message);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    const char *const params[] = {task.id, task.generation};
    MR_TRY(mr_db_exec_within(db, MR_DB_QUICK_MS, &exchange, params, &rows, err));
    if (mr_rows_count(rows) > 0)
        *message = mr_task_message_of(rows, 0);
    return MR_OK;
}
