/* Signup, login, and who the caller is. Responses contain every spelling of the token that clients of the
 * older systems read. */
#include "shared/base/encoding.h"
#include "web/api/api.h"
#include "web/api/body.h"
#include "web/caller.h"
#include "web/confirmation.h"
#include "web/users.h"

#include <ctype.h>
#include <openssl/crypto.h>

enum { USERNAME_MAX = 80, EMAIL_MAX = 320, SECRET_BYTES_MAX = 64 };

static const char *const username_names[] = {"username", NULL};
static const char *const email_names[] = {"email", NULL};
static const char *const login_names[] = {"username", "email", NULL};
static const char *const password_names[] = {"password1", "password", NULL};
static const char *const repeated_names[] = {"password2", "password_2", NULL};
static const char *const login_password_names[] = {"password", NULL};

/* A response that no cache may keep. Takes the reference of body. */
static enum mr_status answer_secret(struct mr_request *req, int http_status, json_t *body, struct mr_err *err)
{
    MR_AUTO_JSON json_t *owned = body;
    MR_TRY(mr_respond_header(req, "Cache-Control", "no-store", err));
    return mr_respond_json(req, http_status, MR_TAKE(owned), err);
}

static enum mr_status answer_token(struct mr_web *web, struct mr_request *req, int http_status,
                                   const char *message, int64_t user_id, const char *username,
                                   struct mr_err *err)
{
    MR_AUTO_STR char *token = NULL;
    int64_t version = 0;
    MR_TRY(mr_user_token_version(web->db, user_id, &version, err));
    MR_TRY(mr_login_token_issue(web->config->jwt_secret, user_id, version, &token, err));
    json_t *body =
        json_pack("{s:s,s:s,s:s,s:s,s:s,s:i,s:I,s:I,s:s*}", "message", message, "access_token", token,
                  "token", token, "jwt", token, "token_type", "Bearer", "expires_in", MR_LOGIN_TOKEN_SECONDS,
                  "user_id", (json_int_t)user_id, "id", (json_int_t)user_id, "username", username);
    return answer_secret(req, http_status, body, err);
}

static enum mr_status check_username(const char *username, struct mr_err *err)
{
    if (strlen(username) > USERNAME_MAX)
        return mr_fail(err, MR_INVALID, "username must have at most %d bytes", USERNAME_MAX);
    for (const char *p = username; *p; p++)
        if (iscntrl((unsigned char)*p) || isspace((unsigned char)*p) || *p == '@')
            return mr_fail(err, MR_INVALID, "username must not contain spaces, control characters or @");
    return MR_OK;
}

/* One '@' with something before it and a dotted name after it. Only a mail could show whether the address
 * exists. */
static enum mr_status check_email(const char *email, struct mr_err *err)
{
    const char *at = strchr(email, '@');
    const char *dot = at ? strrchr(at, '.') : NULL;
    bool good = at && at != email && !strchr(at + 1, '@') && dot && dot > at + 1 && dot[1] &&
                strlen(email) <= EMAIL_MAX;
    for (const char *p = email; good && *p; p++)
        good = !iscntrl((unsigned char)*p) && !isspace((unsigned char)*p);
    return good ? MR_OK
                : mr_fail(err, MR_INVALID, "email must be a mail address of at most %d bytes", EMAIL_MAX);
}

struct signup {
    const char *username, *email, *password, *repeated; /* owned by the fields */
};

static enum mr_status read_signup(const json_t *fields, struct signup *ret, struct mr_err *err)
{
    const struct {
        const char *const *names;
        const char **value;
    } wanted[] = {{username_names, &ret->username},
                  {email_names, &ret->email},
                  {password_names, &ret->password},
                  {repeated_names, &ret->repeated}};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        MR_TRY(mr_body_text(fields, wanted[i].names, wanted[i].value, err));
    MR_TRY(check_username(ret->username, err));
    MR_TRY(check_email(ret->email, err));
    if (strcmp(ret->password, ret->repeated) != 0)
        return mr_fail_code(err, MR_CODE_PASSWORDS_DIFFER, "password and its repetition are not the same");
    return mr_password_check_rule(ret->password, err);
}

/* The account exists: what fails here the user can ask for again. */
static void ask_confirmation(struct mr_web *web, const struct mr_log *log, int64_t user_id)
{
    struct mr_err err;
    enum mr_confirmation_answer answer = MR_CONFIRMATION_DONE;
    if (mr_config_sends_mail(web->config) &&
        mr_web_ask_confirmation(web, log, user_id, &answer, &err) != MR_OK)
        mr_log_err(log, MR_LOG_WARNING, "cannot ask for the confirmation of a mail address", &err, "{s:I}",
                   "user_id", (json_int_t)user_id);
}

enum mr_status mr_api_signup(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    MR_AUTO_JSON json_t *fields = NULL;
    struct signup signup = {0};
    char hash[MR_PASSWORD_HASH_MAX], address[MR_LOGIN_ADDRESS_MAX];
    int64_t user_id = 0;
    MR_TRY(mr_body_fields(req, &fields, err));
    MR_TRY(read_signup(fields, &signup, err));
    MR_TRY(mr_login_count_signup(web->logins, mr_request_remote(req), err));
    mr_login_address(mr_request_remote(req), address);
    MR_TRY(mr_password_hash(web->passwords, address, signup.password, hash, err));
    MR_TRY(mr_user_create(web->db, signup.username, signup.email, hash, &user_id, err));
    mr_log_write(mr_request_log(req), MR_LOG_NOTICE, "user signed up", "{s:I}", "user_id",
                 (json_int_t)user_id);
    ask_confirmation(web, mr_request_log(req), user_id);
    return answer_token(web, req, 201, "the user was created", user_id, signup.username, err);
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
    MR_TRY(mr_login_begin(web->logins, mr_request_remote(req), login, &attempt, err));
    enum mr_status status = check_login(web, req, login, password, &user_id, err);
    mr_login_end(web->logins, &attempt,
                 status == MR_OK                ? MR_LOGIN_RIGHT
                 : status == MR_UNAUTHENTICATED ? MR_LOGIN_WRONG
                                                : MR_LOGIN_UNDECIDED);
    if (status != MR_OK)
        return status;
    return answer_token(web, req, 200, "logged in", user_id, NULL, err);
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
    if (!caller.by_key) /* a key that only reads must not let anybody sign webhooks */
        MR_TRY(portable_secret(user.webhook_secret, &secret, err));
    json_t *body = json_pack("{s:I,s:s,s:s,s:b,s:b,s:s*}", "id", (json_int_t)user.id, "username",
                             user.username, "email", user.email, "email_confirmed", user.is_confirmed,
                             "is_operator", user.is_operator, "webhook_secret", secret);
    return answer_secret(req, 200, body, err);
}
