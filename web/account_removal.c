#include "web/account_removal.h"

#include "shared/base/clock.h"
#include "shared/base/encoding.h"
#include "shared/data/tasks.h"

enum { USERS_BATCH = 100, TASKS_BATCH = 100, PATIENCE_US = 15 * 1000000 };

/* Objects are in the ledger of orphans, records are marked: other jobs of the sweep delete them. */
static enum mr_status delete_task(struct mr_web *web, int64_t user_id, const char *task_id, int64_t *total,
                                  struct mr_err *err)
{
    MR_AUTO_JSON json_t *objects = NULL;
    struct mr_err cause = {0};
    switch (mr_tasks_delete(web->db, user_id, task_id, &objects, &cause)) {
    case MR_OK:
        ++*total;
        return MR_OK;
    case MR_NOT_FOUND: /* another sweep was first */
        return MR_OK;
    default:
        return mr_fail_from(err, &cause);
    }
}

/* *ret_count: how many were found, at most TASKS_BATCH. */
static enum mr_status delete_tasks(struct mr_web *web, const char *user, int64_t user_id, int *ret_count,
                                   int64_t *total, struct mr_err *err)
{
    static const struct mr_statement find = {
        "removal_tasks", "SELECT id FROM tasks WHERE user_id = $1::bigint ORDER BY id LIMIT $2::int", 2};
    char limit[MR_INT64_TEXT_MAX];
    mr_int64_text(TASKS_BATCH, limit);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(web->db, &find, (const char *const[]){user, limit}, &rows, err));
    *ret_count = mr_rows_count(rows);
    for (int row = 0; row < *ret_count; row++)
        MR_TRY(delete_task(web, user_id, mr_rows_text(rows, row, "id"), total, err));
    return MR_OK;
}

/* Expired uploads are canceled in storage and deleted by their own job. */
static enum mr_status expire_uploads(struct mr_web *web, const char *user, struct mr_err *err)
{
    static const struct mr_statement expire = {
        "removal_uploads",
        "UPDATE uploads SET expires_at = now() WHERE user_id = $1::bigint AND expires_at > now()", 1};
    return mr_db_exec(web->db, &expire, &user, NULL, err);
}

static enum mr_status forget(struct mr_web *web, const char *user, int64_t *total, struct mr_err *err)
{
    static const struct mr_statement forget_user = {"removal_user",
                                                    "SELECT forget_user($1::bigint)::int AS gone", 1};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(web->db, &forget_user, &user, &rows, err));
    *total += mr_rows_int64(rows, 0, "gone");
    return MR_OK;
}

static enum mr_status remove_user(struct mr_web *web, const char *user, int64_t give_up_us, int64_t *total,
                                  struct mr_err *err)
{
    int64_t user_id = 0;
    int count = TASKS_BATCH;
    if (!mr_parse_int64(user, 1, INT64_MAX, &user_id))
        return mr_fail(err, MR_INTERNAL, "user %s must have a number", user);
    MR_TRY(expire_uploads(web, user, err));
    while (count == TASKS_BATCH && mr_time_monotonic_us() < give_up_us)
        MR_TRY(delete_tasks(web, user, user_id, &count, total, err));
    return forget(web, user, total, err);
}

enum mr_status mr_accounts_remove(struct mr_web *web, int64_t *total, struct mr_err *err)
{
    static const struct mr_statement find = {
        "removal_users",
        "SELECT id FROM users WHERE deleted_at IS NOT NULL ORDER BY deleted_at LIMIT $1::int", 1};
    const int64_t give_up_us = mr_time_monotonic_us() + PATIENCE_US;
    struct mr_err first = {0};
    char limit[MR_INT64_TEXT_MAX];
    mr_int64_text(USERS_BATCH, limit);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(web->db, &find, (const char *const[]){limit}, &rows, err));
    for (int row = 0; row < mr_rows_count(rows) && mr_time_monotonic_us() < give_up_us; row++) {
        struct mr_err cause = {0};
        if (remove_user(web, mr_rows_text(rows, row, "id"), give_up_us, total, &cause) != MR_OK &&
            first.status == MR_OK)
            first = cause;
    }
    return first.status == MR_OK ? MR_OK : mr_fail_from(err, &first);
}
