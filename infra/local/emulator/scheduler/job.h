/*
 * A job: its spec, its state, and the thread that runs it when it is due, forced or tried again.
 *
 * Each job has its own lock, held for short moments only. The functions below may be called by any thread;
 * em_job_free by the one that took the job out of the registry.
 */
#ifndef EM_SCHEDULER_JOB_H
#define EM_SCHEDULER_JOB_H

#include "infra/local/emulator/scheduler/spec.h"
#include "shared/base/log.h"
#include "shared/http/client.h"

struct em_identity;
struct em_job;

/* What all jobs share; outlives them. */
struct em_job_context {
    struct mr_http_client *http;
    const struct em_identity *identity;
    const struct mr_log *log;
};

/* Starts the thread; the job is enabled. Takes a reference of spec. */
MR_MUST_CHECK enum mr_status em_job_new(const struct em_job_context *context, struct em_job_spec *spec,
                                        struct em_job **ret, struct mr_err *err);
/* Cuts off a request under way (within about a second), joins the thread and frees. */
void em_job_free(struct em_job *job);

/* The job's name, which never changes. */
const char *em_job_name(const struct em_job *job);
/* The Job of the API as it stands. NULL without memory. */
json_t *em_job_resource(struct em_job *job);

/* A new reference of the present spec; and another spec, from the next run on. */
struct em_job_spec *em_job_spec_of(struct em_job *job);
void em_job_change(struct em_job *job, struct em_job_spec *spec);
void em_job_set_paused(struct em_job *job, bool paused);
/* Runs it now, also when paused; if it is running, once more afterwards. */
void em_job_force(struct em_job *job);

#endif
