/* What users change about their account: password, name, logins; and its deletion. All of it needs a login token. */
#include "web/api/account.h"
#include "web/api/api.h"
#include "web/api/body.h"
#include "web/caller.h"
#include "web/users.h"

/* The present password, in `password`. Guesses count as those of a login do. */
static enum mr_status check_password(struct mr_web *web, const struct mr_request *req, const json_t *fields,
                                     int64_t user_id, struct mr_err *err)
{
    static const char *const names[] = {"password", NULL};
    const char *password = NULL;
    char address[MR_LOGIN_ADDRESS_MAX];
    struct mr_login_attempt attempt;
    MR_AUTO(mr_user) struct mr_user user = {0};
    MR_TRY(mr_body_text(fields, names, &password, err));
    MR_TRY(mr_user_get(web->db, user_id, &user, err));
    MR_TRY(mr_account_login_begin(web, req, user.username, &attempt, err));
    mr_login_address(mr_request_remote(req), address);
    enum mr_status status = mr_password_verify(web->passwords, address, password, user.password_hash, err);
    mr_account_login_end(web, &attempt, status);
    return status == MR_UNAUTHENTICATED ? mr_fail_code(err, MR_CODE_WRONG_PASSWORD, "password is wrong")
                                        : status;
}

static void log_change(const struct mr_request *req, const char *what, int64_t user_id)
{
    mr_log_write(mr_request_log(req), MR_LOG_NOTICE, what, "{s:I}", "user_id", (json_int_t)user_id);
}

enum mr_status mr_api_password_change(void *app, struct mr_request *req, struct mr_err *err)
{
    static const char *const names[] = {"password1", NULL};
    struct mr_web *web = app;
    int64_t user_id = 0;
    MR_AUTO_JSON json_t *fields = NULL;
    const char *password = NULL;
    char hash[MR_PASSWORD_HASH_MAX], address[MR_LOGIN_ADDRESS_MAX];
    MR_TRY(mr_caller_account(web, req, &user_id, err));
    MR_TRY(mr_body_fields(req, &fields, err));
    MR_TRY(mr_account_new_password(fields, names, &password, err));
    MR_TRY(check_password(web, req, fields, user_id, err));
    mr_login_address(mr_request_remote(req), address);
    MR_TRY(mr_password_hash(web->passwords, address, password, hash, err));
    MR_TRY(mr_user_set_password(web->db, user_id, hash, err));
    mr_token_version_forget(web->token_versions, user_id);
    log_change(req, "password changed", user_id);
    return mr_account_answer_token(web, req, 200, "the password is changed", user_id, NULL, err);
}

enum mr_status mr_api_logout(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    int64_t user_id = 0;
    MR_TRY(mr_caller_account(web, req, &user_id, err));
    MR_TRY(mr_user_end_tokens(web->db, user_id, err));
    mr_token_version_forget(web->token_versions, user_id);
    log_change(req, "login tokens ended", user_id);
    return mr_respond_json(req, 200, json_pack("{s:s}", "message", "all login tokens are ended"), err);
}

enum mr_status mr_api_rename(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    int64_t user_id = 0;
    MR_AUTO_JSON json_t *fields = NULL;
    MR_AUTO_STR char *username = NULL;
    MR_TRY(mr_caller_account(web, req, &user_id, err));
    MR_TRY(mr_body_fields(req, &fields, err));
    MR_TRY(mr_account_username(fields, &username, err));
    MR_TRY(mr_user_rename(web->db, user_id, username, err));
    log_change(req, "user renamed", user_id);
    return mr_respond_json(
        req, 200, json_pack("{s:s,s:s}", "message", "the name is changed", "username", username), err);
}

/* The caller may end its account: by its password, which a guest does not have. */
static enum mr_status check_owner(struct mr_web *web, struct mr_request *req, int64_t *ret_user_id,
                                  struct mr_err *err)
{
    struct mr_caller caller = {0};
    MR_AUTO_JSON json_t *fields = NULL;
    MR_TRY(mr_caller_of(web, req, &caller, err));
    *ret_user_id = caller.user_id;
    if (caller.is_guest)
        return MR_OK;
    MR_TRY(mr_caller_account(web, req, ret_user_id, err));
    MR_TRY(mr_body_fields(req, &fields, err));
    return check_password(web, req, fields, *ret_user_id, err);
}

enum mr_status mr_api_account_delete(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    int64_t user_id = 0;
    MR_TRY(check_owner(web, req, &user_id, err));
    MR_TRY(mr_user_delete(web->db, user_id, err));
    mr_token_version_forget(web->token_versions, user_id);
    log_change(req, "account deleted: the sweep deletes what it has", user_id);
    return mr_respond_json(
        req, 202,
        json_pack("{s:s}", "message", "the account is closed; its files are deleted within minutes"), err);
}
