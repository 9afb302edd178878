/*
 * Cloud Storage's JSON API, and the paths of its XML API that clients use for downloads and signed URLs.
 * Source: https://cloud.google.com/storage/docs/json_api/v1
 *
 *   storage.c                    what is spoken: the rows of the router's table
 *   *_handlers.c, resumable.c    the handlers, listed in handlers.h
 *   upload_plan, request         from a request to the store
 *   download, related, range     bodies: downloads, multipart/related, byte ranges
 *   cors*, signed*               cross-origin headers, signed URLs
 *   session*                     resumable uploads
 *   store*, bucket_table         buckets and objects on disk
 *   faults, fault_handlers       faults on request, for tests of clients
 *   index, listing               the objects of a bucket in memory, and lists of them
 *   object, settings, conditions one generation of an object, and what clients may set and require
 *   incoming, hash, file         bytes, checksums and small files
 */
#ifndef EM_STORAGE_H
#define EM_STORAGE_H

#include "infra/local/emulator/api/router.h"
#include "infra/local/emulator/app.h"

/* Opens DATA_DIR/storage, or creates it. data_dir itself must exist. */
MR_MUST_CHECK enum mr_status em_storage_new(const char *data_dir, struct em_storage **ret,
                                            struct mr_err *err);
void em_storage_free(struct em_storage *storage);
MR_DEFINE_CLEANUP(em_storage, em_storage_free)

/* What is spoken of the JSON API, and of the XML API, whose "/{bucket}/{object*}" matches almost any path: its rows must
 * be among the last ones of the table. */
const struct em_spoken *em_storage_rows(size_t *ret_count);
const struct em_spoken *em_storage_xml_rows(size_t *ret_count);

#endif
