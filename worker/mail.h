/*
 * The mail that reports a result to its user: plain text with a link to each file; the links need no login.
 * Names of files and users cannot break the text. Any thread may call.
 */
#ifndef MR_WORKER_MAIL_H
#define MR_WORKER_MAIL_H

#include "shared/base/json.h"
#include "shared/data/deliveries.h"
#include "shared/http/client_mail.h"
#include "worker/app.h"

/* The text of the mail for a processed task (its view). Lines end with CRLF; token goes into the links. *ret
 * is malloc'ed, and a secret like the token. */
MR_MUST_CHECK enum mr_status mr_mail_text(const json_t *task, const char *username, const char *public_url,
                                          const char *token, char **ret, struct mr_err *err);

/*
 * Makes one attempt to send the mail for a processed task (its view). SKIPPED: mails are switched off.
 * FAILED: the relay refused for good. RETRY: everything else; with MR_UNAUTHENTICATED, MR_DENIED or
 * MR_INTERNAL in reason an operator must act. *ret_reply is the last reply code of the relay, 0 without one.
 */
enum mr_delivery_end mr_result_mail_send(struct mr_worker *worker, const struct mr_delivery *delivery,
                                         const json_t *task, bool (*canceled)(void *ctx), void *canceled_ctx,
                                         int *ret_reply, struct mr_err *reason);

#endif
