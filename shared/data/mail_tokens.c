#include "shared/data/mail_tokens.h"

#include "shared/base/encoding.h"

enum mr_status mr_mail_token_make(struct mr_db *db, const struct mr_delivery *delivery, int64_t seconds,
                                  char ret_token[MR_SECRET_TOKEN_MAX], bool *ret_ours, struct mr_err *err)
{
    static const struct mr_statement note = {
        "mail_token_make",
        "UPDATE deliveries SET token_hash = $3, token_expires_at = now() + make_interval(secs => $4::int)"
        " WHERE id = $1::bigint AND fence = $2::bigint AND status = 'sending'",
        4};
    char token[MR_SECRET_TOKEN_MAX], hash[MR_SECRET_HASH_MAX];
    char id[MR_INT64_TEXT_MAX], fence[MR_INT64_TEXT_MAX], lifetime[MR_INT64_TEXT_MAX];
    MR_TRY(mr_secret_token_make(token, err));
    mr_secret_token_hash(token, hash);
    mr_int64_text(delivery->id, id);
    mr_int64_text(delivery->fence, fence);
    mr_int64_text(seconds, lifetime);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(db, &note, (const char *const[]){id, fence, hash, lifetime}, &rows, err));
    *ret_ours = mr_rows_affected(rows) > 0;
    memcpy(ret_token, token, sizeof token);
    return MR_OK;
}
