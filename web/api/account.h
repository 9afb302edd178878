/* What the routes of accounts have in common: their fields, their answers, and checks of a password. Any thread. */
#ifndef MR_WEB_API_ACCOUNT_H
#define MR_WEB_API_ACCOUNT_H

#include "shared/base/json.h"
#include "shared/http/server.h"
#include "web/app.h"

/* The fields `username` and `email`, checked and in NFC; *ret is malloc'ed. MR_INVALID. */
MR_MUST_CHECK enum mr_status mr_account_username(const json_t *fields, char **ret, struct mr_err *err);
MR_MUST_CHECK enum mr_status mr_account_email(const json_t *fields, char **ret, struct mr_err *err);
/* A new password, under one of the names, with its repetition `password2` or `password_2`; it belongs to fields.
 * MR_INVALID, also with the codes "passwords_differ" and "weak_password". */
MR_MUST_CHECK enum mr_status mr_account_new_password(const json_t *fields, const char *const *names,
                                                     const char **ret, struct mr_err *err);

/* Begins a check of a password: mr_login_begin, with the login folded. mr_account_login_end must follow a success. */
MR_MUST_CHECK enum mr_status mr_account_login_begin(struct mr_web *web, const struct mr_request *req,
                                                    const char *login, struct mr_login_attempt *ret,
                                                    struct mr_err *err);
/* checked: what became of it. */
void mr_account_login_end(struct mr_web *web, const struct mr_login_attempt *attempt, enum mr_status checked);

/* A response that no cache may keep. Takes the reference of body. */
MR_MUST_CHECK enum mr_status mr_account_answer(struct mr_request *req, int http_status, json_t *body,
                                               struct mr_err *err);
/* Answers with a login token of this kind that is valid for `seconds` from now on, whatever its expires_s says, in every
 * spelling that clients of the older systems read. username may be NULL. */
MR_MUST_CHECK enum mr_status mr_account_answer_login(struct mr_web *web, struct mr_request *req,
                                                     int http_status, const char *message,
                                                     struct mr_login_token login, int64_t seconds,
                                                     const char *username, struct mr_err *err);
/* The same with a new token of a user, valid for an hour, in every spelling that clients of the older systems read.
 * username may be NULL. */
MR_MUST_CHECK enum mr_status mr_account_answer_token(struct mr_web *web, struct mr_request *req,
                                                     int http_status, const char *message, int64_t user_id,
                                                     const char *username, struct mr_err *err);

#endif
