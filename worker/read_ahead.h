/*
 * The input of a job, read from Cloud Storage by ranges with read-ahead: a few blocks in memory, whatever the
 * size.
 *
 * One thread reads (the job's), one loads (its own). While the reader goes forward the next block is on its
 * way; a jump (an index at the end, a tag) loads the block it lands in and keeps the others, least recently
 * used first out.
 */
#ifndef MR_WORKER_READ_AHEAD_H
#define MR_WORKER_READ_AHEAD_H

#include "shared/gcp/storage.h"

struct mr_read_ahead;

/* object must outlive it; generation pins the object's content; size in bytes as the task knows it. */
MR_MUST_CHECK enum mr_status mr_read_ahead_new(struct mr_storage *storage, const char *object,
                                               int64_t generation, int64_t size, struct mr_read_ahead **ret,
                                               struct mr_err *err);
/* Ends the loader, also in the middle of a transfer. */
void mr_read_ahead_free(struct mr_read_ahead *input);
MR_DEFINE_CLEANUP(mr_read_ahead, mr_read_ahead_free)

/* Up to len bytes at offset; *ret_len may be short, and is 0 only at or past the end. Storage's failures as
 * they are. */
MR_MUST_CHECK enum mr_status mr_read_ahead_read(struct mr_read_ahead *input, int64_t offset, void *data,
                                                size_t len, size_t *ret_len, struct mr_err *err);

#endif
