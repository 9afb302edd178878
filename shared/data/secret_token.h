/*
 * Bearer tokens in links: 32 random bytes. The database stores only their SHA-256, so reading it reveals none. Pure
 * functions, any thread.
 */
#ifndef MR_DATA_SECRET_TOKEN_H
#define MR_DATA_SECRET_TOKEN_H

#include "shared/base/err.h"

enum { MR_SECRET_TOKEN_MAX = 44, MR_SECRET_HASH_MAX = 65 };

/* Fills ret with 43 random characters of base64url, which need no escapes in a query (RFC 4648 §5). */
MR_MUST_CHECK enum mr_status mr_secret_token_make(char ret[MR_SECRET_TOKEN_MAX], struct mr_err *err);

/* The SHA-256 of a token of any length, in hexadecimal. */
void mr_secret_token_hash(const char *token, char out[MR_SECRET_HASH_MAX]);

#endif
