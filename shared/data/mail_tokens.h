/* Tokens of links in mails to a user (secret_token.h): the row of the delivery holds the hash and the end. Any thread. */
#ifndef MR_DATA_MAIL_TOKENS_H
#define MR_DATA_MAIL_TOKENS_H

#include "shared/data/deliveries.h"
#include "shared/data/secret_token.h"

/* A new token for a claimed delivery, valid for `seconds`; tokens of earlier attempts end. *ret_ours is false when the
 * fence no longer matches. */
MR_MUST_CHECK enum mr_status mr_mail_token_make(struct mr_db *db, const struct mr_delivery *delivery,
                                                int64_t seconds, char ret_token[MR_SECRET_TOKEN_MAX],
                                                bool *ret_ours, struct mr_err *err);

#endif
