/* What the files of the storage client share; nobody else includes it. */
#ifndef MR_GCP_STORAGE_INTERNAL_H
#define MR_GCP_STORAGE_INTERNAL_H

#include "shared/gcp/api.h"
#include "shared/gcp/storage.h"

enum {
    MR_STORAGE_UNIT = 256 * 1024, /* chunks before the last are multiples of it */
    MR_STORAGE_URL_MAX = 8 * 1024 /* an object name may triple by its escapes; a session URI is long, too */
};

struct mr_storage {
    struct mr_api api;
    char *base_url; /* without a slash at its end */
    char *bucket;   /* percent-encoded */
    size_t chunk_bytes;
};

/* For requests that may be repeated, and for each chunk of an upload that makes no progress. */
extern const struct mr_retry mr_storage_retry;

/* MR_INVALID for a name that Cloud Storage refuses: empty, too long, not UTF-8, line breaks, "." and "..". */
MR_MUST_CHECK enum mr_status mr_storage_check_name(const char *name, struct mr_err *err);

/* BASE/storage/v1/b/BUCKET/o/NAME + tail (as printf, e.g. "?ifGenerationMatch=0"). Checks the name. */
MR_MUST_CHECK enum mr_status mr_storage_object_url(const struct mr_storage *storage, const char *name,
                                                   struct mr_buf *ret_url, struct mr_err *err,
                                                   const char *tail, ...)
    __attribute__((format(printf, 5, 6)));

/* An object resource. MR_UNAVAILABLE if the answer is none. */
MR_MUST_CHECK enum mr_status mr_storage_parse_object(const struct mr_http_response *res,
                                                     struct mr_object *ret, struct mr_err *err);

/*
 * After a write that met MR_CONFLICT (or whose session is gone) and had already been tried: MR_OK and *ret if
 * the object is there with this size and checksum, for then the lost try was the one that made it; else
 * `otherwise` with err as it is.
 */
MR_MUST_CHECK enum mr_status mr_storage_adopt(struct mr_storage *storage, const char *name, int64_t size,
                                              uint32_t crc32c, struct mr_object *ret,
                                              enum mr_status otherwise);

/* Compares what Cloud Storage stored with what was sent; what differs is deleted, and MR_UNAVAILABLE. */
MR_MUST_CHECK enum mr_status mr_storage_verify(struct mr_storage *storage, const char *name, int64_t size,
                                               uint32_t crc32c, const struct mr_object *stored,
                                               struct mr_err *err);

/* Writes data as a new object in one multipart request. `data` is consumed; its cap must leave
 * MR_MULTIPART_ROOM. */
enum { MR_MULTIPART_ROOM = 16 * 1024 };
MR_MUST_CHECK enum mr_status mr_storage_insert(struct mr_storage *storage, const char *name,
                                               const char *content_type, struct mr_buf *data, uint32_t crc32c,
                                               struct mr_object *ret, struct mr_err *err);

#endif
