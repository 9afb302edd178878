/*
 * struct em_incoming: bytes on their way into an object. They go straight to a file, and are counted and hashed
 * on the way; when the object is committed, the store renames the file.
 *
 * An upload in one request uses a temporary file, which is removed unless the object is committed. A resumable
 * session keeps its file, also over a restart. Only one thread may use it at a time.
 */
#ifndef EM_STORAGE_INCOMING_H
#define EM_STORAGE_INCOMING_H

#include "infra/local/emulator/storage/hash.h"

struct em_incoming {
    int fd;
    char *path;
    int64_t size; /* bytes so far */
    struct em_hash hash;
    bool keep; /* do not remove the file when this is freed */
};

/* A new file with a random name in `directory`. */
MR_MUST_CHECK enum mr_status em_incoming_create(const char *directory, struct em_incoming **ret,
                                                struct mr_err *err);
/* The file `path`, created if it does not exist; counts and hashes the bytes that it already holds. Sets
 * keep. */
MR_MUST_CHECK enum mr_status em_incoming_open(const char *path, struct em_incoming **ret, struct mr_err *err);
MR_MUST_CHECK enum mr_status em_incoming_write(struct em_incoming *incoming, const void *data, size_t len,
                                               struct mr_err *err);
/* Appends the rest of an open file. */
MR_MUST_CHECK enum mr_status em_incoming_append_file(struct em_incoming *incoming, int fd,
                                                     struct mr_err *err);
/* Appends an object's bytes, whose number and CRC32C are known: the kernel copies them. */
MR_MUST_CHECK enum mr_status em_incoming_append_object(struct em_incoming *incoming, int fd, int64_t size,
                                                       uint32_t crc32c, struct mr_err *err);
/* Closes the file between two requests, so that an idle session holds no descriptor, while the disk takes what came;
 * and opens it again to append. MR_INTERNAL if the file was changed meanwhile. */
void em_incoming_suspend(struct em_incoming *incoming);
MR_MUST_CHECK enum mr_status em_incoming_resume(struct em_incoming *incoming, struct mr_err *err);
/* Syncs the file and returns the checksums of the bytes. needs_md5: reads them again if no MD5 was computed. */
MR_MUST_CHECK enum mr_status em_incoming_finish(struct em_incoming *incoming, bool needs_md5,
                                                struct em_digest *ret, struct mr_err *err);
/* Closes the file; removes it unless `keep` is set or the store has taken it. */
void em_incoming_free(struct em_incoming *incoming);
MR_DEFINE_CLEANUP(em_incoming, em_incoming_free)

#endif
