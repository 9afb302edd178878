/*
 * The input of a job, read from Cloud Storage by ranges with read-ahead: a few blocks are in memory, however
 * large the object is.
 *
 * The job's thread reads, a thread of its own loads. While the reader moves forward, the next two blocks are
 * loaded. A jump (to an index at the end, to a tag) loads the block it lands in, in place of the least
 * recently used one. The checksum of each block is kept, so that the job can verify at its end what it has read.
 */
#ifndef MR_WORKER_READ_AHEAD_H
#define MR_WORKER_READ_AHEAD_H

#include "shared/gcp/storage.h"

struct mr_read_ahead;

/* object must outlive it; generation selects the content of the object; size in bytes. MR_EXHAUSTED without
 * memory or a thread. */
MR_MUST_CHECK enum mr_status mr_read_ahead_new(struct mr_storage *storage, const char *object,
                                               int64_t generation, int64_t size, struct mr_read_ahead **ret,
                                               struct mr_err *err);
/* Ends the loader, even during a transfer. NULL is allowed. */
void mr_read_ahead_free(struct mr_read_ahead *input);
MR_DEFINE_CLEANUP(mr_read_ahead, mr_read_ahead_free)

/*
 * Ends the loader and verifies what was read (input_checksum.h), reading up to max_bytes; nothing can be read after
 * it. canceled as in struct mr_input_source. The job's thread only.
 */
MR_MUST_CHECK enum mr_status mr_read_ahead_verify(struct mr_read_ahead *input, int64_t max_bytes,
                                                  bool (*canceled)(void *ctx), void *canceled_ctx,
                                                  struct mr_err *err);

/* The checksum of the whole object, as far as Cloud Storage has said it: after mr_read_ahead_verify. */
struct mr_checksum mr_read_ahead_whole(const struct mr_read_ahead *input);

/* Reads up to len bytes at offset; *ret_len may be short, and is 0 only at or past the end. Failures of
 * storage are returned unchanged. The job's thread only. */
MR_MUST_CHECK enum mr_status mr_read_ahead_read(struct mr_read_ahead *input, int64_t offset, void *data,
                                                size_t len, size_t *ret_len, struct mr_err *err);

#endif
