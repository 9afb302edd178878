/*
 * Login tokens that were verified: a client sends one token with all its requests of an hour, and to verify a signature
 * costs a tenth of a short request. Digests of at most MR_VERIFIED_LOGINS tokens are kept, never tokens, and each only
 * until it expires. Whether a token was ended is another question (token_versions.h), asked for each request. Any thread
 * may call.
 */
#ifndef MR_WEB_VERIFIED_LOGINS_H
#define MR_WEB_VERIFIED_LOGINS_H

#include "shared/base/cleanup.h"
#include "web/login_tokens.h"

enum { MR_VERIFIED_LOGINS = 4096 };

struct mr_verified_logins;

/* MR_EXHAUSTED without memory. */
MR_MUST_CHECK enum mr_status mr_verified_logins_new(struct mr_verified_logins **ret, struct mr_err *err);
void mr_verified_logins_free(struct mr_verified_logins *logins);
MR_DEFINE_CLEANUP(mr_verified_logins, mr_verified_logins_free)

/* As mr_login_token_check; always with the same secret. */
MR_MUST_CHECK enum mr_status mr_verified_login(struct mr_verified_logins *logins, const char *jwt_secret,
                                               const char *token, struct mr_login_token *ret,
                                               struct mr_err *err);

#endif
