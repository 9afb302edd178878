#include "shared/data/events.h"

#include "shared/base/buf.h"
#include "shared/base/encoding.h"
#include "shared/data/task_rows.h"
#include "shared/data/task_state.h"

#include <inttypes.h>

enum { IDS_TEXT_MAX = 64 << 10, PARSED_MAX = 256 << 10 /* parsed, a row takes several times its length */ };

enum mr_status mr_event_notice_parse(const char *payload, struct mr_event_notice *ret, struct mr_err *err)
{
    static const char *const changes[] = {"progress", "state", "deleted", "access"};
    struct mr_event_notice notice = {0};
    int end = 0;
    if (sscanf(payload, "%19" SCNd64 " %19" SCNd64 " %19" SCNd64 " %n", &notice.user_id, &notice.task_id,
               &notice.event_id, &end) == 3 &&
        end > 0)
        for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
            if (strcmp(payload + end, changes[i]) == 0) {
                notice.change = (enum mr_event_change)i;
                *ret = notice;
                return MR_OK;
            }
    return mr_fail(err, MR_INVALID, "invalid notification of an event: %.100s", payload);
}

/* Lists of events, to be completed by a condition. */
#define EVENTS "SELECT t.event_id," MR_TASK_VIEW_COLUMNS " FROM tasks t" MR_TASK_VIEW_JOIN " WHERE "

void mr_task_events_free(struct mr_task_events *events)
{
    for (size_t i = 0; i < events->count; i++)
        json_decref(events->items[i].view);
    free(events->items);
    *events = (struct mr_task_events){0};
}

static bool is_final(const char *name)
{
    enum mr_task_state state;
    return mr_task_state_parse(name, &state) && mr_task_state_is_final(state);
}

static enum mr_status query(struct mr_db *db, const struct mr_statement *statement, const char *const *params,
                            struct mr_task_events *ret, struct mr_err *err)
{
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(db, statement, params, &rows, err));
    size_t count = (size_t)mr_rows_count(rows);
    MR_AUTO(mr_task_events) struct mr_task_events events = {.items = calloc(count + 1, sizeof *events.items)};
    if (!events.items)
        return mr_fail_oom(err);
    for (; events.count < count; events.count++) {
        int row = (int)events.count;
        struct mr_task_event *event = &events.items[row];
        event->task_id = mr_rows_int64(rows, row, "id");
        event->event_id = mr_rows_int64(rows, row, "event_id");
        event->is_final = is_final(mr_rows_text(rows, row, "status"));
        event->is_brief = mr_rows_bytes(rows, row) > PARSED_MAX;
        MR_TRY((event->is_brief ? mr_task_brief_of : mr_task_view_of)(rows, row, &event->view, err));
    }
    *ret = events;
    events = (struct mr_task_events){0};
    return MR_OK;
}

static enum mr_status ids_text(const int64_t *ids, size_t count, struct mr_buf *text, struct mr_err *err)
{
    MR_TRY(mr_buf_append_str(text, "{", err));
    for (size_t i = 0; i < count; i++)
        MR_TRY(mr_buf_appendf(text, err, "%s%" PRId64, i ? "," : "", ids[i]));
    return mr_buf_append_str(text, "}", err);
}

enum mr_status mr_events_read(struct mr_db *db, const int64_t *task_ids, size_t count,
                              struct mr_task_events *ret, struct mr_err *err)
{
    static const struct mr_statement read = {"events_read",
                                             EVENTS "t.id = ANY ($1::bigint[]) ORDER BY t.event_id", 1};
    MR_AUTO(mr_buf) struct mr_buf ids = MR_BUF_INIT(IDS_TEXT_MAX);
    MR_TRY(ids_text(task_ids, count, &ids, err));
    return query(db, &read, (const char *const[]){mr_buf_str(&ids)}, ret, err);
}

enum mr_status mr_events_find(struct mr_db *db, int64_t user_id, const char *key, struct mr_task_events *ret,
                              struct mr_err *err)
{
    static const struct mr_statement find = {"events_find", EVENTS MR_TASK_BY_KEY, 3};
    struct mr_task_key by = {0};
    MR_AUTO(mr_task_events) struct mr_task_events found = {0};
    MR_TRY(mr_task_key_of(user_id, key, &by, err));
    MR_TRY(query(db, &find, (const char *const[]){by.user, by.id, by.file_id}, &found, err));
    if (found.count == 0)
        return mr_task_not_found(err);
    *ret = found;
    found = (struct mr_task_events){0};
    return MR_OK;
}

enum mr_status mr_events_after(struct mr_db *db, int64_t user_id, int64_t after, int64_t except, size_t max,
                               struct mr_task_events *ret, struct mr_err *err)
{
    static const struct mr_statement list = {"events_after",
                                             EVENTS "t.user_id = $1::bigint AND t.event_id > $2::bigint"
                                                    " AND t.event_id <> $3::bigint"
                                                    " ORDER BY t.event_id LIMIT $4::bigint",
                                             4};
    char user[MR_INT64_TEXT_MAX], low[MR_INT64_TEXT_MAX], skip[MR_INT64_TEXT_MAX], limit[MR_INT64_TEXT_MAX];
    mr_int64_text(user_id, user);
    mr_int64_text(after, low);
    mr_int64_text(except, skip);
    mr_int64_text((int64_t)max, limit);
    return query(db, &list, (const char *const[]){user, low, skip, limit}, ret, err);
}

static enum mr_status query_number(struct mr_db *db, const struct mr_statement *statement,
                                   const char *const *params, int64_t *ret, struct mr_err *err)
{
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(db, statement, params, &rows, err));
    *ret = mr_rows_int64(rows, 0, "number");
    return MR_OK;
}

enum mr_status mr_events_last(struct mr_db *db, int64_t *ret, struct mr_err *err)
{
    static const struct mr_statement last = {
        "events_last", "SELECT CASE WHEN is_called THEN last_value ELSE 0 END AS number FROM task_events", 0};
    return query_number(db, &last, NULL, ret, err);
}

enum mr_status mr_events_overlap(struct mr_db *db, int64_t user_id, int64_t last, int64_t *ret_after,
                                 struct mr_err *err)
{
    /* The event `last` may have been replaced by a newer one of its task. The user's newest remaining one is not
     * later, so 10 s before it is far enough back. The limit bounds the work; no user changes more tasks in
     * 10 s. */
    static const struct mr_statement overlap = {
        "events_overlap",
        "SELECT coalesce(min(event_id) FILTER (WHERE changed_at > newest - interval '10 s') - 1, $2::bigint)"
        " AS number FROM (SELECT event_id, changed_at, max(changed_at) OVER () AS newest FROM"
        " (SELECT event_id, changed_at FROM tasks WHERE user_id = $1::bigint AND event_id <= $2::bigint"
        " ORDER BY event_id DESC LIMIT 10000) latest) dated",
        2};
    char user[MR_INT64_TEXT_MAX], text[MR_INT64_TEXT_MAX];
    mr_int64_text(user_id, user);
    mr_int64_text(last, text);
    return query_number(db, &overlap, (const char *const[]){user, text}, ret_after, err);
}
