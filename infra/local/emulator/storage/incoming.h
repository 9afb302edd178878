/*
 * struct em_incoming: bytes on their way into an object. They go straight to a file, counted and hashed as
 * they pass; the store renames that file into its place when the object is committed.
 *
 * An upload in one request uses an unnamed one (freed with the request unless committed); a resumable session
 * keeps its file by name over restarts. Owned by one thread at a time.
 */
#ifndef EM_STORAGE_INCOMING_H
#define EM_STORAGE_INCOMING_H

#include "infra/local/emulator/storage/hash.h"

struct em_incoming {
    int fd;
    char *path;
    int64_t size;
    struct em_hash hash;
    bool keep; /* the file stays when this is freed */
};

/* A fresh file with a random name in `directory`. */
MR_MUST_CHECK enum mr_status em_incoming_create(const char *directory, struct em_incoming **ret,
                                                struct mr_err *err);
/* The file `path`, made if it does not exist; bytes it already holds are counted and hashed again. It stays
 * (keep is set). */
MR_MUST_CHECK enum mr_status em_incoming_open(const char *path, struct em_incoming **ret, struct mr_err *err);
MR_MUST_CHECK enum mr_status em_incoming_write(struct em_incoming *incoming, const void *data, size_t len,
                                               struct mr_err *err);
/* Closes the file between two requests, and opens it again to append: a session that nobody continues must
 * not hold a descriptor. MR_INTERNAL if the file has changed meanwhile. */
void em_incoming_suspend(struct em_incoming *incoming);
MR_MUST_CHECK enum mr_status em_incoming_resume(struct em_incoming *incoming, struct mr_err *err);
/* Makes the bytes durable and gives their checksums. */
MR_MUST_CHECK enum mr_status em_incoming_finish(struct em_incoming *incoming, struct em_digest *ret,
                                                struct mr_err *err);
/* Closes; removes the file unless it is to be kept or was renamed away. */
void em_incoming_free(struct em_incoming *incoming);
MR_DEFINE_CLEANUP(em_incoming, em_incoming_free)

#endif
