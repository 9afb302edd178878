/*
 * The receipt of a conversion: what became of every part of the input, and what it took. convert.h lists its
 * keys.
 */
#ifndef MR_WORKER_MEDIA_RECEIPT_H
#define MR_WORKER_MEDIA_RECEIPT_H

#include "worker/media/pipeline.h"

/* After mr_pipeline_run. The caller owns *ret. */
MR_MUST_CHECK enum mr_status mr_receipt_make(const struct mr_pipeline *pipeline, json_t **ret,
                                             struct mr_err *err);

/* Processor time of this process so far, in seconds. */
double mr_receipt_cpu_seconds(void);

#endif
