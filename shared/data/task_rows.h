/*
 * What the statements on tasks have in common: the columns of a view (the API object), the keys by which users
 * name a task, the message of a row. Private to shared/data. Pure functions; any thread.
 */
#ifndef MR_DATA_TASK_ROWS_H
#define MR_DATA_TASK_ROWS_H

#include "shared/base/encoding.h"
#include "shared/base/json.h"
#include "shared/data/db.h"
#include "shared/data/message.h"

#define MR_TASK_VIEW_UTC(column)                                                                             \
    " to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"

/*
 * The columns that a statement selects for a view, or for a summary, which has no receipt: t is the task, o its
 * first output. uploaded_filename and
 * original_file are two older systems' names for the same thing. Only deliveries of the present generation count.
 */
/* clang-format off */
#define MR_TASK_SUMMARY_COLUMNS                                                                              \
    " t.id, t.file_id, t.kind, t.status, t.progress, t.user_id, t.new_format, t.preset, t.options,"          \
    " t.priority, t.original_file, t.original_format, t.original_size,"                                      \
    " t.original_file AS uploaded_filename, t.url, t.callback_url, t.attempts, t.result,"                    \
    MR_TASK_VIEW_UTC("t.created_at") " AS timestamp,"                                                        \
    MR_TASK_VIEW_UTC("t.uploaded_at") " AS uploaded_at,"                                                     \
    MR_TASK_VIEW_UTC("t.processed_at") " AS processed_at,"                                                   \
    " o.file_name AS processed_file, o.format AS processed_format, o.size AS processed_size,"                \
    " CASE WHEN t.error_code IS NOT NULL"                                                                    \
    "  THEN json_build_object('code', t.error_code, 'detail', t.error_detail) END AS error,"                 \
    " (SELECT coalesce(json_agg(json_build_object('n', a.n, 'file_name', a.file_name, 'format', a.format,"   \
    "   'content_type', a.content_type, 'size', a.size, 'url', '/api/files/' || t.file_id || '?n=' || a.n)"  \
    "   ORDER BY a.n), '[]') FROM outputs a WHERE a.task_id = t.id) AS outputs,"                             \
    " (SELECT coalesce(json_agg(json_build_object('channel', d.channel, 'status', d.status,"                 \
    "   'attempts', d.attempts, 'error', d.error) ORDER BY d.id), '[]')"                                     \
    "  FROM deliveries d WHERE d.task_id = t.id AND d.generation = t.generation) AS deliveries"
/* clang-format on */
#define MR_TASK_VIEW_COLUMNS MR_TASK_SUMMARY_COLUMNS ", t.receipt"
/* With the limit it is looked up for each task, never joined with the whole table. */
#define MR_TASK_VIEW_JOIN                                                                                    \
    " LEFT JOIN LATERAL (SELECT file_name, format, size FROM outputs WHERE task_id = t.id AND n = 0"         \
    " LIMIT 1) o ON true"

/* The view or the summary of one row with these columns; the caller owns *ret. */
MR_MUST_CHECK enum mr_status mr_task_view_of(const struct mr_rows *rows, int row, json_t **ret,
                                             struct mr_err *err);
MR_MUST_CHECK enum mr_status mr_task_summary_of(const struct mr_rows *rows, int row, json_t **ret,
                                                struct mr_err *err);
/* Only id, file_id, status and progress, of a row with any of these columns. */
MR_MUST_CHECK enum mr_status mr_task_brief_of(const struct mr_rows *rows, int row, json_t **ret,
                                              struct mr_err *err);

/*
 * How many bytes the summary of the task t takes as JSON, roughly: what varies, and the room of the rest. It may be
 * wrong by a factor of two.
 */
/* clang-format off */
#define MR_TASK_SUMMARY_BYTES                                                                                \
    " (800 + coalesce(octet_length(t.options::text), 0) + coalesce(octet_length(t.result::text), 0)"        \
    " + 2 * coalesce(octet_length(t.original_file), 0) + coalesce(octet_length(t.url), 0)"                   \
    " + coalesce(octet_length(t.callback_url), 0) + coalesce(octet_length(t.error_detail), 0)"               \
    " + (SELECT coalesce(sum(160 + octet_length(a.file_name) + octet_length(a.content_type)), 0)"            \
    "    FROM outputs a WHERE a.task_id = t.id))"
/* clang-format on */

/* A task's number or its file_id, as a user gave it; the other one is NULL, as MR_TASK_BY_KEY expects. */
struct mr_task_key {
    char user[MR_INT64_TEXT_MAX];
    const char *id, *file_id; /* not owned */
};
/* MR_NOT_FOUND for a text that is neither. ret refers to text. */
MR_MUST_CHECK enum mr_status mr_task_key_of(int64_t user_id, const char *text, struct mr_task_key *ret,
                                            struct mr_err *err);
/* MR_NOT_FOUND. */
enum mr_status mr_task_not_found(struct mr_err *err);
/* $1 user, $2 id, $3 file_id. By the number, whatever PostgreSQL thinks of how many tasks the user has. */
#define MR_TASK_BY_KEY                                                                                       \
    " t.user_id = $1::bigint"                                                                                \
    " AND t.id = coalesce($2::bigint, (SELECT k.id FROM tasks k WHERE k.file_id = $3::uuid))"

/*
 * The conditions of the indexes tasks_queue, tasks_queue_users and tasks_running, word for word. PostgreSQL cannot
 * conclude them from status = '…', so these indexes serve only the statements that look for tasks of a state, and a
 * statement that knows its task goes by its number, whatever the statistics say of the length of the queue. One that knows
 * several says (status = '…') IS TRUE, or else PostgreSQL could walk all tasks of that state in tasks_by_status.
 */
#define MR_TASK_IS_QUEUED  " CASE status WHEN 'uploaded' THEN true END"
#define MR_TASK_IS_RUNNING " CASE status WHEN 'processing' THEN true END"

/* So long after its end a task surely has its objects: infra/storage/lifecycle.json, less a day. */
#define MR_OUTPUTS_ARE_KEPT "interval '29 days'"

/* Joins tasks t with a list of messages m (id, generation). Each is looked up by its number: in this form the condition
 * cannot lead to a join with the whole table. */
#define MR_TASK_OF_MESSAGE " t.id = ANY (ARRAY[m.id]) AND (t.generation = m.generation) IS TRUE"

/* The message for a row with these columns. */
#define MR_TASK_MESSAGE_COLUMNS " id, kind, generation, (priority = 'high')::int AS high, traceparent"
struct mr_message mr_task_message_of(const struct mr_rows *rows, int row);

#endif
