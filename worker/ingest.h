/*
 * The input of a job: the object that was uploaded or, where the task has a URL, the file that is fetched
 * from there into Cloud Storage, with constant memory. What was fetched becomes the task's input for good:
 * neither a later attempt nor a new generation fetches again.
 *
 * The file has to be a medium by its Content-Type and by its first bytes, else the task fails with code
 * "not_media". When the stranger's server fails in a way that may pass, it is asked again soon; after that
 * the job is marked (mr_job.strangers_fault), so that it is put off instead of given back.
 */
#ifndef MR_WORKER_INGEST_H
#define MR_WORKER_INGEST_H

#include "worker/job.h"

/* The share of the task's progress that fetching takes; the rest is the conversion's. */
enum { MR_INGEST_PERMILLE = 100 };

struct mr_input {
    char *object;
    int64_t generation;
    int64_t size;
    char *name;          /* the file's name, for people */
    int progress_before; /* permille already done */
};
void mr_input_free(struct mr_input *input);
MR_DEFINE_VALUE_CLEANUP(mr_input, mr_input_free)

/* Zero-initialise *ret; free it in every case. *ret_ours is false (and MR_OK returned) when the fence no
 * longer held: what was fetched is deleted. Codes of failures: shared/http/fetch.h, and "not_media". */
MR_MUST_CHECK enum mr_status mr_ingest(struct mr_job *job, struct mr_input *ret, bool *ret_ours,
                                       struct mr_err *err);

#endif
