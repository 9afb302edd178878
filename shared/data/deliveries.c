#include "shared/data/deliveries.h"

#include "shared/base/encoding.h"

#include <inttypes.h>

enum { ARRAY_TEXT_MAX = 1 << 20 };

static const char *const channel_names[MR_CHANNELS] = {[MR_CHANNEL_WEBHOOK] = "webhook",
                                                       [MR_CHANNEL_MAIL] = "mail",
                                                       [MR_CHANNEL_RESET] = "reset",
                                                       [MR_CHANNEL_CONFIRMATION] = "confirmation"};

const char *mr_channel_name(enum mr_channel channel)
{
    return channel_names[channel];
}

void mr_delivery_free(struct mr_delivery *delivery)
{
    free(delivery->target);
    if (delivery->webhook_secret)
        explicit_bzero(delivery->webhook_secret, strlen(delivery->webhook_secret));
    free(delivery->webhook_secret);
    *delivery = (struct mr_delivery){0};
}

static enum mr_channel channel_of(const char *name)
{
    enum mr_channel channel = 0;
    while (channel + 1 < MR_CHANNELS && strcmp(name, channel_names[channel]) != 0)
        channel++;
    return channel;
}

static enum mr_status delivery_of(const struct mr_rows *rows, struct mr_delivery *ret, struct mr_err *err)
{
    MR_AUTO(mr_delivery)
    struct mr_delivery delivery = {
        .id = mr_rows_int64(rows, 0, "id"),
        .task_id = mr_rows_int64(rows, 0, "task_id"),
        .user_id = mr_rows_int64(rows, 0, "user_id"),
        .generation = mr_rows_int64(rows, 0, "generation"),
        .fence = mr_rows_int64(rows, 0, "fence"),
        .attempts = mr_rows_int64(rows, 0, "attempts"),
        .channel = channel_of(mr_rows_text(rows, 0, "channel")),
        .target = strdup(mr_rows_text(rows, 0, "target")),
        .webhook_secret = strdup(mr_rows_text(rows, 0, "webhook_secret")),
    };
    snprintf(delivery.public_id, sizeof delivery.public_id, "%s", mr_rows_text(rows, 0, "public_id"));
    if (!delivery.target || !delivery.webhook_secret)
        return mr_fail_oom(err);
    *ret = delivery;
    delivery = (struct mr_delivery){0};
    return MR_OK;
}

static enum mr_delivery_claim claim_of(const struct mr_rows *rows)
{
    if (mr_rows_count(rows) == 0)
        return MR_DELIVERY_NOT_DUE;
    const char *status = mr_rows_text(rows, 0, "status");
    return strcmp(status, "sending") == 0   ? MR_DELIVERY_OURS
           : strcmp(status, "skipped") == 0 ? MR_DELIVERY_OUTDATED
                                            : MR_DELIVERY_EXHAUSTED;
}

