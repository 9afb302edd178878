/* Objects for the files storage*.c: their names, URLs and resources, and whether a write had its effect. */
#ifndef MR_GCP_STORAGE_OBJECT_H
#define MR_GCP_STORAGE_OBJECT_H

#include "shared/gcp/storage_client.h"

/* The fields that struct mr_object has, for the query of a write: its answer names no others. */
#define MR_OBJECT_FIELDS "fields=size,generation,crc32c,contentType"

/* MR_INVALID for a name that Cloud Storage refuses: empty, too long, not UTF-8, line breaks, "." and "..". */
MR_MUST_CHECK enum mr_status mr_storage_check_name(const char *name, struct mr_err *err);

/* Appends BASE/storage/v1/b/BUCKET/o/NAME and tail (as printf, e.g. "?ifGenerationMatch=0"). Checks the name. */
MR_MUST_CHECK enum mr_status mr_storage_object_url(const struct mr_storage *storage, const char *name,
                                                   struct mr_buf *ret_url, struct mr_err *err,
                                                   const char *tail, ...)
    __attribute__((format(printf, 5, 6)));

/* The CRC32C of an x-goog-hash header ("crc32c=…,md5=…"); false if it has none. */
bool mr_storage_parse_hash(const char *value, uint32_t *ret_crc32c);

/* Reads an object resource. MR_UNAVAILABLE if the answer is something else. */
MR_MUST_CHECK enum mr_status mr_storage_parse_object(const struct mr_http_response *res,
                                                     struct mr_object *ret, struct mr_err *err);

/*
 * For a write that failed with `otherwise` (MR_CONFLICT, or a lost session) after an attempt whose answer was
 * lost: MR_OK and *ret if the object exists with this size and checksum, because then that attempt wrote it;
 * else `otherwise`.
 */
MR_MUST_CHECK enum mr_status mr_storage_adopt(struct mr_storage *storage, const char *name, int64_t size,
                                              uint32_t crc32c, struct mr_object *ret,
                                              enum mr_status otherwise);

/* What the caller of a write learns of a conflict: a name is written once, so that it is in use is no fault of the
 * caller, and another attempt uses another name. MR_UNAVAILABLE for MR_CONFLICT, any other status as it is. */
enum mr_status mr_storage_conflict(enum mr_status status, struct mr_err *err);

/* Compares what Cloud Storage stored with what was sent. Deletes an object that differs: code "corrupted". */
MR_MUST_CHECK enum mr_status mr_storage_verify(struct mr_storage *storage, const char *name, int64_t size,
                                               uint32_t crc32c, const struct mr_object *stored,
                                               struct mr_err *err);

#endif
