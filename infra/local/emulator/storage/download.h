/*
 * Downloads: the bytes of an object, or a range of them, with their headers.
 * Source: https://cloud.google.com/storage/docs/json_api/v1/objects/get
 */
#ifndef EM_STORAGE_DOWNLOAD_H
#define EM_STORAGE_DOWNLOAD_H

#include "infra/local/emulator/storage/faults.h"
#include "infra/local/emulator/storage/store.h"
#include "shared/http/server.h"

/* Answers with the object's bytes, by the conditions and the Range of the request: 200, 206 or 416; and with what
 * faults says of this download. MR_NOT_FOUND without the object. */
MR_MUST_CHECK enum mr_status em_download(struct em_store *store, struct em_faults *faults,
                                         struct mr_request *req, const char *bucket, const char *name,
                                         struct mr_err *err);

#endif
