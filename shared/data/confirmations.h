/*
 * Confirmed mail addresses: a mail with a link asks the owner of an account's address; until the link is used, no
 * other mail goes there. The mail is a delivery (deliveries.h) of the channel `confirmation`. The token in its link is
 * valid for a day and once (secret_token.h). Any thread may call.
 */
#ifndef MR_DATA_CONFIRMATIONS_H
#define MR_DATA_CONFIRMATIONS_H

#include "shared/data/deliveries.h"
#include "shared/data/secret_token.h"

enum { MR_CONFIRMATION_SECONDS = 86400 };

enum mr_confirmation_answer {
    MR_CONFIRMATION_ASKED,    /* *ret_message is to be published; the sweep does what fails */
    MR_CONFIRMATION_DONE,     /* the address is confirmed: nothing to ask */
    MR_CONFIRMATION_TOO_OFTEN /* asked a short time ago */
};

/* Asks for a confirmation of a user's address. *ret_wait_s, for TOO_OFTEN: after how many seconds it can be asked
 * again; 0: never. */
MR_MUST_CHECK enum mr_status mr_confirmation_ask(struct mr_db *db, int64_t user_id,
                                                 enum mr_confirmation_answer *ret_answer,
                                                 struct mr_message *ret_message, int64_t *ret_wait_s,
                                                 struct mr_err *err);

/* A new token for a claimed confirmation; tokens of earlier attempts end. *ret_ours is false when the fence no longer
 * matches. */
MR_MUST_CHECK enum mr_status mr_confirmation_token(struct mr_db *db, const struct mr_delivery *delivery,
                                                   char ret_token[MR_SECRET_TOKEN_MAX], bool *ret_ours,
                                                   struct mr_err *err);

/* Confirms the address that the token was sent to. MR_INVALID with code "bad_confirmation" if it is unknown, used or
 * expired. */
MR_MUST_CHECK enum mr_status mr_confirmation_accept(struct mr_db *db, const char *token, int64_t *ret_user_id,
                                                    struct mr_err *err);

#endif
