#include "shared/data/confirmations.h"

#include "shared/base/encoding.h"
#include "shared/data/mail_tokens.h"

enum mr_status mr_confirmation_ask(struct mr_db *db, int64_t user_id, enum mr_confirmation_answer *ret_answer,
                                   struct mr_message *ret_message, int64_t *ret_wait_s, struct mr_err *err)
{
    static const struct mr_statement ask = {
        "confirmation_ask",
        "SELECT a.delivery_id, coalesce(a.confirmed, true)::int AS confirmed, coalesce(a.wait_s, 0) AS wait_s"
        " FROM ask_for_confirmation($1::bigint) a",
        1};
    char user[MR_INT64_TEXT_MAX];
    mr_int64_text(user_id, user);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(db, &ask, (const char *const[]){user}, &rows, err));
    *ret_wait_s = mr_rows_int64(rows, 0, "wait_s");
    *ret_message = (struct mr_message){.kind = MR_KIND_DELIVER, .id = mr_rows_int64(rows, 0, "delivery_id")};
    if (mr_rows_int64(rows, 0, "confirmed"))
        *ret_answer = MR_CONFIRMATION_DONE;
    else
        *ret_answer = ret_message->id ? MR_CONFIRMATION_ASKED : MR_CONFIRMATION_TOO_OFTEN;
    return MR_OK;
}

enum mr_status mr_confirmation_token(struct mr_db *db, const struct mr_delivery *delivery,
                                     char ret_token[MR_SECRET_TOKEN_MAX], bool *ret_ours, struct mr_err *err)
{
    return mr_mail_token_make(db, delivery, MR_CONFIRMATION_SECONDS, ret_token, ret_ours, err);
}

enum mr_status mr_confirmation_accept(struct mr_db *db, const char *token, int64_t *ret_user_id,
                                      struct mr_err *err)
{
    /* The address may have changed since the mail was sent. */
    static const struct mr_statement accept = {
        "confirmation_accept",
        "WITH used AS (UPDATE deliveries SET token_hash = NULL WHERE token_hash = $1"
        " AND channel = 'confirmation' AND token_expires_at > now() RETURNING user_id, target)"
        " UPDATE users u SET email_confirmed_at = coalesce(u.email_confirmed_at, now()) FROM used"
        " WHERE u.id = used.user_id AND u.email = used.target RETURNING u.id",
        1};
    char hash[MR_SECRET_HASH_MAX];
    mr_secret_token_hash(token, hash);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(db, &accept, (const char *const[]){hash}, &rows, err));
    if (mr_rows_count(rows) == 0)
        return mr_fail_code(err, MR_CODE_BAD_CONFIRMATION,
                            "token: the link has expired or was used; ask for a new mail");
    *ret_user_id = mr_rows_int64(rows, 0, "id");
    return MR_OK;
}
