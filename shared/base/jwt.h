/*
 * JSON Web Tokens (RFC 7519): the only user of libjwt. The algorithm is always pinned by the caller's choice
 * of function, never taken from the token; `alg: none`, a missing alg and any other alg are refused before a
 * key is touched. Signature first, then `exp` (and `nbf`, `iat` in the future) with 30 s of leeway. Any
 * thread.
 */
#ifndef MR_BASE_JWT_H
#define MR_BASE_JWT_H

#include "shared/base/err.h"
#include "shared/base/json.h"

/* Signs claims (an object; not consumed). *ret_token is malloc'ed. */
MR_MUST_CHECK enum mr_status mr_jwt_sign_hs256(const char *secret, const json_t *claims, char **ret_token,
                                               struct mr_err *err);
/* private_key is PEM (PKCS#8 or PKCS#1); key_id goes into the header's kid if not NULL. */
MR_MUST_CHECK enum mr_status mr_jwt_sign_rs256(const char *private_key, const char *key_id,
                                               const json_t *claims, char **ret_token, struct mr_err *err);

/* MR_UNAUTHENTICATED for any fault, with a reason that the client may see. The caller owns *ret_claims. */
MR_MUST_CHECK enum mr_status mr_jwt_verify_hs256(const char *secret, const char *token, json_t **ret_claims,
                                                 struct mr_err *err);
/* Finds the public key (PEM, malloc'ed) for a key id. MR_NOT_FOUND for an unknown one. */
typedef enum mr_status mr_jwt_key_lookup(void *ctx, const char *key_id, char **ret_public_key,
                                         struct mr_err *err);
/* A lookup's own transient failure (UNAVAILABLE …) is passed on unchanged. */
MR_MUST_CHECK enum mr_status mr_jwt_verify_rs256(const char *token, mr_jwt_key_lookup *lookup,
                                                 void *lookup_ctx, json_t **ret_claims, struct mr_err *err);

/* As mr_jwt_verify_rs256 without the signature: only for callers whose platform has verified it (Cloud Run
 * IAM, which may replace the signature by SIGNATURE_REMOVED_BY_GOOGLE). Times are still checked. */
MR_MUST_CHECK enum mr_status mr_jwt_read_unverified(const char *token, json_t **ret_claims,
                                                    struct mr_err *err);

#endif
