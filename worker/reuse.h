/*
 * A task that asks for it (`reuse`) is answered from the result of an earlier one (shared/data/results.h): the outputs
 * are copied inside Cloud Storage, and no child runs. The task owns its copies, as if it had made them.
 *
 * An answer is an optimisation: whatever goes wrong before the commit, the task is converted as usual. Copies have names
 * of their own, so what is left of them is in no conversion's way. Used by the job's thread.
 */
#ifndef MR_WORKER_REUSE_H
#define MR_WORKER_REUSE_H

#include "worker/ingest.h"

/* What makes the results of this worker: its version, that of FFmpeg, and the checksum of the logo. Results of another
 * engine answer nothing. */
void mr_engine_name(const struct mr_logo *logo, char out[MR_ENGINE_MAX]);

/*
 * *ret_done: the task is answered, and *ret_committed is as of mr_job_commit; else it must be converted. Failures are those
 * of the commit, and MR_CANCELED when the job should stop.
 */
MR_MUST_CHECK enum mr_status mr_reuse(struct mr_job *job, const struct mr_input *input, bool *ret_done,
                                      bool *ret_committed, struct mr_err *err);

#endif
