/*
 * What signs and vouches: token certificates, signBlob, and the token end point of service-account key files.
 * Sources: https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/signBlob,
 * https://developers.google.com/identity/protocols/oauth2/service-account
 */
#ifndef EM_IAM_H
#define EM_IAM_H

#include "infra/local/emulator/app.h"

const struct mr_route *em_iam_routes(size_t *ret_count);

/* An access token as Google's token servers give it: {"access_token","expires_in","token_type"}. The emulator
 * asks nobody for one, so any will do. The caller owns *ret. */
MR_MUST_CHECK enum mr_status em_access_token_new(json_t **ret, struct mr_err *err);

#endif
