#include "shared/data/api_keys.h"

#include "shared/base/encoding.h"
#include "shared/data/task_rows.h"

/* clang-format off */
#define COLUMNS                                                                                              \
    " k.id, k.name, k.can_read::int AS can_read, k.can_write::int AS can_write,"                             \
    MR_TASK_VIEW_UTC("k.created_at") " AS created_at,"                                                       \
    MR_TASK_VIEW_UTC("k.expires_at") " AS expires_at,"                                                       \
    MR_TASK_VIEW_UTC("k.last_used_at") " AS last_used_at"
/* clang-format on */

static json_t *text_or_null(const struct mr_rows *rows, int row, const char *column)
{
    return mr_rows_is_null(rows, row, column) ? json_null() : json_string(mr_rows_text(rows, row, column));
}

static enum mr_status view_of(const struct mr_rows *rows, int row, json_t **ret, struct mr_err *err)
{
    MR_AUTO_JSON json_t *scopes = json_array();
    if (!scopes ||
        (mr_rows_int64(rows, row, "can_read") && json_array_append_new(scopes, json_string("read"))) ||
        (mr_rows_int64(rows, row, "can_write") && json_array_append_new(scopes, json_string("write"))))
        return mr_fail_oom(err);
    json_t *view =
        json_pack("{s:I,s:s,s:O,s:o,s:o,s:o}", "id", (json_int_t)mr_rows_int64(rows, row, "id"), "name",
                  mr_rows_text(rows, row, "name"), "scopes", scopes, "created_at",
                  text_or_null(rows, row, "created_at"), "expires_at", text_or_null(rows, row, "expires_at"),
                  "last_used_at", text_or_null(rows, row, "last_used_at"));
    if (!view)
        return mr_fail_oom(err);
    *ret = view;
    return MR_OK;
}

static enum mr_status insert(struct mr_db *db, int64_t user_id, const struct mr_api_key_order *order,
                             const char *key, struct mr_rows **ret_rows, struct mr_err *err)
{
    static const struct mr_statement create = {
        "api_key_create",
        "INSERT INTO api_keys AS k (user_id, name, key_hash, can_read, can_write, expires_at)"
        " SELECT $1::bigint, $2, $3, $4::int = 1, $5::int = 1,"
        " CASE WHEN $6::bigint > 0 THEN now() + make_interval(secs => $6::bigint) END"
        " WHERE (SELECT count(*) FROM api_keys WHERE user_id = $1::bigint) < $7::bigint RETURNING" COLUMNS,
        7};
    char hash[MR_SECRET_HASH_MAX], user[MR_INT64_TEXT_MAX], seconds[MR_INT64_TEXT_MAX],
        most[MR_INT64_TEXT_MAX];
    mr_secret_token_hash(key, hash);
    mr_int64_text(user_id, user);
    mr_int64_text(order->seconds, seconds);
    mr_int64_text(MR_API_KEYS_OF_USER, most);
    const char *const params[] = {
        user, order->name, hash, order->can_read ? "1" : "0", order->can_write ? "1" : "0", seconds, most};
    return mr_db_exec(db, &create, params, ret_rows, err);
}

enum mr_status mr_api_key_create(struct mr_db *db, int64_t user_id, const struct mr_api_key_order *order,
                                 char ret_key[MR_API_KEY_MAX], json_t **ret_view, struct mr_err *err)
{
    char token[MR_SECRET_TOKEN_MAX], key[MR_API_KEY_MAX];
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_secret_token_make(token, err));
    snprintf(key, sizeof key, MR_API_KEY_PREFIX "%s", token);
    MR_TRY(insert(db, user_id, order, key, &rows, err));
    if (mr_rows_count(rows) == 0)
        return mr_fail_code(err, MR_CODE_TOO_MANY_KEYS, "keys: at most %d for one user; delete some",
                            MR_API_KEYS_OF_USER);
    MR_TRY(view_of(rows, 0, ret_view, err));
    memcpy(ret_key, key, sizeof key);
    return MR_OK;
}

