#include "shared/data/outbox.h"

#include "shared/base/encoding.h"

#include "shared/base/buf.h"

#include <inttypes.h>

enum { ARRAY_TEXT_MAX = 1 << 20 };

enum mr_status mr_outbox_mark(struct mr_db *db, const int64_t *task_ids, size_t count, struct mr_err *err)
{
    static const struct mr_statement mark = {
        "outbox_mark", "UPDATE tasks SET published_at = now() WHERE id = ANY ($1::bigint[])", 1};
    MR_AUTO(mr_buf) struct mr_buf ids = MR_BUF_INIT(ARRAY_TEXT_MAX);
    enum mr_status status = mr_buf_append_str(&ids, "{", err);
    for (size_t i = 0; status == MR_OK && i < count; i++)
        status = mr_buf_appendf(&ids, err, "%s%" PRId64, i ? "," : "", task_ids[i]);
    if (status == MR_OK)
        status = mr_buf_append_str(&ids, "}", err);
    if (status == MR_OK)
        status = mr_db_exec(db, &mark, (const char *const[]){mr_buf_str(&ids)}, NULL, err);
    return status;
}

enum mr_status mr_outbox_due(struct mr_db *db, int64_t republish_after_s, struct mr_message *due, size_t max,
                             size_t *ret_count, struct mr_err *err)
{
    static const struct mr_statement look = {
        "outbox_due",
        "SELECT id, kind, generation, traceparent, (priority = 'high')::int AS high FROM tasks WHERE"
        " (status = 'uploaded' AND published_at IS NULL AND coalesce(uploaded_at, created_at) < now() - "
        "interval '5 s')"
        " OR (status = 'uploaded' AND published_at < now() - make_interval(secs => $1::int))"
        " OR (status = 'processing' AND lease_expires_at < now() AND (published_at IS NULL"
        " OR published_at < lease_expires_at OR published_at < now() - make_interval(secs => $1::int)))"
        " ORDER BY published_at NULLS FIRST LIMIT $2::int",
        2};
    char after[MR_INT64_TEXT_MAX], limit[MR_INT64_TEXT_MAX];
    mr_int64_text(republish_after_s, after);
    mr_int64_text((int64_t)max, limit);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    enum mr_status status = mr_db_exec(db, &look, (const char *const[]){after, limit}, &rows, err);
    if (status != MR_OK)
        return status;
    *ret_count = (size_t)mr_rows_count(rows);
    for (int row = 0; row < mr_rows_count(rows); row++) {
        struct mr_message *message = &due[row];
        snprintf(message->kind, sizeof message->kind, "%s", mr_rows_text(rows, row, "kind"));
        message->task_id = mr_rows_int64(rows, row, "id");
        message->generation = mr_rows_int64(rows, row, "generation");
        message->high = mr_rows_int64(rows, row, "high") != 0;
        snprintf(message->traceparent, sizeof message->traceparent, "%s",
                 mr_rows_text(rows, row, "traceparent"));
    }
    return MR_OK;
}
