/*
 * One output of a job, stored while it is encoded, in constant memory.
 *
 * Frames arrive as worker/protocol.h says: the body from an offset H upwards, then the head from 0 to H or
 * more, which muxers patch at the end. A small output is assembled in memory and stored with one request. The
 * body of a larger one is uploaded while it arrives; its head is then stored as an object of its own, and
 * Cloud Storage composes the two.
 *
 * Every object is in the ledger of orphaned objects before its first byte is stored. The parts leave the
 * ledger when they are deleted, the result when the commit of the lease makes it an output. Used by the job's
 * thread.
 */
#ifndef MR_WORKER_OUTPUT_WRITER_H
#define MR_WORKER_OUTPUT_WRITER_H

#include "shared/gcp/storage.h"
#include "worker/job.h"

struct mr_output_writer;

/* name, of the object, and content_type are copied; job must outlive it. MR_EXHAUSTED without memory. */
MR_MUST_CHECK enum mr_status mr_output_writer_new(const struct mr_job *job, const char *name,
                                                  const char *content_type, struct mr_output_writer **ret,
                                                  struct mr_err *err);
/* Cancels an unfinished upload. NULL is allowed. */
void mr_output_writer_free(struct mr_output_writer *writer);
MR_DEFINE_CLEANUP(mr_output_writer, mr_output_writer_free)

/* Code "sandbox_protocol" for a frame out of order; failures of storage. */
MR_MUST_CHECK enum mr_status mr_output_writer_write(struct mr_output_writer *writer, int64_t offset,
                                                    const void *data, size_t len, struct mr_err *err);
/* Stores the rest and composes the parts. Code "sandbox_protocol" if nothing was written or the head is
 * incomplete. */
MR_MUST_CHECK enum mr_status mr_output_writer_finish(struct mr_output_writer *writer, struct mr_object *ret,
                                                     struct mr_err *err);

#endif
