/*
 * A job: its spec, its state, and the thread that runs it when it is due or forced, with its retries.
 *
 * Each job has its own lock, held only for short moments. Any thread may call the functions below; em_job_free
 * only the thread that removed the job from the registry.
 */
#ifndef EM_SCHEDULER_JOB_H
#define EM_SCHEDULER_JOB_H

#include "infra/local/emulator/scheduler/spec.h"
#include "shared/base/log.h"
#include "shared/http/client.h"

struct em_identity;
struct em_job;

/* What all jobs share. It must outlive them. */
struct em_job_context {
    struct mr_http_client *http;
    const struct em_identity *identity;
    const struct mr_log *log;
};

/* Starts the thread; the job is enabled. Takes a reference to spec. MR_EXHAUSTED without memory or threads. */
MR_MUST_CHECK enum mr_status em_job_new(const struct em_job_context *context, struct em_job_spec *spec,
                                        struct em_job **ret, struct mr_err *err);
/* Aborts a request in progress (within about a second), joins the thread and frees. */
void em_job_free(struct em_job *job);
MR_DEFINE_CLEANUP(em_job, em_job_free)

/* The name of the job; it never changes. */
const char *em_job_name(const struct em_job *job);
/* The Job of the API with its current state; the caller owns it. NULL without memory. */
json_t *em_job_resource(struct em_job *job);

/* Returns the current spec with a reference for the caller; sets the spec from the next run on. */
struct em_job_spec *em_job_spec_of(struct em_job *job);
void em_job_change(struct em_job *job, struct em_job_spec *spec);
void em_job_set_paused(struct em_job *job, bool paused);
/* Runs the job now, even if it is paused; if it is running, again afterwards. */
void em_job_force(struct em_job *job);

#endif
