#include "web/confirmation.h"

static enum mr_status publish(struct mr_web *web, const struct mr_message *message, struct mr_err *err)
{
    MR_TRY(mr_publish(&web->publisher, message, 1, MR_PUBLISH_REQUEST_MS, err));
    return mr_deliveries_mark(web->db, message, 1, err);
}

static enum mr_status refuse(int64_t wait_s, struct mr_err *err)
{
    if (!wait_s)
        return mr_fail_as(err, MR_DENIED, MR_CODE_CONFIRMATION_LIMIT,
                          "confirmation mails: too many went to this address; no more are sent");
    return mr_retry_after(
        err,
        mr_fail_code(err, MR_CODE_CONFIRMATION_LIMIT,
                     "confirmation mails: at most one an hour and three a day; look among spam"),
        wait_s);
}

enum mr_status mr_web_ask_confirmation(struct mr_web *web, const struct mr_log *log, int64_t user_id,
                                       enum mr_confirmation_answer *ret_answer, struct mr_err *err)
{
    struct mr_message message;
    int64_t wait_s = 0;
    if (!mr_config_sends_mail(web->config))
        return mr_fail_code(err, MR_CODE_MAIL_OFF, "mail is switched off");
    MR_TRY(mr_confirmation_ask(web->db, user_id, ret_answer, &message, &wait_s, err));
    if (*ret_answer == MR_CONFIRMATION_TOO_OFTEN)
        return refuse(wait_s, err);
    struct mr_err cause;
    if (*ret_answer == MR_CONFIRMATION_ASKED && publish(web, &message, &cause) != MR_OK)
        mr_log_err(log, MR_LOG_WARNING, "cannot publish a confirmation mail: the sweep will", &cause, "{s:I}",
                   "user_id", (json_int_t)user_id);
    return MR_OK;
}

void mr_web_ask_first_confirmation(struct mr_web *web, const struct mr_log *log, int64_t user_id)
{
    struct mr_err err;
    enum mr_confirmation_answer answer = MR_CONFIRMATION_DONE;
    if (mr_config_sends_mail(web->config) &&
        mr_web_ask_confirmation(web, log, user_id, &answer, &err) != MR_OK)
        mr_log_err(log, MR_LOG_WARNING, "cannot ask for the confirmation of a mail address", &err, "{s:I}",
                   "user_id", (json_int_t)user_id);
}
