#include "web/users.h"

#include "shared/base/encoding.h"

enum mr_status mr_user_create(struct mr_db *db, const char *username, const char *email,
                              const char *password_hash, int64_t *ret_id, struct mr_err *err)
{
    /* One statement finds out which of the two is taken; the unique indexes decide a race. */
    static const struct mr_statement create = {
        "user_create",
        "WITH made AS (INSERT INTO users (username, email, password_hash) VALUES ($1, $2, $3)"
        " ON CONFLICT DO NOTHING RETURNING id)"
        " SELECT (SELECT id FROM made) AS id,"
        " EXISTS (SELECT FROM users WHERE lower(username) = lower($1) OR username_key = fold_name($1))::int"
        " AS name_taken",
        3};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(db, &create, (const char *const[]){username, email, password_hash}, &rows, err));
    if (!mr_rows_is_null(rows, 0, "id")) {
        *ret_id = mr_rows_int64(rows, 0, "id");
        return MR_OK;
    }
    if (mr_rows_int64(rows, 0, "name_taken"))
        return mr_fail_code(err, MR_CODE_USERNAME_TAKEN, "username is already taken");
    return mr_fail_code(err, MR_CODE_EMAIL_TAKEN, "email is already in use");
}

enum mr_status mr_user_find(struct mr_db *db, const char *login, int64_t *ret_id,
                            char ret_hash[MR_PASSWORD_HASH_MAX], struct mr_err *err)
{
    static const struct mr_statement find = {
        "user_find",
        "SELECT id, password_hash FROM users WHERE deleted_at IS NULL AND guest_until IS NULL"
        " AND (lower(username) = lower($1) OR lower(email) = lower($1) OR username_key = fold_name($1)"
        " OR email_key = fold_name($1)) ORDER BY lower(username) = lower($1) DESC,"
        " lower(email) = lower($1) DESC, coalesce(username_key = fold_name($1), false) DESC LIMIT 1",
        1};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(db, &find, &login, &rows, err));
    *ret_id = 0;
    if (mr_rows_count(rows) == 0)
        return MR_OK;
    *ret_id = mr_rows_int64(rows, 0, "id");
    snprintf(ret_hash, MR_PASSWORD_HASH_MAX, "%s", mr_rows_text(rows, 0, "password_hash"));
    return MR_OK;
}

static enum mr_status no_such_user(struct mr_err *err)
{
    return mr_fail(err, MR_UNAUTHENTICATED, "token rejected: its user no longer exists");
}

enum mr_status mr_user_token_version(struct mr_db *db, int64_t id, int64_t *ret, struct mr_err *err)
{
    static const struct mr_statement look = {
        "user_token_version",
        "SELECT token_version FROM users WHERE id = $1::bigint AND deleted_at IS NULL"
        " AND (guest_until IS NULL OR guest_until > now())",
        1};
    char number[MR_INT64_TEXT_MAX];
    mr_int64_text(id, number);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(db, &look, (const char *const[]){number}, &rows, err));
    if (mr_rows_count(rows) == 0)
        return no_such_user(err);
    *ret = mr_rows_int64(rows, 0, "token_version");
    return MR_OK;
}

enum mr_status mr_user_replace_hash(struct mr_db *db, int64_t id, const char *old_hash, const char *new_hash,
                                    struct mr_err *err)
{
    static const struct mr_statement replace = {
        "user_replace_hash",
        "UPDATE users SET password_hash = $3 WHERE id = $1::bigint AND password_hash = $2", 3};
    char number[MR_INT64_TEXT_MAX];
    mr_int64_text(id, number);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    return mr_db_exec(db, &replace, (const char *const[]){number, old_hash, new_hash}, &rows, err);
}

