/* Asks users to confirm their mail address (shared/data/confirmations.h). Any thread. */
#ifndef MR_WEB_CONFIRMATION_H
#define MR_WEB_CONFIRMATION_H

#include "shared/data/confirmations.h"
#include "web/app.h"

/*
 * Has the mail with the link sent. *ret_answer: as mr_confirmation_ask, with MR_EXHAUSTED and code
 * "confirmation_limit" for MR_CONFIRMATION_TOO_OFTEN. MR_CONFLICT with code "mail_off" if the service sends no mails.
 * A message that cannot be published is logged and left to the sweep.
 */
MR_MUST_CHECK enum mr_status mr_web_ask_confirmation(struct mr_web *web, const struct mr_log *log,
                                                     int64_t user_id, enum mr_confirmation_answer *ret_answer,
                                                     struct mr_err *err);

/* The same for a new account, if mails are sent. A failure is logged: the account exists, and its user can ask again. */
void mr_web_ask_first_confirmation(struct mr_web *web, const struct mr_log *log, int64_t user_id);

#endif
