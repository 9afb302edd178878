/*
 * The outputs of one job, stored one after the other while they are encoded.
 *
 * The sandbox says which output its bytes belong to (worker/protocol.h). An output begins with its first
 * bytes and is finished when those of the next one arrive, or at the end; so there is one mr_output_writer at
 * a time, and only the names of finished outputs are kept. All outputs have the job's format but the
 * extras: if the task asks for a thumbnail or a filmstrip, an output that begins like JPEG or WebVTT belongs to that, and
 * if it asks for a waveform, one that begins like JSON or PNG belongs to that.
 *
 * The caller commits the results, or deletes their objects. Until the commit each object is in the ledger of
 * orphaned objects. Used by the job's thread.
 */
#ifndef MR_WORKER_OUTPUT_SET_H
#define MR_WORKER_OUTPUT_SET_H

#include "shared/data/outputs.h"
#include "shared/media/formats.h"
#include "worker/job.h"

/* Texts are copied. */
struct mr_output_plan {
    const char *object;    /* the objects are named {object}.mp4, {object}-1.mp4, … */
    const char *file_name; /* of the input: "My video.mov" gives "My video.mp4", or "My video-1.mp4", … */
    const struct mr_format *format; /* NULL: there may be extras alone */
    const json_t *options;          /* of the task: which extras there may be */
};

struct mr_output_set;

/* job must outlive it. MR_EXHAUSTED without memory. */
MR_MUST_CHECK enum mr_status mr_output_set_new(const struct mr_job *job, const struct mr_output_plan *plan,
                                               struct mr_output_set **ret, struct mr_err *err);
/* Cancels an unfinished output. NULL is allowed. */
void mr_output_set_free(struct mr_output_set *set);
MR_DEFINE_CLEANUP(mr_output_set, mr_output_set_free)

/* Takes bytes as mr_sandbox_callbacks.write_output gets them. Code "sandbox_protocol" for bytes out of order;
 * failures of storage. */
MR_MUST_CHECK enum mr_status mr_output_set_write(struct mr_output_set *set, uint32_t output, int64_t offset,
                                                 const void *data, size_t len, struct mr_err *err);

/* Drops what was written of the first output; it is written again from its beginning. MR_INTERNAL once an output is
 * finished. */
MR_MUST_CHECK enum mr_status mr_output_set_restart(struct mr_output_set *set, struct mr_err *err);

/* Adds a copy of an output of another task (object, its generation, format, content type and size), made inside Cloud
 * Storage. Not to be mixed with outputs that are written. MR_NOT_FOUND if its object is gone; after a failure the set can
 * only be dropped. */
MR_MUST_CHECK enum mr_status mr_output_set_copy(struct mr_output_set *set, const struct mr_output *source,
                                                struct mr_err *err);

/* Finishes the last output and names the files; several parts are numbered from 1. Code "sandbox_protocol"
 * without any output, where there is a format. */
MR_MUST_CHECK enum mr_status mr_output_set_finish(struct mr_output_set *set, struct mr_err *err);

/* The receipt is shown to people beside the outputs: code "sandbox_protocol" unless it describes as many as there are. */
MR_MUST_CHECK enum mr_status mr_output_set_check(const struct mr_output_set *set, const json_t *receipt,
                                                 struct mr_err *err);

/* Commits the task, and what its outputs were made from, with all outputs, a receipt (NULL: none) and a result (NULL:
 * none). *ret_committed is false if the lease is lost; then the outputs are dropped. After a failure they are not: the
 * commit may have succeeded, and the sweep decides which objects are orphaned. */
MR_MUST_CHECK enum mr_status mr_output_set_commit(const struct mr_output_set *set, struct mr_job *job,
                                                  const json_t *receipt, const json_t *result,
                                                  bool *ret_committed, struct mr_err *err);

/* Deletes what is finished, for no task refers to it. A stopping worker leaves it to the sweep, which finds it as orphaned
 * objects. */
void mr_output_set_drop(const struct mr_output_set *set, struct mr_job *job);

/* The stored outputs: after mr_output_set_finish all of them, ready for a commit; before it the finished
 * ones, without file names. Owned by set. */
const struct mr_output *mr_output_set_outputs(const struct mr_output_set *set, size_t *ret_count);

#endif
