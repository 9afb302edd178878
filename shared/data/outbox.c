#include "shared/data/outbox.h"

#include "shared/base/buf.h"
#include "shared/base/encoding.h"
#include "shared/data/task_rows.h"

#include <inttypes.h>

enum { ARRAY_TEXT_MAX = 1 << 20 };
/* A message that was lost must not cost minutes, and one that waits in a long queue must not be repeated for ever: so
 * the pause grows with the time that the task has waited, up to this many times the first. */
#define REPUBLISH_MAX "5"

enum mr_status mr_outbox_mark(struct mr_db *db, const struct mr_message *messages, size_t count,
                              struct mr_err *err)
{
    /* By generation, so that a late mark does not count for a task that was run again meanwhile. */
    static const struct mr_statement mark = {"outbox_mark",
                                             "UPDATE tasks t SET published_at = now()"
                                             " FROM unnest($1::bigint[], $2::int[]) AS m (id, generation)"
                                             " WHERE t.id = m.id AND t.generation = m.generation",
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

enum mr_status mr_outbox_due(struct mr_db *db, bool high, int64_t republish_after_s, struct mr_message *due,
                             size_t max, size_t *ret_count, struct mr_err *err)
{
    static const struct mr_statement look = {
        "outbox_due",
        "SELECT" MR_TASK_MESSAGE_COLUMNS " FROM tasks WHERE priority = $3 AND"
        " ((status = 'uploaded' AND published_at IS NULL"
        " AND coalesce(uploaded_at, created_at) < now() - interval '5 s')"
        " OR (status = 'uploaded' AND published_at < now() - least(" REPUBLISH_MAX
        " * make_interval(secs => $1::int),"
        " greatest(make_interval(secs => $1::int), published_at - coalesce(uploaded_at, created_at))))"
        " OR (status = 'processing' AND lease_expires_at < now() AND (published_at IS NULL"
        " OR published_at < lease_expires_at OR published_at < now() - make_interval(secs => $1::int))))"
        " ORDER BY published_at NULLS FIRST, id LIMIT $2::int",
        3};
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
