/* Guests (web/guests.h): POST /api/auth/guest begins a session without an account, POST /api/auth/guest/account keeps it. */
#include "web/guests.h"

#include "web/api/account.h"
#include "web/api/api.h"
#include "web/api/body.h"
#include "web/caller.h"
#include "web/confirmation.h"
#include "web/users.h"

enum mr_status mr_api_guest_begin(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    char name[MR_GUEST_NAME_MAX];
    struct mr_login_token login = {.is_guest = true};
    if (strcmp(web->config->guests, "1") != 0)
        return mr_fail_code(err, MR_CODE_GUESTS_OFF, "guests are switched off; sign up instead");
    MR_TRY(mr_login_count_guest(web->logins, mr_request_remote(req), err));
    MR_TRY(mr_guest_make(web, mr_request_remote(req), &login.user_id, name, err));
    mr_log_write(mr_request_log(req), MR_LOG_NOTICE, "guest made", "{s:I}", "user_id",
                 (json_int_t)login.user_id);
    return mr_account_answer_login(web, req, 201, "the guest was made", login, web->config->guest_s, name,
                                   err);
}

/* The caller is a guest now, whatever its token says. */
static enum mr_status check_guest(struct mr_web *web, int64_t user_id, struct mr_err *err)
{
    MR_AUTO(mr_user) struct mr_user user = {0};
    MR_TRY(mr_user_get(web->db, user_id, &user, err));
    return user.guest_until_s ? MR_OK : mr_fail(err, MR_CONFLICT, "token: its user has an account already");
}

enum mr_status mr_api_guest_keep(void *app, struct mr_request *req, struct mr_err *err)
{
    static const char *const password_names[] = {"password1", "password", NULL};
    struct mr_web *web = app;
    struct mr_caller caller = {0};
    MR_AUTO_JSON json_t *fields = NULL;
    MR_AUTO_STR char *username = NULL;
    MR_AUTO_STR char *email = NULL;
    const char *password = NULL;
    char hash[MR_PASSWORD_HASH_MAX], address[MR_LOGIN_ADDRESS_MAX];
    MR_TRY(mr_caller_of(web, req, &caller, err));
    if (caller.by_key)
        return mr_fail_code(err, MR_CODE_OUT_OF_SCOPE, "key: this route needs the token of a guest");
    MR_TRY(mr_body_fields(req, &fields, err));
    MR_TRY(mr_account_username(fields, &username, err));
    MR_TRY(mr_account_email(fields, &email, err));
    MR_TRY(mr_account_new_password(fields, password_names, &password, err));
    MR_TRY(check_guest(web, caller.user_id, err));
    MR_TRY(mr_login_count_signup(web->logins, mr_request_remote(req), err));
    mr_login_address(mr_request_remote(req), address);
    MR_TRY(mr_password_hash(web->passwords, address, password, hash, err));
    MR_TRY(mr_guest_keep(web->db, caller.user_id, username, email, hash, err));
    mr_token_version_forget(web->token_versions, caller.user_id);
    mr_log_write(mr_request_log(req), MR_LOG_NOTICE, "guest became an account", "{s:I}", "user_id",
                 (json_int_t)caller.user_id);
    mr_web_ask_first_confirmation(web, mr_request_log(req), caller.user_id);
    return mr_account_answer_token(web, req, 200, "the guest is an account now", caller.user_id, username,
                                   err);
}
