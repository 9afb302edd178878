/*
 * The emulator's replacement for Google's signing keys: one RSA-2048 key with a self-signed X.509 certificate, kept
 * in DATA_DIR so that tokens and signed URLs stay valid over a restart. It signs for every service account.
 *
 * Immutable after em_identity_new; any thread may call any function here.
 */
#ifndef EM_IDENTITY_H
#define EM_IDENTITY_H

#include "shared/base/cleanup.h"
#include "shared/base/err.h"

struct em_identity;

/*
 * Loads DATA_DIR/identity/{key,certificate}.pem, or creates them with mode 0600. data_dir itself must exist.
 * MR_INVALID if key and certificate do not belong together, MR_UNAVAILABLE if they cannot be read or written.
 */
MR_MUST_CHECK enum mr_status em_identity_new(const char *data_dir, struct em_identity **ret,
                                             struct mr_err *err);
void em_identity_free(struct em_identity *identity);
MR_DEFINE_CLEANUP(em_identity, em_identity_free)

/* The key's id (40 hex digits, the SHA-1 of the certificate as with Google) and the certificate as PEM;
 * both owned by identity. */
const char *em_identity_key_id(const struct em_identity *identity);
const char *em_identity_certificate(const struct em_identity *identity);

/*
 * An OIDC token for `email` and `audience`, valid for an hour, with the header and claims of Google's tokens.
 * *ret_token is malloc'ed. Source:
 * https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions
 */
MR_MUST_CHECK enum mr_status em_identity_mint(const struct em_identity *identity, const char *email,
                                              const char *audience, char **ret_token, struct mr_err *err);

/* Signs with RSA PKCS#1 v1.5 and SHA-256, as signBlob and V4 signed URLs do. *ret_signature is malloc'ed. */
MR_MUST_CHECK enum mr_status em_identity_sign(const struct em_identity *identity, const void *data,
                                              size_t len, unsigned char **ret_signature, size_t *ret_len,
                                              struct mr_err *err);
/* True if `signature` is this key's signature of data. */
bool em_identity_verify(const struct em_identity *identity, const void *data, size_t len,
                        const unsigned char *signature, size_t signature_len);

#endif
