/* What users see and do of the deliveries of their tasks. */
#include "shared/data/deliveries.h"

#include "shared/base/encoding.h"
#include "shared/base/json.h"

#include <inttypes.h>

#define UTC(column) "to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"

#define COLUMNS                                                                                              \
    " d.id, d.task_id, d.public_id, d.channel, d.target, d.status, d.attempts, d.error, d.created_at, "      \
    "d.sent_at"

/* A walk along the index for each state: rows are compared, as in tasks.c, so that none reads more than its page. */
/* clang-format off */
static const struct mr_statement list = {
    "deliveries_list",
    "SELECT coalesce(json_agg(json_build_object('id', p.id, 'task_id', p.task_id, 'webhook_id', p.public_id,"
    " 'channel', p.channel, 'target', p.target, 'status', p.status, 'attempts', p.attempts, 'error', p.error,"
    " 'created_at', " UTC("p.created_at") ", 'sent_at', " UTC("p.sent_at") ") ORDER BY p.id DESC), '[]') AS list"
    " FROM (SELECT" COLUMNS " FROM unnest(coalesce(string_to_array($3::text, ','), '{pending,sending,sent,failed,skipped}')) s,"
    " LATERAL (SELECT" COLUMNS ", d.task_user_id FROM deliveries d WHERE (d.task_user_id, d.status, d.id) < ($1::bigint, s, $2::bigint)"
    " ORDER BY d.task_user_id DESC, d.status DESC, d.id DESC LIMIT $4::bigint) d WHERE d.task_user_id = $1::bigint AND d.status = s"
    " ORDER BY d.id DESC LIMIT $4::bigint) p",
    4};
/* clang-format on */

enum mr_status mr_deliveries_list(struct mr_db *db, int64_t user_id, const struct mr_delivery_filter *filter,
                                  json_t **ret, struct mr_err *err)
{
    char user[MR_INT64_TEXT_MAX], before[MR_INT64_TEXT_MAX], max[MR_INT64_TEXT_MAX];
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    mr_int64_text(user_id, user);
    mr_int64_text(filter->before ? filter->before : INT64_MAX, before);
    mr_int64_text(filter->max, max);
    MR_TRY(mr_db_exec(db, &list, (const char *const[]){user, before, filter->status, max}, &rows, err));
    const char *text = mr_rows_text(rows, 0, "list");
    return mr_json_parse(text, strlen(text), 0, ret, err);
}

/* Why nothing was changed. */
static enum mr_status refuse(struct mr_db *db, const char *user, const char *key, struct mr_err *err)
{
    static const struct mr_statement look = {
        "deliveries_look",
        "SELECT d.channel, d.status FROM deliveries d JOIN tasks t ON t.id = d.task_id"
        " WHERE d.id = $1::bigint AND t.user_id = $2::bigint",
        2};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(db, &look, (const char *const[]){key, user}, &rows, err));
    if (mr_rows_count(rows) == 0)
        return mr_fail(err, MR_NOT_FOUND, "delivery not found");
    const char *status = mr_rows_text(rows, 0, "status");
    if (strcmp(mr_rows_text(rows, 0, "channel"), mr_channel_name(MR_CHANNEL_WEBHOOK)) != 0)
        return mr_fail_code(err, MR_CODE_NOT_REPLAYABLE, "delivery is a mail: only webhooks can be replayed");
    if (strcmp(status, "pending") == 0 || strcmp(status, "sending") == 0)
        return mr_fail_code(err, MR_CODE_NOT_REPLAYABLE, "delivery is still to be sent");
    return mr_fail_code(err, MR_CODE_NOT_REPLAYABLE, "delivery is of an earlier run of its task");
}

enum mr_status mr_delivery_replay(struct mr_db *db, int64_t user_id, const char *key,
                                  struct mr_message *ret_message, struct mr_err *err)
{
    /* The fence stays: only a claim lets a worker send. */
    static const struct mr_statement replay = {
        "delivery_replay",
        "UPDATE deliveries d SET status = 'pending', attempts = 0, next_attempt_at = now(),"
        " published_at = NULL, sent_at = NULL, error = NULL FROM tasks t WHERE d.id = $1::bigint"
        " AND t.id = d.task_id AND t.user_id = $2::bigint AND t.generation = d.generation"
        " AND d.channel = 'webhook' AND d.status IN ('sent', 'failed', 'skipped')"
        " RETURNING d.id, d.task_id, d.generation, t.traceparent",
        2};
    char user[MR_INT64_TEXT_MAX];
    int64_t id = 0;
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    mr_int64_text(user_id, user);
    if (!mr_parse_int64(key, 1, INT64_MAX, &id))
        return mr_fail_code(err, MR_CODE_MALFORMED_ID, "id must be the number of a delivery");
    MR_TRY(mr_db_exec(db, &replay, (const char *const[]){key, user}, &rows, err));
    if (mr_rows_count(rows) == 0)
        return refuse(db, user, key, err);
    *ret_message = (struct mr_message){.kind = MR_KIND_DELIVER,
                                       .id = mr_rows_int64(rows, 0, "id"),
                                       .task_id = mr_rows_int64(rows, 0, "task_id"),
                                       .generation = mr_rows_int64(rows, 0, "generation")};
    snprintf(ret_message->traceparent, sizeof ret_message->traceparent, "%s",
             mr_rows_text(rows, 0, "traceparent"));
    return MR_OK;
}
