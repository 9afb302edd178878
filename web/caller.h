/*
 * Who calls: a user with a login token (login_tokens.h) or a program with an API key (shared/data/api_keys.h), both as
 * `Authorization: Bearer`. A key needs the scope `read` for GET and HEAD, `write` for all other methods. Event streams and
 * files also take a stream token as `?token=` (stream_tokens.h). Any thread.
 */
#ifndef MR_WEB_CALLER_H
#define MR_WEB_CALLER_H

#include "web/app.h"
#include "web/stream_tokens.h"

struct mr_caller {
    int64_t user_id;
    bool by_key;
    bool is_guest;     /* web/guests.h */
    int64_t key_id;    /* 0 without a key */
    int64_t version;   /* of the login token */
    int64_t expires_s; /* seconds since 1970: a response that goes on for long must end then */
};
/* MR_UNAUTHENTICATED without a valid token or key, MR_DENIED with code "out_of_scope" for a key without the scope. */
MR_MUST_CHECK enum mr_status mr_caller_of(struct mr_web *web, const struct mr_request *req,
                                          struct mr_caller *ret, struct mr_err *err);

/* As mr_caller_of, for what only reads, whatever its method: a key needs the scope `read`. */
MR_MUST_CHECK enum mr_status mr_caller_to_read(struct mr_web *web, const struct mr_request *req,
                                               struct mr_caller *ret, struct mr_err *err);

/* As mr_caller_of, for event streams: a stream token for them will do. */
MR_MUST_CHECK enum mr_status mr_caller_of_stream(struct mr_web *web, const struct mr_request *req,
                                                 struct mr_caller *ret, struct mr_err *err);

/* What a stream token allows now: it has not expired, and its user or key still may. MR_UNAUTHENTICATED. */
MR_MUST_CHECK enum mr_status mr_caller_pass(struct mr_web *web, const char *token, struct mr_stream_pass *ret,
                                            struct mr_err *err);

/* As mr_caller_of, for those who only need the user. */
MR_MUST_CHECK enum mr_status mr_caller_user(struct mr_web *web, const struct mr_request *req,
                                            int64_t *ret_user_id, struct mr_err *err);

/* MR_DENIED with code "needs_account" for a guest. what: the field or the subject that the guest may not have. */
MR_MUST_CHECK enum mr_status mr_caller_refuse_guest(bool is_guest, const char *what, struct mr_err *err);

/* As mr_caller_user, for what concerns the account itself: MR_DENIED with code "out_of_scope" for every key, with code
 * "needs_account" for a guest. */
MR_MUST_CHECK enum mr_status mr_caller_account(struct mr_web *web, const struct mr_request *req,
                                               int64_t *ret_user_id, struct mr_err *err);

#endif
