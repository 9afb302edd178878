#include "shared/data/links.h"

#include "shared/base/encoding.h"
#include "shared/base/random.h"

enum mr_status mr_link_create(struct mr_db *db, int64_t task_id, int64_t seconds,
                              char ret_token[MR_SECRET_TOKEN_MAX], struct mr_err *err)
{
    static const struct mr_statement create = {
        "link_create",
        "INSERT INTO download_links (token_hash, task_id, expires_at)"
        " VALUES ($1, $2::bigint, now() + make_interval(secs => $3::int))",
        3};
    char token[MR_SECRET_TOKEN_MAX], hash[MR_SECRET_HASH_MAX], task[MR_INT64_TEXT_MAX],
        lifetime[MR_INT64_TEXT_MAX];
    MR_TRY(mr_secret_token_make(token, err));
    mr_secret_token_hash(token, hash);
    mr_int64_text(task_id, task);
    mr_int64_text(seconds, lifetime);
    MR_TRY(mr_db_exec(db, &create, (const char *const[]){hash, task, lifetime}, NULL, err));
    memcpy(ret_token, token, sizeof token);
    return MR_OK;
}

enum mr_status mr_link_owner(struct mr_db *db, const char *token, const char *file_id, int64_t *ret_user_id,
                             struct mr_err *err)
{
    static const struct mr_statement look = {
        "link_owner",
        "SELECT t.user_id FROM download_links l JOIN tasks t ON t.id = l.task_id"
        " WHERE l.token_hash = $1 AND l.expires_at > now() AND t.file_id = $2::uuid",
        2};
    char hash[MR_SECRET_HASH_MAX];
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    mr_secret_token_hash(token, hash);
    if (mr_uuid_is_valid(file_id))
        MR_TRY(mr_db_exec(db, &look, (const char *const[]){hash, file_id}, &rows, err));
    if (!rows || mr_rows_count(rows) == 0)
        return mr_fail_code(
            err, MR_CODE_BAD_LINK,
            "token: the link has expired or is for another file; log in to download the file");
    *ret_user_id = mr_rows_int64(rows, 0, "user_id");
    return MR_OK;
}

enum mr_status mr_links_expire(struct mr_db *db, int max, int64_t *total, struct mr_err *err)
{
    static const struct mr_statement expire = {
        "links_expire",
        "DELETE FROM download_links WHERE token_hash IN (SELECT token_hash FROM download_links"
        " WHERE expires_at <= now() ORDER BY expires_at LIMIT $1::int FOR UPDATE SKIP LOCKED)",
        1};
    char limit[MR_INT64_TEXT_MAX];
    mr_int64_text(max, limit);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(db, &expire, (const char *const[]){limit}, &rows, err));
    *total += mr_rows_affected(rows);
    return MR_OK;
}
