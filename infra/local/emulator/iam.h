/*
 * Signing: token certificates, signBlob, and the token endpoint for service account key files.
 * Sources: https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/signBlob,
 * https://developers.google.com/identity/protocols/oauth2/service-account
 */
#ifndef EM_IAM_H
#define EM_IAM_H

#include "infra/local/emulator/api/router.h"
#include "infra/local/emulator/app.h"

/* What is spoken of it; the app pointer of the handlers is a struct em_app. */
const struct em_spoken *em_iam_rows(size_t *ret_count);

/* An access token in the form of Google's token servers: {"access_token","expires_in","token_type"}. The emulator
 * checks no access tokens, so it is random. The caller owns *ret. */
MR_MUST_CHECK enum mr_status em_access_token_new(json_t **ret, struct mr_err *err);

#endif