/* One statement on a user's row. no_such_user if it changes none. */
static enum mr_status change(struct mr_db *db, const struct mr_statement *statement, int64_t id,
                             const char *value, struct mr_err *err)
{
    char number[MR_INT64_TEXT_MAX];
    mr_int64_text(id, number);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(db, statement, (const char *const[]){number, value}, &rows, err));
    return mr_rows_affected(rows) ? MR_OK : no_such_user(err);
}

enum mr_status mr_user_set_password(struct mr_db *db, int64_t id, const char *hash, struct mr_err *err)
{
    static const struct mr_statement set = {
        "user_set_password",
        "UPDATE users SET password_hash = $2, token_version = token_version + 1"
        " WHERE id = $1::bigint AND deleted_at IS NULL",
        2};
    return change(db, &set, id, hash, err);
}

enum mr_status mr_user_end_tokens(struct mr_db *db, int64_t id, struct mr_err *err)
{
    static const struct mr_statement end = {
        "user_end_tokens",
        "UPDATE users SET token_version = token_version + 1 WHERE id = $1::bigint AND deleted_at IS NULL", 1};
    return change(db, &end, id, NULL, err);
}

enum mr_status mr_user_rename(struct mr_db *db, int64_t id, const char *username, struct mr_err *err)
{
    static const struct mr_statement rename = {
        "user_rename", "UPDATE users SET username = $2 WHERE id = $1::bigint AND deleted_at IS NULL", 2};
    enum mr_status status = change(db, &rename, id, username, err);
    return status == MR_CONFLICT ? mr_fail_code(err, MR_CODE_USERNAME_TAKEN, "username is already taken")
                                 : status;
}

enum mr_status mr_user_delete(struct mr_db *db, int64_t id, struct mr_err *err)
{
    static const struct mr_statement mark = {
        "user_delete",
        "WITH keys AS (DELETE FROM api_keys WHERE user_id = $1::bigint)"
        " UPDATE users SET deleted_at = now(), token_version = token_version + 1"
        " WHERE id = $1::bigint AND deleted_at IS NULL",
        1};
    return change(db, &mark, id, NULL, err);
}

void mr_user_free(struct mr_user *user)
{
    if (user->webhook_secret)
        explicit_bzero(user->webhook_secret, strlen(user->webhook_secret));
    free(user->username);
    free(user->email);
    free(user->webhook_secret);
    *user = (struct mr_user){0};
}

enum mr_status mr_user_get(struct mr_db *db, int64_t id, struct mr_user *ret, struct mr_err *err)
{
    static const struct mr_statement get = {
        "user_get",
        "SELECT username, email, password_hash, webhook_secret, is_operator::int AS is_operator,"
        " (email_confirmed_at IS NOT NULL)::int AS is_confirmed,"
        " coalesce(floor(extract(epoch FROM guest_until)), 0)::bigint AS guest_until_s FROM users"
        " WHERE id = $1::bigint AND deleted_at IS NULL",
        1};
    char number[MR_INT64_TEXT_MAX];
    mr_int64_text(id, number);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(db, &get, (const char *const[]){number}, &rows, err));
    if (mr_rows_count(rows) == 0)
        return no_such_user(err);
    MR_AUTO(mr_user)
    struct mr_user user = {
        .id = id,
        .username = strdup(mr_rows_text(rows, 0, "username")),
        .email = strdup(mr_rows_text(rows, 0, "email")),
        .webhook_secret = strdup(mr_rows_text(rows, 0, "webhook_secret")),
        .is_confirmed = mr_rows_int64(rows, 0, "is_confirmed") != 0,
        .is_operator = mr_rows_int64(rows, 0, "is_operator") != 0,
        .guest_until_s = mr_rows_int64(rows, 0, "guest_until_s"),
    };
    if (!user.username || !user.email || !user.webhook_secret)
        return mr_fail_oom(err);
    snprintf(user.password_hash, sizeof user.password_hash, "%s", mr_rows_text(rows, 0, "password_hash"));
    *ret = user;
    user = (struct mr_user){0};
    return MR_OK;
}
