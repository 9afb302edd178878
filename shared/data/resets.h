/*
 * Passwords reset by mail: a delivery (deliveries.h) of the channel `reset` goes to a confirmed address, with a link
 * whose token (secret_token.h) sets a new password once, within an hour. Any thread may call.
 */
#ifndef MR_DATA_RESETS_H
#define MR_DATA_RESETS_H

#include "shared/data/deliveries.h"
#include "shared/data/secret_token.h"

enum { MR_RESET_SECONDS = 3600 };

/* Owes a mail to the account with this address. *ret_message is to be published in every case: if there is no such
 * account, if its address is not confirmed, or if it had 3 mails in an hour or 10 in a day, it names no delivery, so
 * that both cases take the same time. */
MR_MUST_CHECK enum mr_status mr_reset_ask(struct mr_db *db, const char *email, struct mr_message *ret_message,
                                          struct mr_err *err);

/* MR_INVALID with code "bad_reset" unless the token can be used now. */
MR_MUST_CHECK enum mr_status mr_reset_check(struct mr_db *db, const char *token, struct mr_err *err);

/* Uses the token: the user gets this password, and the user's other reset tokens and login tokens end. As
 * mr_reset_check. */
MR_MUST_CHECK enum mr_status mr_reset_use(struct mr_db *db, const char *token, const char *password_hash,
                                          int64_t *ret_user_id, struct mr_err *err);

#endif
