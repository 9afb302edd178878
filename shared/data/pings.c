#include "shared/data/pings.h"

#include "shared/base/encoding.h"

/* The columns of a struct mr_ping. */
#define PING                                                                                                 \
    " id, to_char(sent_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS sent_at,"              \
    " to_char(pong_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS pong_at,"                  \
    " coalesce((extract(epoch FROM pong_at - sent_at) * 1000)::bigint, -1) AS ms"

static struct mr_ping ping_of(const struct mr_rows *rows)
{
    struct mr_ping ping = {.id = mr_rows_int64(rows, 0, "id"), .ms = mr_rows_int64(rows, 0, "ms")};
    snprintf(ping.sent_at, sizeof ping.sent_at, "%s", mr_rows_text(rows, 0, "sent_at"));
    snprintf(ping.pong_at, sizeof ping.pong_at, "%s", mr_rows_text(rows, 0, "pong_at"));
    return ping;
}

/* The ping of the last second, if there is one, so that a flood of pings only reads. */
static enum mr_status look_for_recent(struct mr_db *db, struct mr_ping *ret, bool *ret_found,
                                      struct mr_err *err)
{
    static const struct mr_statement recent = {
        "ping_recent",
        "SELECT" PING " FROM pings WHERE sent_at > clock_timestamp() - interval '1 s'"
        " ORDER BY sent_at DESC LIMIT 1",
        0};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(db, &recent, NULL, &rows, err));
    *ret_found = mr_rows_count(rows) > 0;
    if (*ret_found)
        *ret = ping_of(rows);
    return MR_OK;
}

enum mr_status mr_ping_begin(struct mr_db *db, struct mr_ping *ret, bool *ret_made, struct mr_err *err)
{
    /* The unique index on the second decides who makes it; xmax is 0 in a row that was just inserted. */
    static const struct mr_statement begin = {
        "ping_begin",
        "INSERT INTO pings DEFAULT VALUES ON CONFLICT (date_trunc('second', sent_at AT TIME ZONE 'UTC'))"
        " DO UPDATE SET sent_at = pings.sent_at RETURNING (xmax = 0)::int AS made," PING,
        0};
    bool found = false;
    MR_TRY(look_for_recent(db, ret, &found, err));
    *ret_made = false;
    if (found)
        return MR_OK;
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(db, &begin, NULL, &rows, err));
    *ret = ping_of(rows);
    *ret_made = mr_rows_int64(rows, 0, "made") != 0;
    return MR_OK;
}

struct mr_message mr_ping_message(const struct mr_ping *ping)
{
    return (struct mr_message){.kind = MR_KIND_PING, .id = ping->id, .high = true};
}

enum mr_status mr_ping_forget(struct mr_db *db, int64_t id, struct mr_err *err)
{
    static const struct mr_statement forget = {
        "ping_forget", "DELETE FROM pings WHERE id = $1::bigint AND pong_at IS NULL", 1};
    char text[MR_INT64_TEXT_MAX];
    mr_int64_text(id, text);
    return mr_db_exec(db, &forget, (const char *const[]){text}, NULL, err);
}

enum mr_status mr_ping_answer(struct mr_db *db, int64_t id, int64_t *ret_ms, struct mr_err *err)
{
    static const struct mr_statement answer = {"ping_answer",
                                               "UPDATE pings SET pong_at = clock_timestamp() WHERE id = "
                                               "$1::bigint AND pong_at IS NULL RETURNING" PING,
                                               1};
    char text[MR_INT64_TEXT_MAX];
    mr_int64_text(id, text);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(db, &answer, (const char *const[]){text}, &rows, err));
    *ret_ms = mr_rows_count(rows) ? mr_rows_int64(rows, 0, "ms") : -1;
    return MR_OK;
}

enum mr_status mr_ping_get(struct mr_db *db, int64_t id, struct mr_ping *ret, struct mr_err *err)
{
    static const struct mr_statement get = {"ping_get", "SELECT" PING " FROM pings WHERE id = $1::bigint", 1};
    char text[MR_INT64_TEXT_MAX];
    mr_int64_text(id, text);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(db, &get, (const char *const[]){text}, &rows, err));
    if (mr_rows_count(rows) == 0)
        return mr_fail(err, MR_NOT_FOUND, "ping not found");
    *ret = ping_of(rows);
    return MR_OK;
}

static json_t *view_of(const struct mr_rows *rows, int row)
{
    const char *sent = mr_rows_text(rows, row, "sent_at");
    if (mr_rows_is_null(rows, row, "pong_at"))
        return json_pack("{s:s,s:n,s:n}", "sent_at", sent, "pong_at", "ms");
    return json_pack("{s:s,s:s,s:I}", "sent_at", sent, "pong_at", mr_rows_text(rows, row, "pong_at"), "ms",
                     (json_int_t)mr_rows_int64(rows, row, "ms"));
}

enum mr_status mr_pings_last(struct mr_db *db, int64_t max, json_t **ret, struct mr_err *err)
{
    static const struct mr_statement last = {
        "pings_last", "SELECT" PING " FROM pings ORDER BY sent_at DESC LIMIT $1::int", 1};
    char limit[MR_INT64_TEXT_MAX];
    mr_int64_text(max, limit);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(db, &last, (const char *const[]){limit}, &rows, err));
    MR_AUTO_JSON json_t *pings = json_array();
    for (int row = 0; row < mr_rows_count(rows); row++)
        if (json_array_append_new(pings, view_of(rows, row)) != 0)
            return mr_fail_oom(err);
    *ret = MR_TAKE(pings);
    return *ret ? MR_OK : mr_fail_oom(err);
}

enum mr_status mr_pings_expire(struct mr_db *db, int64_t *ret_count, struct mr_err *err)
{
    static const struct mr_statement expire = {
        "pings_expire",
        "DELETE FROM pings WHERE id IN (SELECT id FROM pings WHERE sent_at < now() - interval '1 hour'"
        " ORDER BY sent_at LIMIT 10000)",
        0};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(db, &expire, NULL, &rows, err));
    *ret_count = mr_rows_affected(rows);
    return MR_OK;
}
