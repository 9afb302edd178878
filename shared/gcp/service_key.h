/*
 * A service-account key file, as GOOGLE_APPLICATION_CREDENTIALS names it. Read-only after loading: any thread
 * may use it. Source: https://cloud.google.com/iam/docs/keys-create-delete#creating
 */
#ifndef MR_GCP_SERVICE_KEY_H
#define MR_GCP_SERVICE_KEY_H

#include "shared/base/cleanup.h"
#include "shared/base/err.h"

struct mr_service_key {
    char *client_email;
    char *private_key; /* PEM (PKCS#8) */
    char *private_key_id;
    char *token_uri;
    char *project_id;
};

/* MR_INVALID: the file cannot be read or lacks a member; MR_UNSUPPORTED: credentials of another type. Messages
 * never contain a part of the key. Free *ret in every case. */
MR_MUST_CHECK enum mr_status mr_service_key_load(const char *path, struct mr_service_key *ret,
                                                 struct mr_err *err);
void mr_service_key_free(struct mr_service_key *key);
MR_DEFINE_VALUE_CLEANUP(mr_service_key, mr_service_key_free)

/* RSA PKCS#1 v1.5 with SHA-256. *ret_signature is malloc'ed. MR_INTERNAL if the key is not an RSA key. */
MR_MUST_CHECK enum mr_status mr_service_key_sign(const struct mr_service_key *key, const void *data,
                                                 size_t len, unsigned char **ret_signature, size_t *ret_len,
                                                 struct mr_err *err);

#endif
