#include "web/guests.h"

#include "shared/base/encoding.h"
#include "shared/base/random.h"
#include "web/users.h"

#include <inttypes.h>
#include <openssl/hmac.h>

enum { NAME_BYTES = 12, ORIGIN_MAX = 2 * EVP_MAX_MD_SIZE + 1, ORIGIN_BYTES = 16, EXPIRE_BATCH = 100 };

/* The same for the same address, and useless without the secret. */
static enum mr_status origin_of(const char *secret, const char *remote, char out[ORIGIN_MAX],
                                struct mr_err *err)
{
    char text[MR_LOGIN_ADDRESS_MAX + 8] = "guest ";
    unsigned char digest[EVP_MAX_MD_SIZE];
    mr_login_address(remote, text + strlen(text));
    if (!HMAC(EVP_sha256(), secret, (int)strlen(secret), (const unsigned char *)text, strlen(text), digest,
              NULL))
        return mr_fail(err, MR_INTERNAL, "cannot hash the address of a guest");
    mr_hex_encode(digest, ORIGIN_BYTES, out);
    return MR_OK;
}

static enum mr_status make_name(char out[MR_GUEST_NAME_MAX], struct mr_err *err)
{
    unsigned char bytes[NAME_BYTES];
    MR_TRY(mr_random_bytes(bytes, sizeof bytes, err));
    int len = snprintf(out, MR_GUEST_NAME_MAX, "guest-");
    mr_hex_encode(bytes, sizeof bytes, out + len);
    return MR_OK;
}

static enum mr_status insert(struct mr_web *web, const char *name, const char *origin, int64_t *ret_id,
                             struct mr_err *err)
{
    static const struct mr_statement make = {
        "guest_make", "SELECT id, wait_s FROM new_guest($1, $2, $3::bigint, $4::bigint, $5::bigint)", 5};
    const struct mr_config *config = web->config;
    char of_address[MR_INT64_TEXT_MAX], most[MR_INT64_TEXT_MAX], seconds[MR_INT64_TEXT_MAX];
    mr_int64_text(config->guests_address, of_address);
    mr_int64_text(config->max_guests, most);
    mr_int64_text(config->guest_s, seconds);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(web->db, &make, (const char *const[]){name, origin, of_address, most, seconds}, &rows,
                      err));
    if (mr_rows_is_null(rows, 0, "id")) {
        const int64_t wait_s = mr_rows_int64(rows, 0, "wait_s");
        return mr_retry_after(err,
                              mr_fail_code(err, MR_CODE_TOO_MANY_GUESTS,
                                           "guests: at most %" PRId64 " from one address, %" PRId64
                                           " altogether; make an account",
                                           config->guests_address, config->max_guests),
                              wait_s);
    }
    *ret_id = mr_rows_int64(rows, 0, "id");
    return MR_OK;
}

enum mr_status mr_guest_make(struct mr_web *web, const char *remote, int64_t *ret_id,
                             char ret_name[MR_GUEST_NAME_MAX], struct mr_err *err)
{
    char name[MR_GUEST_NAME_MAX], origin[ORIGIN_MAX];
    MR_TRY(origin_of(web->config->jwt_secret, remote, origin, err));
    MR_TRY(make_name(name, err));
    MR_TRY(insert(web, name, origin, ret_id, err));
    memcpy(ret_name, name, sizeof name);
    return MR_OK;
}

/* Which of the two names another user has. */
static enum mr_status taken(struct mr_db *db, const char *username, struct mr_err *err)
{
    static const struct mr_statement look = {"guest_name_taken",
                                             "SELECT EXISTS (SELECT FROM users WHERE lower(username) ="
                                             " lower($1) OR username_key = fold_name($1))::int AS taken",
                                             1};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(db, &look, &username, &rows, err));
    return mr_rows_int64(rows, 0, "taken")
               ? mr_fail_code(err, MR_CODE_USERNAME_TAKEN, "username is already taken")
               : mr_fail_code(err, MR_CODE_EMAIL_TAKEN, "email is already in use");
}

enum mr_status mr_guest_keep(struct mr_db *db, int64_t id, const char *username, const char *email,
                             const char *password_hash, struct mr_err *err)
{
    static const struct mr_statement keep = {
        "guest_keep",
        "UPDATE users SET username = $2, email = $3, password_hash = $4, guest_until = NULL,"
        " guest_from = NULL, token_version = token_version + 1"
        " WHERE id = $1::bigint AND deleted_at IS NULL AND guest_until > now()",
        4};
    char number[MR_INT64_TEXT_MAX];
    mr_int64_text(id, number);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    const enum mr_status status =
        mr_db_exec(db, &keep, (const char *const[]){number, username, email, password_hash}, &rows, err);
    if (status == MR_CONFLICT)
        return taken(db, username, err);
    if (status != MR_OK)
        return status;
    return mr_rows_affected(rows)
               ? MR_OK
               : mr_fail(err, MR_UNAUTHENTICATED, "token rejected: its guest no longer exists");
}

enum mr_status mr_guests_expire(struct mr_web *web, int64_t *total, struct mr_err *err)
{
    static const struct mr_statement expire = {
        "guests_expire",
        "UPDATE users SET deleted_at = now(), token_version = token_version + 1 WHERE id IN"
        " (SELECT id FROM users WHERE guest_until <= now() AND deleted_at IS NULL"
        "  ORDER BY guest_until LIMIT $1::int FOR UPDATE SKIP LOCKED)",
        1};
    char limit[MR_INT64_TEXT_MAX];
    mr_int64_text(EXPIRE_BATCH, limit);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(web->db, &expire, (const char *const[]){limit}, &rows, err));
    *total += mr_rows_affected(rows);
    return MR_OK;
}
