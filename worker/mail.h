/*
 * The mails: the one that reports a result to its user, with a link to each file that needs no login, and the ones
 * about an account: the confirmation of its address, a new password. The texts are fixed: nothing that a user has written
 * is in them, except the extension of a file. Any thread may call.
 */
#ifndef MR_WORKER_MAIL_H
#define MR_WORKER_MAIL_H

#include "shared/base/json.h"
#include "shared/data/deliveries.h"
#include "shared/http/client_mail.h"
#include "worker/app.h"

/* The text of the mail for a processed task (its view). Lines end with CRLF; token goes into the links. *ret
 * is malloc'ed, and a secret like the token. */
MR_MUST_CHECK enum mr_status mr_mail_text(const json_t *task, const char *public_url, const char *token,
                                          char **ret, struct mr_err *err);
/* The text of the mail with the link that confirms an address; as above. */
MR_MUST_CHECK enum mr_status mr_mail_confirmation_text(const char *public_url, const char *token, char **ret,
                                                       struct mr_err *err);
/* The text of the mail with the link that sets a new password; as above. */
MR_MUST_CHECK enum mr_status mr_mail_reset_text(const char *public_url, const char *token, char **ret,
                                                struct mr_err *err);

/*
 * Makes one attempt to send the mail for a processed task (its view) or, without a task, the mail about the account that
 * the delivery's channel names. SKIPPED: mails are switched off. FAILED: the relay refused for good. RETRY: everything else; with
 * MR_UNAUTHENTICATED, MR_DENIED or MR_INTERNAL in reason an operator must act. *ret_reply is the last reply code of
 * the relay, 0 without one.
 */
enum mr_delivery_end mr_delivery_mail_send(struct mr_worker *worker, const struct mr_delivery *delivery,
                                           const json_t *task, bool (*canceled)(void *ctx),
                                           void *canceled_ctx, int *ret_reply, struct mr_err *reason);

#endif
