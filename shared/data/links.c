#include "shared/data/links.h"

#include "shared/base/encoding.h"
#include "shared/base/random.h"
#include "shared/data/task_rows.h"

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

/* clang-format off */
#define TIMES                                                                                                \
    MR_TASK_VIEW_UTC("l.created_at") " AS created_at," MR_TASK_VIEW_UTC("l.expires_at") " AS expires_at"
/* clang-format on */
#define TASK " t AS (SELECT t.id, t.file_id FROM tasks t WHERE" MR_TASK_BY_KEY ")"

enum mr_status mr_link_make(struct mr_db *db, int64_t user_id, const char *key, int64_t seconds,
                            char ret_token[MR_SECRET_TOKEN_MAX], json_t **ret_view, struct mr_err *err)
{
    /* A row for the task, and the link's columns if it was made. */
    static const struct mr_statement make = {
        "link_make",
        "WITH" TASK ", made AS (INSERT INTO download_links (token_hash, task_id, expires_at)"
        " SELECT $4, t.id, now() + make_interval(secs => $5::int) FROM t WHERE (SELECT count(*) FROM"
        " download_links o WHERE o.task_id = t.id AND o.expires_at > now()) < $6::bigint"
        " RETURNING id, created_at, expires_at)"
        " SELECT t.file_id, l.id AS link_id," TIMES " FROM t LEFT JOIN made l ON true",
        6};
    char token[MR_SECRET_TOKEN_MAX], hash[MR_SECRET_HASH_MAX], lifetime[MR_INT64_TEXT_MAX],
        most[MR_INT64_TEXT_MAX];
    struct mr_task_key by = {0};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_task_key_of(user_id, key, &by, err));
    MR_TRY(mr_secret_token_make(token, err));
    mr_secret_token_hash(token, hash);
    mr_int64_text(seconds, lifetime);
    mr_int64_text(MR_LINKS_OF_TASK, most);
    const char *const params[] = {by.user, by.id, by.file_id, hash, lifetime, most};
    MR_TRY(mr_db_exec(db, &make, params, &rows, err));
    if (mr_rows_count(rows) == 0)
        return mr_task_not_found(err);
    if (mr_rows_is_null(rows, 0, "link_id"))
        return mr_fail_code(err, MR_CODE_TOO_MANY_LINKS, "links: at most %d for one task; revoke some",
                            MR_LINKS_OF_TASK);
    *ret_view = json_pack("{s:I,s:s,s:s,s:s}", "id", (json_int_t)mr_rows_int64(rows, 0, "link_id"), "file_id",
                          mr_rows_text(rows, 0, "file_id"), "created_at", mr_rows_text(rows, 0, "created_at"),
                          "expires_at", mr_rows_text(rows, 0, "expires_at"));
    if (!*ret_view)
        return mr_fail_oom(err);
    memcpy(ret_token, token, sizeof token);
    return MR_OK;
}

enum mr_status mr_links_list(struct mr_db *db, int64_t user_id, const char *key, json_t **ret,
                             struct mr_err *err)
{
    static const struct mr_statement list = {"links_list",
                                             "WITH" TASK " SELECT l.id AS link_id," TIMES
                                             " FROM t LEFT JOIN download_links l"
                                             " ON l.task_id = t.id AND l.expires_at > now() ORDER BY l.id",
                                             3};
    struct mr_task_key by = {0};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_AUTO_JSON json_t *links = json_array();
    MR_TRY(mr_task_key_of(user_id, key, &by, err));
    MR_TRY(mr_db_exec(db, &list, (const char *const[]){by.user, by.id, by.file_id}, &rows, err));
    if (mr_rows_count(rows) == 0)
        return mr_task_not_found(err);
    for (int row = 0; row < mr_rows_count(rows) && !mr_rows_is_null(rows, row, "link_id"); row++)
        if (json_array_append_new(links, json_pack("{s:I,s:s,s:s}", "id",
                                                   (json_int_t)mr_rows_int64(rows, row, "link_id"),
                                                   "created_at", mr_rows_text(rows, row, "created_at"),
                                                   "expires_at", mr_rows_text(rows, row, "expires_at"))) != 0)
            return mr_fail_oom(err);
    *ret = MR_TAKE(links);
    return MR_OK;
}

enum mr_status mr_link_delete(struct mr_db *db, int64_t user_id, const char *key, const char *id,
                              struct mr_err *err)
{
    static const struct mr_statement revoke = {
        "link_delete",
        "WITH" TASK " DELETE FROM download_links l USING t WHERE l.task_id = t.id AND l.id = $4::bigint", 4};
    struct mr_task_key by = {0};
    int64_t number = 0;
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_task_key_of(user_id, key, &by, err));
    if (mr_parse_int64(id, 1, INT64_MAX, &number))
        MR_TRY(mr_db_exec(db, &revoke, (const char *const[]){by.user, by.id, by.file_id, id}, &rows, err));
    if (!rows || mr_rows_affected(rows) == 0)
        return mr_fail(err, MR_NOT_FOUND, "link not found");
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
