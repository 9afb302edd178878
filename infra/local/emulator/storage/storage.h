/*
 * Cloud Storage's JSON API, with the paths of its XML API that clients use for downloads and signed URLs.
 * Source: https://cloud.google.com/storage/docs/json_api/v1
 *
 *   storage/buckets.c, storage/objects.c, storage/copy.c, storage/upload.c, storage/resumable.c,
 *   storage/download.c    the handlers
 *   storage/store.h       buckets and objects on disk
 *   storage/session.h     resumable uploads
 */
#ifndef EM_STORAGE_H
#define EM_STORAGE_H

#include "infra/local/emulator/app.h"
#include "shared/base/cleanup.h"

/* Opens what lies below DATA_DIR/storage. */
MR_MUST_CHECK enum mr_status em_storage_new(const char *data_dir, struct em_storage **ret,
                                            struct mr_err *err);
void em_storage_free(struct em_storage *storage);
MR_DEFINE_CLEANUP(em_storage, em_storage_free)

/* The XML API's "/{bucket}/{object}" takes whatever no other route has: put these last in the table. */
const struct mr_route *em_storage_routes(size_t *ret_count);

#endif
