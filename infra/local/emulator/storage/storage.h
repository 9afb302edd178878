/*
 * Cloud Storage's JSON API, with the paths of its XML API that clients use for downloads and signed URLs.
 * Source: https://cloud.google.com/storage/docs/json_api/v1
 *
 *   storage/buckets.c, storage/objects.c, storage/copy.c, storage/upload.c, storage/resumable.c,
 *   storage/download.c    the handlers
 *   storage/store.h       buckets and objects on disk
 *   storage/session.h     resumable uploads
 */
#ifndef MR_EMULATOR_STORAGE_H
#define MR_EMULATOR_STORAGE_H

#include "infra/local/emulator/emulator.h"
#include "shared/base/cleanup.h"

/* Opens what lies below DATA_DIR/storage. */
MR_MUST_CHECK enum mr_status mr_storage_emulator_new(const char *data_dir, struct mr_storage_emulator **ret,
                                                     struct mr_err *err);
void mr_storage_emulator_free(struct mr_storage_emulator *storage);
MR_DEFINE_CLEANUP(mr_storage_emulator, mr_storage_emulator_free)

/* The XML API's "/{bucket}/{object}" takes whatever no other route has: put these last in the table. */
const struct mr_route *mr_storage_emulator_routes(size_t *ret_count);

#endif
