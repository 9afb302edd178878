/*
 * The OAuth token endpoint: an access token for a service-account key (RFC 7523 §2.1). Source:
 * https://developers.google.com/identity/protocols/oauth2/service-account Any thread may call.
 */
#ifndef MR_GCP_TOKEN_ENDPOINT_H
#define MR_GCP_TOKEN_ENDPOINT_H

#include "shared/gcp/service_key.h"
#include "shared/http/client.h"

/* Asks key->token_uri for a token with this OAuth scope; the answer is {"access_token","expires_in"}.
 * Zero-initialise *res; free it in every case. */
MR_MUST_CHECK enum mr_status mr_token_endpoint_ask(struct mr_http_client *http,
                                                   const struct mr_service_key *key, const char *scope,
                                                   struct mr_http_response *res, struct mr_err *err);

#endif
