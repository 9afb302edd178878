#include "infra/local/emulator/storage/storage.h"

#include "infra/local/emulator/storage/cors.h"
#include "infra/local/emulator/storage/http.h"

enum mr_status mr_storage_emulator_new(const char *data_dir, struct mr_storage_emulator **ret,
                                       struct mr_err *err)
{
    MR_AUTO(mr_storage_emulator) struct mr_storage_emulator *storage = calloc(1, sizeof *storage);
    if (!storage)
        return mr_fail_oom(err);
    enum mr_status status = mr_store_open(data_dir, &storage->store, err);
    if (status == MR_OK)
        status = mr_upload_sessions_open(mr_store_session_directory(storage->store), &storage->sessions, err);
    if (status != MR_OK)
        return mr_wrap(err, status, "open the object store");
    *ret = MR_TAKE(storage);
    return MR_OK;
}

void mr_storage_emulator_free(struct mr_storage_emulator *storage)
{
    if (!storage)
        return;
    mr_upload_sessions_free(storage->sessions);
    mr_store_free(storage->store);
    free(storage);
}

/* Google's Node client drops "/storage/v1" when it finds STORAGE_EMULATOR_HOST; all others keep it. */
#define JSON_API(method, path, handler, max_body)                                                            \
    {method, "/storage/v1" path, handler, max_body, 0},                                                      \
    {                                                                                                        \
        method, path, handler, max_body, 0                                                                   \
    }

const struct mr_route *mr_storage_emulator_routes(size_t *ret_count)
{
    enum { JSON = MR_RESOURCE_BYTES_MAX };
    static const struct mr_route routes[] = {
        JSON_API("POST", "/b", mr_bucket_insert, JSON),
        JSON_API("GET", "/b", mr_bucket_list, 0),
        JSON_API("GET", "/b/{bucket}", mr_bucket_get, 0),
        JSON_API("GET", "/b/{bucket}/iam/testPermissions", mr_bucket_test_permissions, 0),
        JSON_API("PATCH", "/b/{bucket}", mr_bucket_patch, JSON),
        JSON_API("DELETE", "/b/{bucket}", mr_bucket_delete, JSON),
        JSON_API("GET", "/b/{bucket}/o", mr_object_list, 0),
        JSON_API("GET", "/b/{bucket}/o/{object}", mr_object_get, 0),
        JSON_API("PATCH", "/b/{bucket}/o/{object}", mr_object_patch, JSON),
        JSON_API("PUT", "/b/{bucket}/o/{object}", mr_object_update, JSON),
        JSON_API("DELETE", "/b/{bucket}/o/{object}", mr_object_delete, JSON),
        JSON_API("POST", "/b/{bucket}/o/{object}/compose", mr_object_compose, JSON),
        JSON_API("POST", "/b/{sourceBucket}/o/{sourceObject}/rewriteTo/b/{bucket}/o/{object}",
                 mr_object_rewrite, JSON),
        JSON_API("POST", "/b/{sourceBucket}/o/{sourceObject}/copyTo/b/{bucket}/o/{object}", mr_object_copy,
                 JSON),
        {"POST", "/upload/storage/v1/b/{bucket}/o", mr_upload_post, MR_OBJECT_BYTES_MAX, 0},
        {"PUT", "/upload/storage/v1/b/{bucket}/o", mr_upload_put, MR_OBJECT_BYTES_MAX, 0},
        {"DELETE", "/upload/storage/v1/b/{bucket}/o", mr_upload_delete, JSON, 0},
        {"OPTIONS", "/upload/storage/v1/b/{bucket}/o", mr_upload_preflight, 0, 0},
        {"GET", "/download/storage/v1/b/{bucket}/o/{object}", mr_object_download, 0, 0},
        {"GET", "/{bucket}/{object*}", mr_xml_get, 0, 0},
        {"PUT", "/{bucket}/{object*}", mr_xml_put, MR_OBJECT_BYTES_MAX, 0},
        {"POST", "/{bucket}/{object*}", mr_xml_post, MR_OBJECT_BYTES_MAX, 0},
        {"DELETE", "/{bucket}/{object*}", mr_xml_delete, JSON, 0},
        {"OPTIONS", "/{bucket}/{object*}", mr_xml_preflight, 0, 0},
    };
    *ret_count = sizeof routes / sizeof *routes;
    return routes;
}
