#include "shared/data/idempotency.h"

#include "shared/base/encoding.h"
#include "shared/data/task_rows.h"

/* Why there is no task to answer with. */
static enum mr_status fail_without_task(const struct mr_rows *rows, const struct mr_task_draft *draft,
                                        struct mr_err *err)
{
    if (mr_rows_int64(rows, 0, "has_key"))
        return mr_fail_code(
            err, MR_CODE_IDEMPOTENCY_KEY_SPENT,
            "Idempotency-Key: the task that it made is deleted; use a new key for a new task");
    if (draft->upload_id)
        return mr_fail_code(err, MR_CODE_UNKNOWN_UPLOAD,
                            "upload_id: upload not found, or a task has already taken it");
    return mr_fail(err, MR_UNAVAILABLE, "Idempotency-Key has just expired");
}

enum mr_status mr_idempotency_resolve(struct mr_db *db, const struct mr_task_draft *draft, json_t **ret_view,
                                      struct mr_err *err)
{
    static const struct mr_statement resolve = {
        "idempotency_resolve",
        "SELECT (k.key IS NOT NULL)::int AS has_key, (k.request_hash = $4)::int AS is_same,"
        " (t.id IS NOT NULL)::int AS has_task," MR_TASK_VIEW_COLUMNS " FROM (SELECT $1::bigint AS user_id) me"
        " LEFT JOIN idempotency_keys k ON k.user_id = me.user_id AND k.key = $3"
        " LEFT JOIN tasks t ON t.user_id = me.user_id"
        "  AND t.file_id = coalesce(k.file_id, $2::uuid)" MR_TASK_VIEW_JOIN,
        4};
    char user[MR_INT64_TEXT_MAX];
    mr_int64_text(draft->user_id, user);
    const char *const params[] = {user, draft->file_id, draft->idempotency_key, draft->request_hash};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(db, &resolve, params, &rows, err));
    if (mr_rows_int64(rows, 0, "has_key") && !mr_rows_int64(rows, 0, "is_same"))
        return mr_fail_code(err, MR_CODE_IDEMPOTENCY_KEY_REUSED,
                            "Idempotency-Key was used for another request before");
    if (!mr_rows_int64(rows, 0, "has_task"))
        return fail_without_task(rows, draft, err);
    return mr_task_view_of(rows, 0, ret_view, err);
}

enum mr_status mr_idempotency_purge(struct mr_db *db, int64_t max, int64_t *ret_count, struct mr_err *err)
{
    /* The age is checked twice: a key that is taken again while this waits for its row must stay. */
    static const struct mr_statement purge = {
        "idempotency_purge",
        "DELETE FROM idempotency_keys WHERE created_at < now() - " MR_IDEMPOTENCY_LIFETIME
        " AND (user_id, key) IN (SELECT user_id, key FROM idempotency_keys"
        "  WHERE created_at < now() - " MR_IDEMPOTENCY_LIFETIME " ORDER BY created_at LIMIT $1::bigint)",
        1};
    char limit[MR_INT64_TEXT_MAX];
    mr_int64_text(max, limit);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(db, &purge, (const char *const[]){limit}, &rows, err));
    *ret_count = mr_rows_affected(rows);
    return MR_OK;
}
