#include "web/api/account.h"

#include "shared/base/clock.h"
#include "shared/base/unicode.h"
#include "web/api/body.h"
#include "web/users.h"

enum { USERNAME_MAX = 80, EMAIL_MAX = 320 };

static enum mr_status normal_text(const json_t *fields, const char *const *names, char **ret,
                                  struct mr_err *err)
{
    const char *text = NULL;
    MR_TRY(mr_body_text(fields, names, &text, err));
    return mr_unicode_nfc(text, ret, err);
}

enum mr_status mr_account_username(const json_t *fields, char **ret, struct mr_err *err)
{
    static const char *const names[] = {"username", NULL};
    MR_AUTO_STR char *username = NULL;
    MR_TRY(normal_text(fields, names, &username, err));
    const struct mr_unicode_traits t = mr_unicode_traits_of(username);
    if (t.characters > USERNAME_MAX)
        return mr_fail(err, MR_INVALID, "username must have at most %d characters", USERNAME_MAX);
    if (t.blank || t.control || t.invisible || strchr(username, '@'))
        return mr_fail(err, MR_INVALID,
                       "username must not contain blanks, control characters, invisible characters or @");
    *ret = MR_TAKE(username);
    return MR_OK;
}

/* One '@' with something before it and a dotted name after it. Only a mail could show whether the address exists. */
enum mr_status mr_account_email(const json_t *fields, char **ret, struct mr_err *err)
{
    static const char *const names[] = {"email", NULL};
    MR_AUTO_STR char *email = NULL;
    MR_TRY(normal_text(fields, names, &email, err));
    const struct mr_unicode_traits t = mr_unicode_traits_of(email);
    const char *at = strchr(email, '@');
    const char *dot = at ? strrchr(at, '.') : NULL;
    bool good = at && at != email && !strchr(at + 1, '@') && dot && dot > at + 1 && dot[1] &&
                t.characters <= EMAIL_MAX && !t.blank && !t.control && !t.invisible;
    if (!good)
        return mr_fail(err, MR_INVALID, "email must be a mail address of at most %d characters", EMAIL_MAX);
    *ret = MR_TAKE(email);
    return MR_OK;
}

/* The two are the same, however they are composed. */
static enum mr_status check_repetition(const char *password, const char *repeated, struct mr_err *err)
{
    MR_AUTO_STR char *one = NULL;
    MR_AUTO_STR char *other = NULL;
    MR_TRY(mr_unicode_nfc(password, &one, err));
    MR_TRY(mr_unicode_nfc(repeated, &other, err));
    bool same = strcmp(one, other) == 0;
    explicit_bzero(one, strlen(one));
    explicit_bzero(other, strlen(other));
    return same ? MR_OK
                : mr_fail_code(err, MR_CODE_PASSWORDS_DIFFER, "password and its repetition are not the same");
}

enum mr_status mr_account_new_password(const json_t *fields, const char *const *names, const char **ret,
                                       struct mr_err *err)
{
    static const char *const repeated_names[] = {"password2", "password_2", NULL};
    const char *password = NULL, *repeated = NULL;
    MR_TRY(mr_body_text(fields, names, &password, err));
    MR_TRY(mr_body_text(fields, repeated_names, &repeated, err));
    MR_TRY(check_repetition(password, repeated, err));
    MR_TRY(mr_password_check_rule(password, err));
    *ret = password;
    return MR_OK;
}

enum mr_status mr_account_login_begin(struct mr_web *web, const struct mr_request *req, const char *login,
                                      struct mr_login_attempt *ret, struct mr_err *err)
{
    MR_AUTO_STR char *folded = NULL;
    MR_TRY(mr_unicode_fold(login, &folded, err));
    return mr_login_begin(web->logins, mr_request_remote(req), folded, ret, err);
}

void mr_account_login_end(struct mr_web *web, const struct mr_login_attempt *attempt, enum mr_status checked)
{
    mr_login_end(web->logins, attempt,
                 checked == MR_OK                ? MR_LOGIN_RIGHT
                 : checked == MR_UNAUTHENTICATED ? MR_LOGIN_WRONG
                                                 : MR_LOGIN_UNDECIDED);
}

enum mr_status mr_account_answer(struct mr_request *req, int http_status, json_t *body, struct mr_err *err)
{
    MR_AUTO_JSON json_t *owned = body;
    MR_TRY(mr_respond_header(req, "Cache-Control", "no-store", err));
    return mr_respond_json(req, http_status, MR_TAKE(owned), err);
}

enum mr_status mr_account_answer_login(struct mr_web *web, struct mr_request *req, int http_status,
                                       const char *message, struct mr_login_token login, int64_t seconds,
                                       const char *username, struct mr_err *err)
{
    MR_AUTO_STR char *token = NULL;
    login.expires_s = mr_time_now_us() / 1000000 + seconds;
    MR_TRY(mr_login_token_issue(web->config->jwt_secret, &login, &token, err));
    json_t *body = json_pack("{s:s,s:s,s:s,s:s,s:s,s:I,s:I,s:I,s:s*}", "message", message, "access_token",
                             token, "token", token, "jwt", token, "token_type", "Bearer", "expires_in",
                             (json_int_t)seconds, "user_id", (json_int_t)login.user_id, "id",
                             (json_int_t)login.user_id, "username", username);
    return mr_account_answer(req, http_status, body, err);
}

enum mr_status mr_account_answer_token(struct mr_web *web, struct mr_request *req, int http_status,
                                       const char *message, int64_t user_id, const char *username,
                                       struct mr_err *err)
{
    struct mr_login_token login = {.user_id = user_id};
    MR_TRY(mr_user_token_version(web->db, user_id, &login.version, err));
    return mr_account_answer_login(web, req, http_status, message, login, MR_LOGIN_TOKEN_SECONDS, username,
                                   err);
}
