/* Whether the bucket is there and may be used. */
#include "shared/gcp/permissions.h"
#include "shared/gcp/storage_internal.h"

enum { TIMEOUT_MS = 5000, URL_MAX = 2048 };

enum mr_status mr_storage_check_access(struct mr_storage *storage, struct mr_err *err)
{
    static const char *const wanted[] = {"storage.objects.create", "storage.objects.get",
                                         "storage.objects.delete", NULL};
    static const struct mr_retry policy = {.attempts = 3, .base_ms = 200, .cap_ms = 1000, .total_ms = 10000};
    MR_AUTO(mr_buf) struct mr_buf url = MR_BUF_INIT(URL_MAX);
    MR_AUTO(mr_http_response) struct mr_http_response res = {0};
    struct mr_retry_state retry = {0};
    enum mr_status status = mr_buf_appendf(&url, err, "%s/storage/v1/b/%s/iam/testPermissions",
                                           storage->base_url, storage->bucket);
    for (size_t i = 0; status == MR_OK && wanted[i]; i++)
        status = mr_buf_appendf(&url, err, "%cpermissions=%s", i ? '&' : '?', wanted[i]);
    struct mr_http_request req = {.method = "GET", .url = mr_buf_str(&url), .timeout_ms = TIMEOUT_MS};
    if (status == MR_OK)
        status = mr_api_call(&storage->api, &req, &policy, &retry, &res, err);
    if (status == MR_OK)
        status = mr_permissions_check(&res, wanted, err);
    return status == MR_OK ? MR_OK : mr_wrap(err, status, "bucket %s", storage->bucket);
}
