/*
 * Login tokens: JWTs signed with HS256 (RFC 7519) that name a user and expire after one hour; those of guests when their guest
 * does. web keeps no sessions: a
 * token is valid until it expires, or until the user's version changes (token_versions.h). jwt_secret is JWT_SECRET of
 * the configuration. Any thread.
 */
#ifndef MR_WEB_LOGIN_TOKENS_H
#define MR_WEB_LOGIN_TOKENS_H

#include "shared/base/err.h"

#include <stdint.h>

enum { MR_LOGIN_TOKEN_SECONDS = 3600 };

struct mr_login_token {
    int64_t user_id;
    int64_t version;
    bool is_guest;
    int64_t expires_s; /* seconds since 1970 */
};

/* *ret_token is malloc'ed. */
MR_MUST_CHECK enum mr_status mr_login_token_issue(const char *jwt_secret, const struct mr_login_token *login,
                                                  char **ret_token, struct mr_err *err);

/* What a token says. MR_UNAUTHENTICATED for an invalid one. */
MR_MUST_CHECK enum mr_status mr_login_token_check(const char *jwt_secret, const char *token,
                                                  struct mr_login_token *ret, struct mr_err *err);

#endif
