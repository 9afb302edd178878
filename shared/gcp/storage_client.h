/* What the files storage*.c stand on: the client itself, and its retry policy. */
#ifndef MR_GCP_STORAGE_CLIENT_H
#define MR_GCP_STORAGE_CLIENT_H

#include "shared/gcp/authorized_call.h"
#include "shared/gcp/storage.h"

enum {
    MR_STORAGE_UNIT = 256 * 1024, /* chunks before the last are multiples of it */
    MR_STORAGE_URL_MAX = 8 * 1024 /* escapes may triple an object's name; session URIs are long, too */
};

struct mr_storage {
    struct mr_caller caller;
    char *base_url; /* without a slash at its end */
    char *bucket;   /* percent-encoded */
    size_t chunk_bytes;
};

/* What a call on an object of the bucket needs; object NULL: one on the bucket. */
struct mr_need mr_storage_need(const struct mr_storage *storage, const char *permission, const char *object);

/* For requests that may be repeated, and for each chunk of an upload that makes no progress. */
extern const struct mr_retry mr_storage_retry;

#endif
