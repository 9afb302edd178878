/* Where the store keeps the files of an object. */
#include "infra/local/emulator/storage/file.h"
#include "infra/local/emulator/storage/store_internal.h"
#include "shared/base/encoding.h"

#include <inttypes.h>
#include <openssl/sha.h>

void em_object_file_name(const char *name, char out[EM_OBJECT_FILE_MAX])
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256((const unsigned char *)name, strlen(name), digest);
    mr_hex_encode(digest, sizeof digest, out);
}

enum mr_status em_store_sidecar_path(const struct em_store *store, const struct em_stored *stored, char **ret,
                                     struct mr_err *err)
{
    char file[EM_OBJECT_FILE_MAX];
    em_object_file_name(stored->name, file);
    return em_path_format(ret, err, "%s/%s/%s.json", store->directory, stored->bucket, file);
}

enum mr_status em_store_data_path(const struct em_store *store, const struct em_stored *stored, char **ret,
                                  struct mr_err *err)
{
    char file[EM_OBJECT_FILE_MAX];
    em_object_file_name(stored->name, file);
    return em_path_format(ret, err, "%s/%s/%s.%" PRId64, store->directory, stored->bucket, file,
                          stored->generation);
}

void em_store_remove_data(const struct em_store *store, const struct em_stored *stored)
{
    MR_AUTO_STR char *path = NULL;
    if (em_store_data_path(store, stored, &path, NULL) == MR_OK)
        unlink(path);
}
