/*
 * Google's public keys, by key id: certificates ({kid: X.509 PEM}) are fetched from a URL, kept for
 * Cache-Control's max-age, and fetched again for an unknown key id at most once a minute. Any thread may call.
 */
#ifndef MR_GCP_OIDC_KEYS_H
#define MR_GCP_OIDC_KEYS_H

#include "shared/http/client.h"

struct mr_oidc_keys;

/* Fetches nothing yet. http is not owned and must outlive the keys. */
MR_MUST_CHECK enum mr_status mr_oidc_keys_new(struct mr_http_client *http, const char *certs_url,
                                              struct mr_oidc_keys **ret, struct mr_err *err);
void mr_oidc_keys_free(struct mr_oidc_keys *keys);
MR_DEFINE_CLEANUP(mr_oidc_keys, mr_oidc_keys_free)

/* A mr_jwt_key_lookup: ctx is a struct mr_oidc_keys, *ret_public_key is PEM and malloc'ed. MR_NOT_FOUND for
 * an unknown key id; transient if the certificates cannot be fetched. */
MR_MUST_CHECK enum mr_status mr_oidc_keys_find(void *ctx, const char *key_id, char **ret_public_key,
                                               struct mr_err *err);

/* Until when the keys are good by Cache-Control, on CLOCK_MONOTONIC; in the past if they must be fetched. */
int64_t mr_oidc_keys_fresh_until_us(struct mr_oidc_keys *keys);

#endif