enum mr_status mr_delivery_claim(struct mr_db *db, int64_t id, int64_t lease_seconds, int64_t max_attempts,
                                 enum mr_delivery_claim *ret_claim, struct mr_delivery *ret,
                                 struct mr_err *err)
{
    /* `due` waits for the row's lock, so that `verdict` sees the row as it is changed. Its CASE keeps PostgreSQL from
     * looking for the row in the index of all unfinished deliveries, = ANY from joining with whole tables. */
    static const struct mr_statement claim = {
        "delivery_claim",
        "WITH due AS (SELECT id, task_id, user_id, generation, channel, attempts FROM deliveries"
        " WHERE id = $1::bigint AND CASE status WHEN 'pending' THEN next_attempt_at <= now()"
        " WHEN 'sending' THEN lease_expires_at < now() END FOR UPDATE),"
        " found AS (SELECT due.id, due.attempts, u.id AS user_id, u.webhook_secret, CASE"
        " WHEN due.channel = 'confirmation' AND u.email_confirmed_at IS NOT NULL THEN 'the address is"
        " confirmed' WHEN u.deleted_at IS NOT NULL THEN 'the account is deleted'"
        " WHEN due.channel = 'mail' AND u.email_confirmed_at IS NULL THEN mail_needs_confirmation()"
        " WHEN t.generation <> due.generation OR t.status NOT IN ('processed',"
        " 'failed')  THEN 'the task was run again' END AS unwanted FROM due LEFT"
        " JOIN tasks t ON t.id = ANY (ARRAY[due.task_id]) JOIN users u ON u.id = ANY"
        " (ARRAY[coalesce(due.user_id, t.user_id)])),"
        " verdict AS (SELECT id, user_id, webhook_secret, unwanted, CASE"
        " WHEN unwanted IS NOT NULL THEN 'skipped'  WHEN attempts >= $3::int THEN 'failed'"
        " ELSE 'sending' END AS status FROM found) UPDATE deliveries d"
        " SET status = v.status, fence = d.fence + 1, attempts = d.attempts + (v.status = 'sending')::int,"
        " lease_expires_at = CASE v.status WHEN 'sending' THEN now() + make_interval(secs => $2::int)"
        " END, error = CASE v.status WHEN 'skipped' THEN v.unwanted"
        " WHEN 'failed' THEN coalesce(d.error, 'no attempt ended') ELSE d.error END FROM verdict v"
        " WHERE d.id = ANY (ARRAY[v.id]) RETURNING d.id, d.task_id, d.generation, d.fence, d.attempts,"
        " d.channel, d.target, d.public_id, d.status, v.user_id, v.webhook_secret",
        3};
    char key[MR_INT64_TEXT_MAX], lease[MR_INT64_TEXT_MAX], attempts[MR_INT64_TEXT_MAX];
    mr_int64_text(id, key);
    mr_int64_text(lease_seconds, lease);
    mr_int64_text(max_attempts, attempts);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(db, &claim, (const char *const[]){key, lease, attempts}, &rows, err));
    enum mr_delivery_claim outcome = claim_of(rows);
    if (outcome == MR_DELIVERY_OURS)
        MR_TRY(delivery_of(rows, ret, err));
    *ret_claim = outcome;
    return MR_OK;
}

enum mr_status mr_delivery_finish(struct mr_db *db, const struct mr_delivery *delivery,
                                  enum mr_delivery_end end, int64_t retry_after_s, const char *error,
                                  bool *ret_ours, struct mr_err *err)
{
    static const char *const words[MR_DELIVERY_ENDS] = {[MR_DELIVERY_SENT] = "sent",
                                                        [MR_DELIVERY_RETRY] = "pending",
                                                        [MR_DELIVERY_FAILED] = "failed",
                                                        [MR_DELIVERY_SKIPPED] = "skipped",
                                                        [MR_DELIVERY_POSTPONED] = "pending"};
    /* `before` lets a repeated outcome see that an earlier one with the same fence succeeded. */
    static const struct mr_statement finish = {
        "delivery_finish",
        "WITH done AS (UPDATE deliveries SET status = $3, lease_expires_at = NULL, error = $5,"
        " attempts = attempts - $6::int, next_attempt_at = now() + make_interval(secs => $4::int),"
        " sent_at = CASE $3 WHEN 'sent' THEN now() END WHERE id = $1::bigint AND fence = $2::bigint AND"
        " CASE status WHEN 'sending' THEN true END RETURNING id) SELECT 1 FROM done UNION ALL SELECT 1"
        " FROM deliveries before WHERE before.id = $1::bigint AND before.fence = $2::bigint"
        " AND before.status = $3",
        6};
    char id[MR_INT64_TEXT_MAX], fence[MR_INT64_TEXT_MAX], wait[MR_INT64_TEXT_MAX];
    mr_int64_text(delivery->id, id);
    mr_int64_text(delivery->fence, fence);
    mr_int64_text(retry_after_s, wait);
    const char *const params[] = {id,   fence, words[end],
                                  wait, error, end == MR_DELIVERY_POSTPONED ? "1" : "0"};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(db, &finish, params, &rows, err));
    *ret_ours = mr_rows_count(rows) > 0;
    return MR_OK;
}

int64_t mr_delivery_backoff_s(int64_t attempts)
{
    static const int64_t waits[] = {10, 30, 60, 300, 900, 3600, 10800};
    const int64_t last = sizeof waits / sizeof *waits;
    int64_t wait = waits[(attempts < 1 ? 1 : attempts > last ? last : attempts) - 1];
    uint64_t random = 0;
    if (mr_random_bytes(&random, sizeof random, NULL) != MR_OK)
        return wait;
    /* Jitter, so that deliveries that failed together are not repeated together. */
    return wait - wait / 5 + (int64_t)(random % (uint64_t)(wait / 5 * 2 + 1));
}

