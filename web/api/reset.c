/*
 * A new password by mail. POST /api/auth/reset answers the same for every address, in the same time. The link of the mail
 * leads to a page (GET, static.c) with a form that sends the token and the password (POST).
 */
#include "shared/data/resets.h"

#include "web/api/account.h"
#include "web/api/api.h"
#include "web/api/body.h"

static enum mr_status publish(struct mr_web *web, const struct mr_message *message, struct mr_err *err)
{
    MR_TRY(mr_publish(&web->publisher, message, 1, MR_PUBLISH_REQUEST_MS, err));
    return mr_deliveries_mark(web->db, message, 1, err);
}

enum mr_status mr_api_reset_ask(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    MR_AUTO_JSON json_t *fields = NULL;
    MR_AUTO_STR char *email = NULL;
    struct mr_message message;
    struct mr_err cause;
    MR_TRY(mr_body_fields(req, &fields, err));
    MR_TRY(mr_account_email(fields, &email, err));
    if (!mr_config_sends_mail(web->config))
        return mr_fail_code(err, MR_CODE_MAIL_OFF, "mail is switched off");
    MR_TRY(mr_login_count_reset(web->logins, mr_request_remote(req), err));
    MR_TRY(mr_reset_ask(web->db, email, &message, err));
    if (publish(web, &message, &cause) != MR_OK)
        mr_log_err(mr_request_log(req), MR_LOG_WARNING,
                   "cannot publish a mail for a new password: the sweep will", &cause, NULL);
    return mr_respond_json(
        req, 202,
        json_pack("{s:s}", "message", "if an account has confirmed this address, a mail with a link is sent"),
        err);
}

enum mr_status mr_api_reset_use(void *app, struct mr_request *req, struct mr_err *err)
{
    static const char *const names[] = {"password1", "password", NULL};
    static const char *const token_names[] = {"token", NULL};
    struct mr_web *web = app;
    MR_AUTO_JSON json_t *fields = NULL;
    const char *token = mr_request_query(req, "token"), *password = NULL;
    char hash[MR_PASSWORD_HASH_MAX], address[MR_LOGIN_ADDRESS_MAX];
    int64_t user_id = 0;
    MR_TRY(mr_body_fields(req, &fields, err));
    if (!token || !*token)
        MR_TRY(mr_body_text(fields, token_names, &token, err));
    MR_TRY(mr_account_new_password(fields, names, &password, err));
    MR_TRY(mr_reset_check(web->db, token, err)); /* before the work of hashing */
    mr_login_address(mr_request_remote(req), address);
    MR_TRY(mr_password_hash(web->passwords, address, password, hash, err));
    MR_TRY(mr_reset_use(web->db, token, hash, &user_id, err));
    mr_token_version_forget(web->token_versions, user_id);
    mr_log_write(mr_request_log(req), MR_LOG_NOTICE, "password set by mail", "{s:I}", "user_id",
                 (json_int_t)user_id);
    return mr_respond_json(req, 200, json_pack("{s:s}", "message", "the password is changed: log in with it"),
                           err);
}
