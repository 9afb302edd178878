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

/* Parameters of Cloud Storage. There are no access control lists here, so only those are spoken that give nobody more
 * than the project has; no generation but the live one is kept, no object is soft-deleted, and there are no folders. */
#define CONDITIONS "ifGenerationMatch ifGenerationNotMatch ifMetagenerationMatch ifMetagenerationNotMatch "
#define SOURCE_CONDITIONS                                                                                    \
    "sourceGeneration ifSourceGenerationMatch ifSourceGenerationNotMatch ifSourceMetagenerationMatch "       \
    "ifSourceMetagenerationNotMatch "
#define BUCKET_CONDITIONS "ifMetagenerationMatch ifMetagenerationNotMatch "
#define OWN_ACL           "=|private|projectPrivate|bucketOwnerFullControl "
#define LIVE              "softDeleted=false "
#define COMMON            "projection " EM_JSON_PARAMETERS
#define NODE              "force " /* Google's Node client sends this option of its own */
/* What a signed URL may have. A method that it is not signed for gets it all as well, and must fail at the signature. */
#define SIGNED                                                                                               \
    "X-Goog-Algorithm X-Goog-Credential X-Goog-Date X-Goog-Expires X-Goog-SignedHeaders X-Goog-Signature "   \
    "response-cache-control response-content-disposition response-content-encoding "                         \
    "response-content-language response-content-type generation userProject "

/* Both paths, because Google's Node client omits "/storage/v1" when STORAGE_EMULATOR_HOST is set. */
#define JSON_API(name, method, path, handler, max_body, parameters)                                          \
    {"storage." name, method, "/storage/v1" path, handler, max_body, parameters COMMON},                     \
    {                                                                                                        \
        "storage." name, method, path, handler, max_body, parameters COMMON                                  \
    }
/* Both paths, because gcloud has a path of its own for resumable uploads. */
#define UPLOAD_API(method, handler, max_body, parameters)                                                    \
    {"storage.objects.insert", method, "/upload/storage/v1/b/{bucket}/o", handler, max_body, parameters},    \
    {                                                                                                        \
        "storage.objects.insert", method, "/resumable/upload/storage/v1/b/{bucket}/o", handler, max_body,    \
            parameters                                                                                       \
    }
#define INSERT "uploadType upload_id name contentEncoding predefinedAcl" OWN_ACL CONDITIONS COMMON

enum { JSON = EM_RESOURCE_BYTES_MAX };

static const struct em_spoken rows[] = {
    {"the emulator's faults", "PUT", "/emulator/storage/faults", em_faults_put, EM_FAULTS_BYTES_MAX, ""},
    {"the emulator's faults", "GET", "/emulator/storage/faults", em_faults_list, 0, ""},
    JSON_API("buckets.insert", "POST", "/b", em_bucket_insert, JSON,
             "project enableObjectRetention=false predefinedAcl" OWN_ACL
             "predefinedDefaultObjectAcl" OWN_ACL),
    JSON_API("buckets.list", "GET", "/b", em_bucket_list, 0, "project prefix maxResults pageToken " LIVE),
    JSON_API("buckets.get", "GET", "/b/{bucket}", em_bucket_get, 0, LIVE),
    JSON_API("buckets.testIamPermissions", "GET", "/b/{bucket}/iam/testPermissions",
             em_bucket_test_permissions, 0, "permissions "),
    JSON_API("buckets.getStorageLayout", "GET", "/b/{bucket}/storageLayout", em_bucket_storage_layout, 0,
             "prefix "),
    JSON_API("buckets.patch", "PATCH", "/b/{bucket}", em_bucket_patch, JSON,
             "predefinedAcl" OWN_ACL "predefinedDefaultObjectAcl" OWN_ACL BUCKET_CONDITIONS),
    JSON_API("buckets.delete", "DELETE", "/b/{bucket}", em_bucket_delete, JSON, BUCKET_CONDITIONS),
    JSON_API("managedFolders.list", "GET", "/b/{bucket}/managedFolders", em_managed_folder_list, 0,
             "prefix pageSize pageToken "),
    JSON_API("objects.list", "GET", "/b/{bucket}/o", em_object_list, 0,
             "prefix delimiter startOffset endOffset pageToken maxResults includeTrailingDelimiter "
             "includeFoldersAsPrefixes versions " NODE LIVE),
    JSON_API("objects.get", "GET", "/b/{bucket}/o/{object}", em_object_get_or_fault, 0,
             "alt=json|media generation " LIVE CONDITIONS),
    JSON_API("objects.patch", "PATCH", "/b/{bucket}/o/{object}", em_object_patch, JSON,
             "generation predefinedAcl" OWN_ACL CONDITIONS),
    JSON_API("objects.update", "PUT", "/b/{bucket}/o/{object}", em_object_update, JSON,
             "generation predefinedAcl" OWN_ACL CONDITIONS),
    JSON_API("objects.delete", "DELETE", "/b/{bucket}/o/{object}", em_object_delete_or_fault, JSON,
             "generation " NODE CONDITIONS),
    JSON_API("objects.compose", "POST", "/b/{bucket}/o/{object}/compose", em_object_compose_or_fault, JSON,
             "destinationPredefinedAcl" OWN_ACL CONDITIONS),
    JSON_API("objects.rewrite", "POST", "/b/{sourceBucket}/o/{sourceObject}/rewriteTo/b/{bucket}/o/{object}",
             em_object_rewrite, JSON,
             "maxBytesRewrittenPerCall destinationPredefinedAcl" OWN_ACL CONDITIONS SOURCE_CONDITIONS),
    JSON_API("objects.copy", "POST", "/b/{sourceBucket}/o/{sourceObject}/copyTo/b/{bucket}/o/{object}",
             em_object_copy, JSON, "destinationPredefinedAcl" OWN_ACL CONDITIONS SOURCE_CONDITIONS),
    UPLOAD_API("POST", em_upload_post_or_fault, EM_OBJECT_BYTES_MAX, INSERT),
    UPLOAD_API("PUT", em_upload_put_or_fault, EM_OBJECT_BYTES_MAX, INSERT),
    UPLOAD_API("DELETE", em_upload_delete, JSON, INSERT),
    UPLOAD_API("OPTIONS", em_upload_preflight, 0, "*"),
    {"storage.objects.get", "GET", "/download/storage/v1/b/{bucket}/o/{object}", em_object_download, 0,
     "alt=media generation " CONDITIONS COMMON},
};

#define XML_OBJECT "/{bucket}/{object*}"

static const struct em_spoken xml_rows[] = {
    {"GET Object (XML API)", "GET", XML_OBJECT, em_xml_get, 0, SIGNED},
    {"PUT Object (XML API)", "PUT", XML_OBJECT, em_xml_put, EM_OBJECT_BYTES_MAX, "upload_id " SIGNED},
    {"POST Object (XML API)", "POST", XML_OBJECT, em_xml_post, EM_OBJECT_BYTES_MAX, SIGNED},
    {"DELETE Object (XML API)", "DELETE", XML_OBJECT, em_xml_delete, JSON, SIGNED},
    {"OPTIONS Object (XML API)", "OPTIONS", XML_OBJECT, em_xml_preflight, 0, "*"},
};

const struct em_spoken *em_storage_rows(size_t *ret_count)
{
    *ret_count = sizeof rows / sizeof *rows;
    return rows;
}

const struct em_spoken *em_storage_xml_rows(size_t *ret_count)
{
    *ret_count = sizeof xml_rows / sizeof *xml_rows;
    return xml_rows;
}
