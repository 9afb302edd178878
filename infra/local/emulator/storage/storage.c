#include "infra/local/emulator/storage/storage.h"

#include "infra/local/emulator/storage/handlers.h"
#include "infra/local/emulator/storage/request.h"
#include "infra/local/emulator/storage/upload_plan.h"

static enum mr_status open_files(struct em_storage *storage, const char *data_dir, struct mr_err *err)
{
    MR_TRY(em_faults_new(&storage->faults, err));
    MR_TRY(em_store_open(data_dir, &storage->store, err));
    return em_upload_sessions_open(em_store_session_directory(storage->store), &storage->sessions, err);
}

enum mr_status em_storage_new(const char *data_dir, struct em_storage **ret, struct mr_err *err)
{
    MR_AUTO(em_storage) struct em_storage *storage = calloc(1, sizeof *storage);
    if (!storage)
        return mr_fail_oom(err);
    enum mr_status status = open_files(storage, data_dir, err);
    if (status != MR_OK)
        return mr_wrap(err, status, "open the object store");
    *ret = MR_TAKE(storage);
    return MR_OK;
}

void em_storage_free(struct em_storage *storage)
{
    if (!storage)
        return;
    em_upload_sessions_free(storage->sessions);
    em_store_free(storage->store);
    em_faults_free(storage->faults);
    free(storage);
}

/* Both paths, because Google's Node client omits "/storage/v1" when STORAGE_EMULATOR_HOST is set. */
#define JSON_API(method, path, handler, max_body)                                                            \
    {method, "/storage/v1" path, handler, max_body, 0},                                                      \
    {                                                                                                        \
        method, path, handler, max_body, 0                                                                   \
    }

const struct mr_route *em_storage_routes(size_t *ret_count)
{
    enum { JSON = EM_RESOURCE_BYTES_MAX };
    static const struct mr_route routes[] = {
        {"PUT", "/emulator/storage/faults", em_faults_put, EM_FAULTS_BYTES_MAX, 0},
        {"GET", "/emulator/storage/faults", em_faults_list, 0, 0},
        JSON_API("POST", "/b", em_bucket_insert, JSON),
        JSON_API("GET", "/b", em_bucket_list, 0),
        JSON_API("GET", "/b/{bucket}", em_bucket_get, 0),
        JSON_API("GET", "/b/{bucket}/iam/testPermissions", em_bucket_test_permissions, 0),
        JSON_API("PATCH", "/b/{bucket}", em_bucket_patch, JSON),
        JSON_API("DELETE", "/b/{bucket}", em_bucket_delete, JSON),
        JSON_API("GET", "/b/{bucket}/o", em_object_list, 0),
        JSON_API("GET", "/b/{bucket}/o/{object}", em_object_get_or_fault, 0),
        JSON_API("PATCH", "/b/{bucket}/o/{object}", em_object_patch, JSON),
        JSON_API("PUT", "/b/{bucket}/o/{object}", em_object_update, JSON),
        JSON_API("DELETE", "/b/{bucket}/o/{object}", em_object_delete_or_fault, JSON),
        JSON_API("POST", "/b/{bucket}/o/{object}/compose", em_object_compose_or_fault, JSON),
        JSON_API("POST", "/b/{sourceBucket}/o/{sourceObject}/rewriteTo/b/{bucket}/o/{object}",
                 em_object_rewrite, JSON),
        JSON_API("POST", "/b/{sourceBucket}/o/{sourceObject}/copyTo/b/{bucket}/o/{object}", em_object_copy,
                 JSON),
        {"POST", "/upload/storage/v1/b/{bucket}/o", em_upload_post_or_fault, EM_OBJECT_BYTES_MAX, 0},
        {"PUT", "/upload/storage/v1/b/{bucket}/o", em_upload_put_or_fault, EM_OBJECT_BYTES_MAX, 0},
        {"DELETE", "/upload/storage/v1/b/{bucket}/o", em_upload_delete, JSON, 0},
        {"OPTIONS", "/upload/storage/v1/b/{bucket}/o", em_upload_preflight, 0, 0},
        {"GET", "/download/storage/v1/b/{bucket}/o/{object}", em_object_download, 0, 0},
        {"GET", "/{bucket}/{object*}", em_xml_get, 0, 0},
        {"PUT", "/{bucket}/{object*}", em_xml_put, EM_OBJECT_BYTES_MAX, 0},
        {"POST", "/{bucket}/{object*}", em_xml_post, EM_OBJECT_BYTES_MAX, 0},
        {"DELETE", "/{bucket}/{object*}", em_xml_delete, JSON, 0},
        {"OPTIONS", "/{bucket}/{object*}", em_xml_preflight, 0, 0},
    };
    *ret_count = sizeof routes / sizeof *routes;
    return routes;
}
