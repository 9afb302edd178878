/* An operator requeues a task. */
#include "shared/base/random.h"
#include "shared/data/operators.h"
#include "shared/data/task_rows.h"

static enum mr_status lock_task(struct mr_db_tx *tx, const char *key, struct mr_rows **ret_rows,
                                struct mr_err *err)
{
    static const struct mr_statement lock = {"operators_lock",
                                             "SELECT t.id, t.user_id, t.status, t.error_code,"
                                             " coalesce(t.lease_expires_at >= now(),"
                                             " false)::int AS lives FROM tasks t"
                                             " WHERE t.id = coalesce($1::bigint, (SELECT k.id"
                                             " FROM tasks k WHERE k.file_id = $2::uuid)) FOR UPDATE",
                                             2};
    struct mr_task_key by = {0};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_task_key_of(0, key, &by, err));
    MR_TRY(mr_db_tx_exec(tx, &lock, (const char *const[]){by.id, by.file_id}, &rows, err));
    if (mr_rows_count(rows) == 0)
        return mr_task_not_found(err);
    *ret_rows = MR_TAKE(rows);
    return MR_OK;
}

static enum mr_status check(const struct mr_rows *found, struct mr_err *err)
{
    const char *status = mr_rows_text(found, 0, "status");
    if (mr_rows_int64(found, 0, "lives"))
        return mr_fail_code(err, MR_CODE_NOT_REQUEUABLE, "task is processing, and its lease has not expired");
    if (strcmp(status, "failed") != 0 && strcmp(status, "uploaded") != 0 && strcmp(status, "processing") != 0)
        return mr_fail_code(err, MR_CODE_NOT_REQUEUABLE,
                            "task must have failed, wait or have an expired lease to be requeued; it is %s",
                            status);
    return MR_OK;
}

enum mr_status mr_operators_requeue(struct mr_db *db, const char *key, struct mr_requeued *ret,
                                    struct mr_err *err)
{
    static const struct mr_statement requeue = {
        "operators_requeue",
        "WITH again AS (UPDATE tasks SET generation = generation + 1, status = 'uploaded', attempts = 0,"
        "  interruptions = 0, kills = 0, stops = 0, started = false, lease_expires_at = NULL,"
        " published_at = NULL,  progress = 0, uploaded_at = now(), processed_at = NULL, error_code = NULL,"
        " error_detail = NULL,"
        "  receipt = NULL, result = NULL WHERE id = $1::bigint RETURNING" MR_TASK_MESSAGE_COLUMNS "),"
        " noted AS (UPDATE dead_letters SET requeued_at = now() WHERE task_id = $1::bigint)"
        " SELECT id, kind, generation, high, traceparent FROM again",
        1};
    MR_AUTO(mr_db_tx) struct mr_db_tx *tx = NULL;
    MR_AUTO(mr_rows) struct mr_rows *found = NULL;
    MR_AUTO(mr_rows) struct mr_rows *again = NULL;
    MR_TRY(mr_db_begin(db, &tx, err));
    MR_TRY(lock_task(tx, key, &found, err));
    MR_TRY(check(found, err));
    MR_TRY(mr_db_tx_exec(tx, &requeue, (const char *const[]){mr_rows_text(found, 0, "id")}, &again, err));
    MR_TRY(mr_db_commit(&tx, err));
    struct mr_requeued done = {.user_id = mr_rows_int64(found, 0, "user_id"),
                               .message = mr_task_message_of(again, 0)};
    snprintf(done.status, sizeof done.status, "%s", mr_rows_text(found, 0, "status"));
    snprintf(done.code, sizeof done.code, "%s", mr_rows_text(found, 0, "error_code"));
    *ret = done;
    return MR_OK;
}
