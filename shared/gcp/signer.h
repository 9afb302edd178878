/*
 * Signs as the service account of this process: with the key of its key file, or else by calling signBlob,
 * for which the account needs roles/iam.serviceAccountTokenCreator on itself. Source:
 * https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/signBlob
 * Any thread may call.
 */
#ifndef MR_GCP_SIGNER_H
#define MR_GCP_SIGNER_H

#include "shared/gcp/refusals.h"
#include "shared/gcp/token.h"

struct mr_signer;

struct mr_signer_options {
    struct mr_token_source *tokens; /* of the account that signs; not owned, must outlive the signer */
    const char *iam_url;          /* IAM_CREDENTIALS_URL; NULL or "": https://iamcredentials.googleapis.com */
    struct mr_refusals *refusals; /* NULL: refusals are not reported */
};

/* http and refusals are not owned and must outlive the signer. */
MR_MUST_CHECK enum mr_status mr_signer_new(struct mr_http_client *http,
                                           const struct mr_signer_options *options, struct mr_signer **ret,
                                           struct mr_err *err);
void mr_signer_free(struct mr_signer *signer);
MR_DEFINE_CLEANUP(mr_signer, mr_signer_free)

/* The account's e-mail address, owned by signer. The metadata server is asked once. MR_UNAVAILABLE if it has
 * no account. */
MR_MUST_CHECK enum mr_status mr_signer_email(struct mr_signer *signer, const char **ret, struct mr_err *err);

/* RSA PKCS#1 v1.5 with SHA-256. *ret_signature is malloc'ed. MR_UNAVAILABLE if the account may not sign. */
MR_MUST_CHECK enum mr_status mr_signer_sign(struct mr_signer *signer, const void *data, size_t len,
                                            unsigned char **ret_signature, size_t *ret_len,
                                            struct mr_err *err);

#endif
