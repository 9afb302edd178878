/*
 * Download links that need no login: a token (secret_token.h) gives access to the outputs of one task until it
 * expires. Any thread may call.
 */
#ifndef MR_DATA_LINKS_H
#define MR_DATA_LINKS_H

#include "shared/base/json.h"
#include "shared/data/db.h"
#include "shared/data/secret_token.h"

enum { MR_LINK_SECONDS = 7 * 86400, MR_LINK_SECONDS_MAX = 30 * 86400, MR_LINKS_OF_TASK = 100 };

/* Makes a link to the task's outputs, valid for `seconds` (in mails: MR_LINK_SECONDS). ret_token gets 43
 * characters of base64url, a bearer secret. MR_NOT_FOUND if the task does not exist. */
MR_MUST_CHECK enum mr_status mr_link_create(struct mr_db *db, int64_t task_id, int64_t seconds,
                                            char ret_token[MR_SECRET_TOKEN_MAX], struct mr_err *err);

/* As mr_link_create, for the owner: key is the task's number or file_id. *ret_view has id, file_id, created_at and
 * expires_at; the caller owns it. MR_NOT_FOUND if the user has no such task, MR_CONFLICT with code "too_many_links" if it
 * has MR_LINKS_OF_TASK. */
MR_MUST_CHECK enum mr_status mr_link_make(struct mr_db *db, int64_t user_id, const char *key, int64_t seconds,
                                          char ret_token[MR_SECRET_TOKEN_MAX], json_t **ret_view,
                                          struct mr_err *err);
/* The links of a user's task that have not expired, those of mails included, the oldest first, as an array of views with
 * id, created_at and expires_at. MR_NOT_FOUND if there is no such task. */
MR_MUST_CHECK enum mr_status mr_links_list(struct mr_db *db, int64_t user_id, const char *key, json_t **ret,
                                           struct mr_err *err);
/* Revokes a link, whose number is text. MR_NOT_FOUND if the user's task has no such link. */
MR_MUST_CHECK enum mr_status mr_link_delete(struct mr_db *db, int64_t user_id, const char *key,
                                            const char *id, struct mr_err *err);

/* The owner of the task that `token` gives access to. MR_UNAUTHENTICATED with code "bad_link" if it is unknown,
 * expired, or for another task than file_id's. */
MR_MUST_CHECK enum mr_status mr_link_owner(struct mr_db *db, const char *token, const char *file_id,
                                           int64_t *ret_user_id, struct mr_err *err);

/* Deletes up to max expired links; adds their number to *total. */
MR_MUST_CHECK enum mr_status mr_links_expire(struct mr_db *db, int max, int64_t *total, struct mr_err *err);

#endif
