#include "shared/data/resets.h"

#include "shared/base/encoding.h"

enum mr_status mr_reset_ask(struct mr_db *db, const char *email, struct mr_message *ret_message,
                            struct mr_err *err)
{
    static const struct mr_statement ask = {"reset_ask", "SELECT ask_for_reset($1) AS delivery_id", 1};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(db, &ask, (const char *const[]){email}, &rows, err));
    int64_t id = mr_rows_is_null(rows, 0, "delivery_id") ? INT64_MAX : mr_rows_int64(rows, 0, "delivery_id");
    *ret_message = (struct mr_message){.kind = MR_KIND_DELIVER, .id = id};
    return MR_OK;
}

static enum mr_status refuse(struct mr_err *err)
{
    return mr_fail_code(err, MR_CODE_BAD_RESET,
                        "token: the link has expired or was used; ask for a new mail");
}

#define USABLE " FROM deliveries WHERE token_hash = $1 AND channel = 'reset' AND token_expires_at > now()"

enum mr_status mr_reset_check(struct mr_db *db, const char *token, struct mr_err *err)
{
    static const struct mr_statement look = {"reset_check", "SELECT 1" USABLE, 1};
    char hash[MR_SECRET_HASH_MAX];
    mr_secret_token_hash(token, hash);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(db, &look, (const char *const[]){hash}, &rows, err));
    return mr_rows_count(rows) ? MR_OK : refuse(err);
}

enum mr_status mr_reset_use(struct mr_db *db, const char *token, const char *password_hash,
                            int64_t *ret_user_id, struct mr_err *err)
{
    /* A second use waits for the lock, and does not find the token any more. */
    static const struct mr_statement use = {
        "reset_use",
        "WITH found AS (SELECT user_id, target" USABLE " FOR UPDATE),"
        " ended AS (UPDATE deliveries d SET token_hash = NULL FROM found f"
        " WHERE d.user_id = f.user_id AND d.channel = 'reset')"
        " UPDATE users u SET password_hash = $2, token_version = u.token_version + 1 FROM found f"
        " WHERE u.id = f.user_id AND u.email = f.target AND u.deleted_at IS NULL RETURNING u.id",
        2};
    char hash[MR_SECRET_HASH_MAX];
    mr_secret_token_hash(token, hash);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(db, &use, (const char *const[]){hash, password_hash}, &rows, err));
    if (mr_rows_count(rows) == 0)
        return refuse(err);
    *ret_user_id = mr_rows_int64(rows, 0, "id");
    return MR_OK;
}
