/*
 * Download links that need no login: a token (secret_token.h) gives access to the outputs of one task until it
 * expires. Any thread may call.
 */
#ifndef MR_DATA_LINKS_H
#define MR_DATA_LINKS_H

#include "shared/data/db.h"
#include "shared/data/secret_token.h"

enum { MR_LINK_SECONDS = 7 * 86400 };

/* Makes a link to the task's outputs, valid for `seconds` (in mails: MR_LINK_SECONDS). ret_token gets 43
 * characters of base64url, a bearer secret. MR_NOT_FOUND if the task does not exist. */
MR_MUST_CHECK enum mr_status mr_link_create(struct mr_db *db, int64_t task_id, int64_t seconds,
                                            char ret_token[MR_SECRET_TOKEN_MAX], struct mr_err *err);

/* The owner of the task that `token` gives access to. MR_UNAUTHENTICATED with code "bad_link" if it is unknown,
 * expired, or for another task than file_id's. */
MR_MUST_CHECK enum mr_status mr_link_owner(struct mr_db *db, const char *token, const char *file_id,
                                           int64_t *ret_user_id, struct mr_err *err);

/* Deletes up to max expired links; adds their number to *total. */
MR_MUST_CHECK enum mr_status mr_links_expire(struct mr_db *db, int max, int64_t *total, struct mr_err *err);

#endif
