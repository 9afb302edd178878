/*
 * The answer of testIamPermissions: which of the permissions that were asked for the caller has. Asking needs
 * no permission. Source: https://cloud.google.com/storage/docs/json_api/v1/buckets/testIamPermissions
 */
#ifndef MR_GCP_PERMISSIONS_H
#define MR_GCP_PERMISSIONS_H

#include "shared/base/json.h"
#include "shared/http/client.h"

/* MR_OK if the answer holds every name of `wanted` (ends with NULL); MR_DENIED names those that it does not.
 */
MR_MUST_CHECK enum mr_status mr_permissions_check(const struct mr_http_response *res,
                                                  const char *const *wanted, struct mr_err *err);

#endif
