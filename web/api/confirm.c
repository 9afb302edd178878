/*
 * The confirmation of a mail address. The link of the mail leads to a page (GET, static.c) with a button that sends the
 * token (POST): programs that look at the links of incoming mails confirm nothing.
 */
#include "web/api/api.h"
#include "web/api/body.h"
#include "web/caller.h"
#include "web/confirmation.h"

static const char *const token_names[] = {"token", NULL};

/* In the query, where the page has it, or as a field. The token belongs to req or to *ret_fields. */
static enum mr_status read_token(struct mr_request *req, json_t **ret_fields, const char **ret,
                                 struct mr_err *err)
{
    *ret = mr_request_query(req, "token");
    if (*ret && **ret)
        return MR_OK;
    MR_TRY(mr_body_fields(req, ret_fields, err));
    return mr_body_text(*ret_fields, token_names, ret, err);
}

enum mr_status mr_api_confirm(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    MR_AUTO_JSON json_t *fields = NULL;
    const char *token = NULL;
    int64_t user_id = 0;
    MR_TRY(read_token(req, &fields, &token, err));
    MR_TRY(mr_confirmation_accept(web->db, token, &user_id, err));
    mr_log_write(mr_request_log(req), MR_LOG_NOTICE, "mail address confirmed", "{s:I}", "user_id",
                 (json_int_t)user_id);
    return mr_respond_json(req, 200, json_pack("{s:s}", "message", "the mail address is confirmed"), err);
}

enum mr_status mr_api_confirmation_create(void *app, struct mr_request *req, struct mr_err *err)
{
    struct mr_web *web = app;
    int64_t user_id = 0;
    enum mr_confirmation_answer answer = MR_CONFIRMATION_DONE;
    MR_TRY(mr_caller_account(web, req, &user_id, err));
    MR_TRY(mr_web_ask_confirmation(web, mr_request_log(req), user_id, &answer, err));
    if (answer == MR_CONFIRMATION_DONE)
        return mr_respond_json(req, 200, json_pack("{s:s}", "message", "the mail address is confirmed"), err);
    return mr_respond_json(req, 202, json_pack("{s:s}", "message", "the mail is sent: open its link"), err);
}
