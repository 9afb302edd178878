/*
 * The mail that tells a user of a result: plain text with a link to each file, which needs no login. What
 * names hold, files' or users', stays text. Any thread may call.
 */
#ifndef MR_WORKER_MAIL_H
#define MR_WORKER_MAIL_H

#include "shared/base/json.h"
#include "shared/data/deliveries.h"
#include "shared/http/client_mail.h"
#include "worker/app.h"

/* The text: lines end with CRLF, token goes into the links. *ret is malloc'ed; a secret, as the token is. */
MR_MUST_CHECK enum mr_status mr_mail_text(const json_t *task, const char *username, const char *public_url,
                                          const char *token, char **ret, struct mr_err *err);

/*
 * Sends the mail for a processed task (its view) once. SKIPPED: mails are switched off. FAILED: refused for
 * good. RETRY: all else; reason's status MR_UNAUTHENTICATED, MR_DENIED and MR_INTERNAL are the operator's to
 * mend. *ret_reply is the relay's last reply code, 0 if none came.
 */
enum mr_delivery_end mr_result_mail_send(struct mr_worker *worker, const struct mr_delivery *delivery,
                                         const json_t *task, bool (*canceled)(void *ctx), void *canceled_ctx,
                                         int *ret_reply, struct mr_err *reason);

#endif
