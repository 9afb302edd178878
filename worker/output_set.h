/*
 * The outputs of one job, stored one after the other while they are encoded.
 *
 * The sandbox says which output its bytes belong to (worker/protocol.h). An output is begun by its first
 * bytes and finished when those of the next one come, or at the end; so there is one mr_output_writer at a
 * time, and of what is finished only names are kept. All outputs have the job's format, but for one: where a
 * thumbnail was ordered, an output that begins like a JPEG file is taken for it.
 *
 * What becomes of the objects is the caller's: it commits the results, or deletes them. Whatever happens, the
 * ledger of strays knows each of them until the commit. Used by the job's thread.
 */
#ifndef MR_WORKER_OUTPUT_SET_H
#define MR_WORKER_OUTPUT_SET_H

#include "shared/data/db.h"
#include "shared/data/leases.h"
#include "shared/gcp/storage.h"
#include "shared/media/formats.h"

/* Texts are copied. */
struct mr_output_plan {
    const char *object;    /* the objects are called {object}.mp4, {object}-1.mp4, … */
    const char *file_name; /* the input's: "My film.mov" makes "My film.mp4", or "My film-1.mp4", … */
    const struct mr_format *format;
    bool has_thumbnail;
};

struct mr_output_set;

MR_MUST_CHECK enum mr_status mr_output_set_new(struct mr_db *db, struct mr_storage *storage,
                                               const struct mr_output_plan *plan, struct mr_output_set **ret,
                                               struct mr_err *err);
/* Cancels what is unfinished. */
void mr_output_set_free(struct mr_output_set *set);
MR_DEFINE_CLEANUP(mr_output_set, mr_output_set_free)

/* Takes bytes as mr_sandbox_callbacks.write_output gets them. MR_INVALID with code "sandbox_protocol" for
 * bytes out of order. */
MR_MUST_CHECK enum mr_status mr_output_set_write(struct mr_output_set *set, uint32_t output, int64_t offset,
                                                 const void *data, size_t len, struct mr_err *err);

/* Finishes the last output and names the files: parts of one film are counted from 1 if there are several.
 * MR_INVALID, "sandbox_protocol", without any output. */
MR_MUST_CHECK enum mr_status mr_output_set_finish(struct mr_output_set *set, struct mr_err *err);

/* The outputs that are stored: all of them after mr_output_set_finish, ready for a commit; otherwise those
 * that were finished, still without file names. Owned by set. */
const struct mr_result *mr_output_set_results(const struct mr_output_set *set, size_t *ret_count);

#endif
