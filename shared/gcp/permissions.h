/*
 * The answer of testIamPermissions: which of the listed permissions the caller has. The call itself needs no
 * permission. Source: https://cloud.google.com/storage/docs/json_api/v1/buckets/testIamPermissions
 */
#ifndef MR_GCP_PERMISSIONS_H
#define MR_GCP_PERMISSIONS_H

#include "shared/base/json.h"
#include "shared/http/client.h"

/* MR_OK if the answer lists every name of `wanted` (ends with NULL); MR_DENIED names the missing ones. */
MR_MUST_CHECK enum mr_status mr_permissions_check(const struct mr_http_response *res,
                                                  const char *const *wanted, struct mr_err *err);

#endif
