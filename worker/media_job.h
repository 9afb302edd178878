/*
 * A run of the media sandbox for a claimed task, as conversions and probes need it: the input is read from storage with
 * read-ahead, the logo from memory; outputs go into a set, progress goes to the heartbeat, limits come from the
 * configuration. Used by the job's thread.
 */
#ifndef MR_WORKER_MEDIA_JOB_H
#define MR_WORKER_MEDIA_JOB_H

#include "worker/ingest.h"
#include "worker/output_set.h"

/*
 * spec is what the kind wants (worker/media/convert.h); input, logo and limits are added to it here. outputs takes what
 * is made; NULL for a job that makes nothing. The caller owns *ret_receipt. Failures are those of mr_sandbox_run and of
 * storage and of mr_job_start, "input_gone" and "input_changed". Before a result or a verdict about the file is returned, the bytes
 * of the input are verified (read_ahead.h): MR_UNAVAILABLE with code "corrupted" if some were damaged.
 */
MR_MUST_CHECK enum mr_status mr_media_job_run(struct mr_job *job, const struct mr_input *input, json_t *spec,
                                              struct mr_output_set *outputs, json_t **ret_receipt,
                                              struct mr_err *err);

/* The options of the claimed task, an empty object if it has none. The caller owns *ret_options. */
MR_MUST_CHECK enum mr_status mr_media_job_options(const struct mr_claim *claim, json_t **ret_options,
                                                  struct mr_err *err);

#endif
