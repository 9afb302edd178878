/* Signup, login, and who the caller is. Responses contain every spelling of the token that clients of the
 * older systems read. */
#include "shared/base/clock.h"
#include "shared/base/encoding.h"
#include "web/api/account.h"
#include "web/api/api.h"
#include "web/api/body.h"
#include "web/caller.h"
#include "web/confirmation.h"
#include "web/users.h"

#include <openssl/crypto.h>

enum { SECRET_BYTES_MAX = 64 };

static const char *const login_names[] = {"username", "email", NULL};
static const char *const password_names[] = {"password1", "password", NULL};
static const char *const login_password_names[] = {"password", NULL};

enum mr_status mr_api_signup(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    MR_AUTO_JSON json_t *fields = NULL;
    MR_AUTO_STR char *username = NULL;
    MR_AUTO_STR char *email = NULL;
    const char *password = NULL;
    char hash[MR_PASSWORD_HASH_MAX], address[MR_LOGIN_ADDRESS_MAX];
    int64_t user_id = 0;
    MR_TRY(mr_body_fields(req, &fields, err));
    MR_TRY(mr_account_username(fields, &username, err));
    MR_TRY(mr_account_email(fields, &email, err));
    MR_TRY(mr_account_new_password(fields, password_names, &password, err));
    MR_TRY(mr_login_count_signup(web->logins, mr_request_remote(req), err));
    mr_login_address(mr_request_remote(req), address);
    MR_TRY(mr_password_hash(web->passwords, address, password, hash, err));
    MR_TRY(mr_user_create(web->db, username, email, hash, &user_id, err));
    mr_log_write(mr_request_log(req), MR_LOG_NOTICE, "user signed up", "{s:I}", "user_id",
                 (json_int_t)user_id);
    mr_web_ask_first_confirmation(web, mr_request_log(req), user_id);
    return mr_account_answer_token(web, req, 201, "the user was created", user_id, username, err);
}

/* A hash of former parameters is replaced now that the password is known. If that fails, the next login does it. */
static void renew_hash(struct mr_web *web, const struct mr_request *req, const char *address, int64_t user_id,
                       const char *password, const char *old_hash)
{
    char hash[MR_PASSWORD_HASH_MAX];
    struct mr_err err = {0};
    if (mr_password_hash_is_current(old_hash))
        return;
    enum mr_status status = mr_password_hash(web->passwords, address, password, hash, &err);
    if (status == MR_OK)
        status = mr_user_replace_hash(web->db, user_id, old_hash, hash, &err);
    if (status != MR_OK)
        mr_log_err(mr_request_log(req), MR_LOG_WARNING, "cannot renew the hash of a password", &err, NULL);
}

/* *ret_user_id belongs to whom login and password fit. */
static enum mr_status check_login(struct mr_web *web, const struct mr_request *req, const char *login,
                                  const char *password, int64_t *ret_user_id, struct mr_err *err)
{
    char hash[MR_PASSWORD_HASH_MAX], address[MR_LOGIN_ADDRESS_MAX];
    int64_t user_id = 0;
    mr_login_address(mr_request_remote(req), address);
    MR_TRY(mr_user_find(web->db, login, &user_id, hash, err));
    MR_TRY(mr_password_verify(web->passwords, address, password, user_id ? hash : NULL, err));
    renew_hash(web, req, address, user_id, password, hash);
    *ret_user_id = user_id;
    return MR_OK;
}

enum mr_status mr_api_login(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    MR_AUTO_JSON json_t *fields = NULL;
    const char *login = NULL, *password = NULL;
    struct mr_login_attempt attempt;
    int64_t user_id = 0;
    MR_TRY(mr_body_fields(req, &fields, err));
    MR_TRY(mr_body_text(fields, login_names, &login, err));
    MR_TRY(mr_body_text(fields, login_password_names, &password, err));
    MR_TRY(mr_account_login_begin(web, req, login, &attempt, err));
    enum mr_status status = check_login(web, req, login, password, &user_id, err);
    mr_account_login_end(web, &attempt, status);
    if (status != MR_OK)
        return status;
    return mr_account_answer_token(web, req, 200, "logged in", user_id, NULL, err);
}

/* "whsec_" and the base64 of the key, as the libraries of Standard Webhooks accept it. */
static enum mr_status format_key(const unsigned char *key, size_t len, char **ret, struct mr_err *err)
{
    MR_AUTO_STR char *base64 = NULL;
    MR_AUTO(mr_buf) struct mr_buf text = MR_BUF_INIT(4 * SECRET_BYTES_MAX);
    MR_TRY(mr_base64_encode(key, len, &base64, err));
    MR_TRY(mr_buf_appendf(&text, err, "whsec_%s", base64));
    *ret = mr_buf_take(&text);
    return MR_OK;
}

/* *ret is malloc'ed. */
static enum mr_status portable_secret(const char *hex, char **ret, struct mr_err *err)
{
    unsigned char key[SECRET_BYTES_MAX];
    size_t len = 0;
    if (OPENSSL_hexstr2buf_ex(key, sizeof key, &len, hex, '\0') != 1)
        return mr_fail(err, MR_INTERNAL, "webhook secret is not hexadecimal");
    enum mr_status status = format_key(key, len, ret, err);
    OPENSSL_cleanse(key, sizeof key);
    return status;
}

enum mr_status mr_api_me(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    struct mr_caller caller = {0};
    MR_AUTO(mr_user) struct mr_user user = {0};
    MR_AUTO_STR char *secret = NULL;
    MR_TRY(mr_caller_of(web, req, &caller, err));
    MR_TRY(mr_user_get(web->db, caller.user_id, &user, err));
    if (!caller.by_key && !user.guest_until_s) /* a key that only reads must not let anybody sign webhooks */
        MR_TRY(portable_secret(user.webhook_secret, &secret, err));
    json_t *body =
        json_pack("{s:I,s:s,s:s,s:b,s:b,s:b,s:s*}", "id", (json_int_t)user.id, "username", user.username,
                  "email", user.email, "email_confirmed", user.is_confirmed, "is_operator", user.is_operator,
                  "is_guest", user.guest_until_s != 0, "webhook_secret", secret);
    if (body && user.guest_until_s &&
        json_object_set_new(body, "expires_in",
                            json_integer(user.guest_until_s - mr_time_now_us() / 1000000)) != 0) {
        json_decref(body);
        return mr_fail_oom(err);
    }
    return mr_account_answer(req, 200, body, err);
}