#define MESSAGE_COLUMNS " d.id, d.task_id, d.generation, t.traceparent"

static struct mr_message message_of(const struct mr_rows *rows, int row)
{
    struct mr_message message = {.kind = MR_KIND_DELIVER,
                                 .id = mr_rows_int64(rows, row, "id"),
                                 .task_id = mr_rows_int64(rows, row, "task_id"),
                                 .generation = mr_rows_int64(rows, row, "generation")};
    snprintf(message.traceparent, sizeof message.traceparent, "%s", mr_rows_text(rows, row, "traceparent"));
    return message;
}

static size_t messages_of(const struct mr_rows *rows, struct mr_message *messages)
{
    int count = mr_rows_count(rows);
    for (int row = 0; row < count; row++)
        messages[row] = message_of(rows, row);
    return (size_t)count;
}

enum mr_status mr_deliveries_of_task(struct mr_db *db, int64_t task_id,
                                     struct mr_message owed[MR_DELIVERIES_OF_TASK], size_t *ret_count,
                                     struct mr_err *err)
{
    static const struct mr_statement look = {
        "deliveries_of_task",
        "SELECT" MESSAGE_COLUMNS " FROM deliveries d JOIN tasks t ON t.id = d.task_id AND"
        " t.generation = d.generation WHERE d.task_id = $1::bigint"
        " AND CASE d.status WHEN 'pending' THEN d.published_at IS NULL END"
        " ORDER BY d.task_id, d.generation, d.channel LIMIT $2::int",
        2};
    char task[MR_INT64_TEXT_MAX], limit[MR_INT64_TEXT_MAX];
    mr_int64_text(task_id, task);
    mr_int64_text(MR_DELIVERIES_OF_TASK, limit);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(db, &look, (const char *const[]){task, limit}, &rows, err));
    *ret_count = messages_of(rows, owed);
    return MR_OK;
}

enum mr_status mr_deliveries_due(struct mr_db *db, int64_t republish_after_s, struct mr_message *due,
                                 size_t max, size_t *ret_count, struct mr_err *err)
{
    /* next_attempt_at is in the past for `sending`, too: the index on it serves both. */
    static const struct mr_statement look = {
        "deliveries_due",
        "SELECT" MESSAGE_COLUMNS " FROM deliveries d LEFT JOIN tasks t ON t.id = ANY (ARRAY[d.task_id])"
        " WHERE d.status IN ('pending', 'sending') AND d.next_attempt_at <= now() AND"
        " ((d.status = 'pending' AND d.published_at IS NULL AND d.created_at < now() - interval '5 s')"
        " OR (d.status = 'pending' AND (d.published_at < d.next_attempt_at"
        " OR d.published_at < now() - make_interval(secs => $1::int)))"
        " OR (d.status = 'sending' AND d.lease_expires_at < now() AND (d.published_at IS NULL"
        " OR d.published_at < d.lease_expires_at"
        " OR d.published_at < now() - make_interval(secs => $1::int))))"
        " ORDER BY d.next_attempt_at LIMIT $2::int",
        2};
    char after[MR_INT64_TEXT_MAX], limit[MR_INT64_TEXT_MAX];
    mr_int64_text(republish_after_s, after);
    mr_int64_text((int64_t)max, limit);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(db, &look, (const char *const[]){after, limit}, &rows, err));
    *ret_count = messages_of(rows, due);
    return MR_OK;
}

enum mr_status mr_deliveries_mark(struct mr_db *db, const struct mr_message *messages, size_t count,
                                  struct mr_err *err)
{
    static const struct mr_statement mark = {
        "deliveries_mark", "UPDATE deliveries SET published_at = now() WHERE id = ANY ($1::bigint[])", 1};
    MR_AUTO(mr_buf) struct mr_buf ids = MR_BUF_INIT(ARRAY_TEXT_MAX);
    MR_TRY(mr_buf_append_str(&ids, "{", err));
    for (size_t i = 0; i < count; i++)
        MR_TRY(mr_buf_appendf(&ids, err, "%s%" PRId64, i ? "," : "", messages[i].id));
    MR_TRY(mr_buf_append_str(&ids, "}", err));
    return mr_db_exec(db, &mark, (const char *const[]){mr_buf_str(&ids)}, NULL, err);
}
