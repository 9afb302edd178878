/*
 * Who calls: a user with a login token (login_tokens.h) or a program with an API key (shared/data/api_keys.h), both as
 * `Authorization: Bearer`. A key needs the scope `read` for GET and HEAD, `write` for all other methods. Any thread.
 */
#ifndef MR_WEB_CALLER_H
#define MR_WEB_CALLER_H

#include "web/app.h"

struct mr_caller {
    int64_t user_id;
    bool by_key;
    int64_t expires_s; /* seconds since 1970: a response that goes on for long must end then */
};
/* MR_UNAUTHENTICATED without a valid token or key, MR_DENIED with code "out_of_scope" for a key without the scope. */
MR_MUST_CHECK enum mr_status mr_caller_of(struct mr_web *web, const struct mr_request *req,
                                          struct mr_caller *ret, struct mr_err *err);

/* As mr_caller_of, for those who only need the user. */
MR_MUST_CHECK enum mr_status mr_caller_user(struct mr_web *web, const struct mr_request *req,
                                            int64_t *ret_user_id, struct mr_err *err);

/* As mr_caller_user, for what concerns the account itself: MR_DENIED with code "out_of_scope" for every key. */
MR_MUST_CHECK enum mr_status mr_caller_account(struct mr_web *web, const struct mr_request *req,
                                               int64_t *ret_user_id, struct mr_err *err);

#endif
