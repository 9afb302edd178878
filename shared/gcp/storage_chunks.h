/*
 * A resumable session and the bytes that it has not confirmed yet, for storage_upload.c. They stay in memory until
 * Cloud Storage has confirmed them, so that a broken request can be repeated. Used by one thread at a time, but for
 * `abandoned`.
 */
#ifndef MR_GCP_STORAGE_CHUNKS_H
#define MR_GCP_STORAGE_CHUNKS_H

#include "shared/gcp/storage_client.h"

#include <stdatomic.h>

struct mr_chunks {
    struct mr_storage *storage;
    const char *name;      /* of the object; not owned */
    char *session;         /* the session URI, a bearer secret, malloc'ed; NULL before mr_chunks_begin */
    struct mr_buf unsent;  /* the bytes from `stored` on */
    int64_t stored;        /* bytes that Cloud Storage has confirmed */
    uint32_t crc32c;       /* of the whole object; sent with the last chunk */
    atomic_bool abandoned; /* any thread may set it: requests end with MR_CANCELED, within about a second */
};

/* The answer to one request to the session. */
struct mr_chunks_answer {
    bool complete; /* the object exists: `object` */
    struct mr_object object;
    int64_t stored; /* otherwise: how many bytes the session has */
};

MR_MUST_CHECK enum mr_status mr_chunks_begin(struct mr_chunks *chunks, const char *content_type,
                                             struct mr_err *err);

/*
 * Sends `unsent` until some of it is stored or, with the last chunk, the object exists. After a failure it asks first
 * how much is stored. *ret_failures counts the attempts that failed before the last. Code "session_lost" if the stored
 * bytes are.
 */
MR_MUST_CHECK enum mr_status mr_chunks_advance(struct mr_chunks *chunks, bool last,
                                               struct mr_chunks_answer *ret, int *ret_failures,
                                               struct mr_err *err);

#endif
