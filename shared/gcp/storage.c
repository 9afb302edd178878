/* The client: opened, closed, and its access to the bucket checked. */
#include "shared/gcp/storage.h"

#include "shared/base/encoding.h"
#include "shared/gcp/permissions.h"
#include "shared/gcp/storage_client.h"

#define GOOGLE_BASE_URL "https://storage.googleapis.com"

enum { DEFAULT_CHUNK_BYTES = 2 * 1024 * 1024, CHECK_TIMEOUT_MS = 5000, CHECK_URL_MAX = 2048 };

const struct mr_retry mr_storage_retry = {.attempts = 7, .base_ms = 200, .cap_ms = 10000, .total_ms = 60000};

static enum mr_status copy_options(struct mr_storage *storage, const struct mr_storage_options *options,
                                   struct mr_err *err)
{
    bool emulated = options->base_url && *options->base_url;
    storage->base_url = strdup(emulated ? options->base_url : GOOGLE_BASE_URL);
    if (!storage->base_url)
        return mr_fail_oom(err);
    for (size_t len = strlen(storage->base_url); len && storage->base_url[len - 1] == '/'; len--)
        storage->base_url[len - 1] = '\0';
    MR_AUTO(mr_buf) struct mr_buf bucket = MR_BUF_INIT(MR_OBJECT_NAME_MAX);
    MR_TRY(mr_percent_encode(&bucket, options->bucket, false, err));
    storage->bucket = mr_buf_take(&bucket);
    return MR_OK;
}

enum mr_status mr_storage_new(struct mr_http_client *http, const struct mr_storage_options *options,
                              struct mr_storage **ret, struct mr_err *err)
{
    size_t chunk = options->chunk_bytes ? options->chunk_bytes : DEFAULT_CHUNK_BYTES;
    if (chunk % MR_STORAGE_UNIT)
        return mr_fail(err, MR_INVALID, "chunk size %zu is not a multiple of 256 KiB", chunk);
    if (!options->bucket || !*options->bucket)
        return mr_fail(err, MR_INVALID, "bucket is missing");
    MR_AUTO(mr_storage) struct mr_storage *storage = calloc(1, sizeof *storage);
    if (!storage)
        return mr_fail_oom(err);
    storage->caller =
        (struct mr_caller){.http = http, .tokens = options->tokens, .refusals = options->refusals};
    storage->chunk_bytes = chunk;
    MR_TRY(copy_options(storage, options, err));
    *ret = MR_TAKE(storage);
    return MR_OK;
}

void mr_storage_free(struct mr_storage *storage)
{
    if (!storage)
        return;
    free(storage->base_url);
    free(storage->bucket);
    free(storage);
}

struct mr_need mr_storage_need(const struct mr_storage *storage, const char *permission, const char *object)
{
    return (struct mr_need){.permission = permission, .resource = storage->bucket, .object = object};
}

const char *mr_storage_base_url(const struct mr_storage *storage)
{
    return storage->base_url;
}

static enum mr_status check_access(struct mr_storage *storage, struct mr_err *err)
{
    static const char *const wanted[] = {"storage.objects.create", "storage.objects.get",
                                         "storage.objects.delete", NULL};
    static const struct mr_retry policy = {.attempts = 3, .base_ms = 200, .cap_ms = 1000, .total_ms = 10000};
    MR_AUTO(mr_buf) struct mr_buf url = MR_BUF_INIT(CHECK_URL_MAX);
    MR_TRY(mr_buf_appendf(&url, err, "%s/storage/v1/b/%s/iam/testPermissions", storage->base_url,
                          storage->bucket));
    for (size_t i = 0; wanted[i]; i++)
        MR_TRY(mr_buf_appendf(&url, err, "%cpermissions=%s", i ? '&' : '?', wanted[i]));
    MR_AUTO(mr_http_response) struct mr_http_response res = {0};
    struct mr_retry_state retry = {0};
    struct mr_http_request req = {.method = "GET", .url = mr_buf_str(&url), .timeout_ms = CHECK_TIMEOUT_MS};
    MR_TRY(mr_authorized_call(&storage->caller, NULL, &req, &policy, &retry, &res, err));
    return mr_permissions_check(&res, wanted, err);
}

enum mr_status mr_storage_check_access(struct mr_storage *storage, struct mr_err *err)
{
    return mr_wrap(err, check_access(storage, err), "bucket %s", storage->bucket);
}
