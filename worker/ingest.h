/*
 * The input of a job: the object that was uploaded or, if the task has a URL, the file that is fetched from
 * there into Cloud Storage with constant memory. The fetched file becomes the task's input for good: neither
 * a later attempt nor a new generation fetches it again.
 *
 * Its Content-Type and its first bytes must be those of a media file, otherwise the task fails with code
 * "not_media". When the third-party server fails in a way that may pass, the fetch is retried soon; after
 * that the job is marked (mr_job.remote_failed), so that the task is deferred and its lease is not released.
 * Used by the job's thread.
 */
#ifndef MR_WORKER_INGEST_H
#define MR_WORKER_INGEST_H

#include "worker/job.h"

/* The share of fetching in the task's progress, in permille; the conversion has the rest. */
enum { MR_INGEST_PERMILLE = 100 };

struct mr_input {
    char *object;
    int64_t generation;
    int64_t size;
    char *name;                   /* the name of the file that people see */
    int progress_before;          /* permille already done */
    struct mr_unit_reader *units; /* of a join: the source MR_SOURCE_UNITS; else NULL; not owned */
};
void mr_input_free(struct mr_input *input);
MR_DEFINE_VALUE_CLEANUP(mr_input, mr_input_free)

/* Zero-initialise *ret; free it in every case. *ret_ours is false, with MR_OK, when the fence no longer held:
 * then the fetched object is deleted. Codes of failures: shared/http/fetch.h, and "not_media". */
MR_MUST_CHECK enum mr_status mr_ingest(struct mr_job *job, struct mr_input *ret, bool *ret_ours,
                                       struct mr_err *err);

#endif