enum mr_status mr_api_keys_list(struct mr_db *db, int64_t user_id, json_t **ret, struct mr_err *err)
{
    static const struct mr_statement list = {
        "api_keys_list", "SELECT" COLUMNS " FROM api_keys k WHERE k.user_id = $1::bigint ORDER BY k.id", 1};
    char user[MR_INT64_TEXT_MAX];
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_AUTO_JSON json_t *keys = json_array();
    mr_int64_text(user_id, user);
    MR_TRY(mr_db_exec(db, &list, (const char *const[]){user}, &rows, err));
    for (int row = 0; row < mr_rows_count(rows); row++) {
        json_t *view = NULL;
        MR_TRY(view_of(rows, row, &view, err));
        if (json_array_append_new(keys, view) != 0)
            return mr_fail_oom(err);
    }
    *ret = MR_TAKE(keys);
    return MR_OK;
}

enum mr_status mr_api_key_delete(struct mr_db *db, int64_t user_id, const char *id, struct mr_err *err)
{
    static const struct mr_statement revoke = {
        "api_key_delete", "DELETE FROM api_keys WHERE user_id = $1::bigint AND id = $2::bigint", 2};
    char user[MR_INT64_TEXT_MAX];
    int64_t number = 0;
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    mr_int64_text(user_id, user);
    if (mr_parse_int64(id, 1, INT64_MAX, &number))
        MR_TRY(mr_db_exec(db, &revoke, (const char *const[]){user, id}, &rows, err));
    if (!rows || mr_rows_affected(rows) == 0)
        return mr_fail(err, MR_NOT_FOUND, "key not found");
    return MR_OK;
}

enum mr_status mr_api_key_use(struct mr_db *db, const char *key, struct mr_api_key_use *ret,
                              struct mr_err *err)
{
    /* A write for each minute, not for each use. */
    static const struct mr_statement use = {
        "api_key_use",
        "WITH found AS (SELECT id, user_id, can_read, can_write, expires_at, last_used_at FROM api_keys"
        " WHERE key_hash = $1 AND (expires_at IS NULL OR expires_at > now())),"
        " noted AS (UPDATE api_keys k SET last_used_at = now() FROM found f WHERE k.id = f.id"
        " AND (f.last_used_at IS NULL OR f.last_used_at < now() - interval '1 minute'))"
        " SELECT id, user_id, can_read::int AS can_read, can_write::int AS can_write,"
        " coalesce(ceil(extract(epoch FROM expires_at)), 0)::bigint AS expires_s FROM found",
        1};
    char hash[MR_SECRET_HASH_MAX];
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    mr_secret_token_hash(key, hash);
    MR_TRY(mr_db_exec(db, &use, (const char *const[]){hash}, &rows, err));
    if (mr_rows_count(rows) == 0)
        return mr_fail_code(err, MR_CODE_BAD_API_KEY,
                            "key rejected: it is unknown, was revoked, or has expired");
    *ret = (struct mr_api_key_use){.id = mr_rows_int64(rows, 0, "id"),
                                   .user_id = mr_rows_int64(rows, 0, "user_id"),
                                   .can_read = mr_rows_int64(rows, 0, "can_read") != 0,
                                   .can_write = mr_rows_int64(rows, 0, "can_write") != 0,
                                   .expires_s = mr_rows_int64(rows, 0, "expires_s")};
    return MR_OK;
}

enum mr_status mr_api_key_exists(struct mr_db *db, int64_t user_id, int64_t id, bool *ret, struct mr_err *err)
{
    static const struct mr_statement look = {
        "api_key_exists",
        "SELECT 1 FROM api_keys WHERE id = $1::bigint AND user_id = $2::bigint"
        " AND (expires_at IS NULL OR expires_at > now())",
        2};
    char number[MR_INT64_TEXT_MAX], user[MR_INT64_TEXT_MAX];
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    mr_int64_text(id, number);
    mr_int64_text(user_id, user);
    MR_TRY(mr_db_exec(db, &look, (const char *const[]){number, user}, &rows, err));
    *ret = mr_rows_count(rows) > 0;
    return MR_OK;
}
