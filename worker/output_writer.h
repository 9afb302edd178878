/*
 * The output of a job, stored while it is encoded, in constant memory.
 *
 * Frames come as worker/protocol.h says: the body from an offset H upwards, then the head from 0 to H or
 * more, which muxers patch at the end. Small outputs are put together in memory and stored in one request.
 * Larger ones upload the body while it comes; a head is then stored as an object of its own, and Cloud
 * Storage composes the two.
 *
 * Every object is in the ledger of strays before its first byte; the parts leave it when they are deleted,
 * the result when the lease's commit makes it an output. Used by the job's thread.
 */
#ifndef MR_WORKER_OUTPUT_WRITER_H
#define MR_WORKER_OUTPUT_WRITER_H

#include "shared/data/db.h"
#include "shared/gcp/storage.h"

struct mr_output_writer;

/* name and content_type are copied; name is the result's object. */
MR_MUST_CHECK enum mr_status mr_output_writer_new(struct mr_db *db, struct mr_storage *storage,
                                                  const char *name, const char *content_type,
                                                  struct mr_output_writer **ret, struct mr_err *err);
/* Cancels what is unfinished. */
void mr_output_writer_free(struct mr_output_writer *writer);
MR_DEFINE_CLEANUP(mr_output_writer, mr_output_writer_free)

/* MR_INVALID with code "sandbox_protocol" for a frame out of order. */
MR_MUST_CHECK enum mr_status mr_output_writer_write(struct mr_output_writer *writer, int64_t offset,
                                                    const void *data, size_t len, struct mr_err *err);
/* Stores what is missing and composes. MR_INVALID, "sandbox_protocol", if nothing was written or the head is
 * incomplete. */
MR_MUST_CHECK enum mr_status mr_output_writer_finish(struct mr_output_writer *writer, struct mr_object *ret,
                                                     struct mr_err *err);

#endif
