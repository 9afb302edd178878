/*
 * Login tokens: JWTs signed with HS256 (RFC 7519) that name a user and expire after one hour. web keeps no
 * sessions: a token is valid until it expires. jwt_secret is JWT_SECRET of the configuration. Any thread.
 */
#ifndef MR_WEB_LOGIN_TOKENS_H
#define MR_WEB_LOGIN_TOKENS_H

#include "shared/base/err.h"

#include <stdint.h>

enum { MR_LOGIN_TOKEN_SECONDS = 3600 };

/* *ret_token is malloc'ed. */
MR_MUST_CHECK enum mr_status mr_login_token_issue(const char *jwt_secret, int64_t user_id, char **ret_token,
                                                  struct mr_err *err);

/* The user whom a token names, and when it expires, in seconds since 1970. MR_UNAUTHENTICATED for an invalid one. */
MR_MUST_CHECK enum mr_status mr_login_token_check(const char *jwt_secret, const char *token,
                                                  int64_t *ret_user_id, int64_t *ret_expires_s,
                                                  struct mr_err *err);

#endif
