/*
 * Links that need no login: a token of 32 random bytes gives access to the results of one task, as its owner,
 * for a time. The database holds the tokens' SHA-256 alone, so nobody who reads it can use them. Any thread
 * may call.
 */
#ifndef MR_DATA_LINKS_H
#define MR_DATA_LINKS_H

#include "shared/data/db.h"

enum { MR_LINK_TOKEN_MAX = 44, MR_LINK_SECONDS = 7 * 86400 };

/* A new link to the task's results, valid for `seconds` (of mails: MR_LINK_SECONDS). ret_token gets 43
 * characters of base64url, a bearer secret. MR_NOT_FOUND if the task is gone. */
MR_MUST_CHECK enum mr_status mr_link_create(struct mr_db *db, int64_t task_id, int64_t seconds,
                                            char ret_token[MR_LINK_TOKEN_MAX], struct mr_err *err);

/* The owner of the task that `token` opens. MR_UNAUTHENTICATED with code "bad_link" if it opens none (any
 * more), or another task than file_id's. */
MR_MUST_CHECK enum mr_status mr_link_owner(struct mr_db *db, const char *token, const char *file_id,
                                           int64_t *ret_user_id, struct mr_err *err);

/* Deletes up to max expired links; adds how many to *total. */
MR_MUST_CHECK enum mr_status mr_links_expire(struct mr_db *db, int max, int64_t *total, struct mr_err *err);

#endif
