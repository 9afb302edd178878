/*
 * A job: its spec, its state, and the thread that runs it when it is due, forced or tried again.
 *
 * Each job has its own lock, held for short moments only. The functions below may be called by any thread;
 * mr_job_free by the one that took the job out of the registry.
 */
#ifndef MR_EMULATOR_SCHEDULER_JOB_H
#define MR_EMULATOR_SCHEDULER_JOB_H

#include "infra/local/emulator/scheduler/spec.h"
#include "shared/base/log.h"
#include "shared/http/client.h"

struct mr_identity;
struct mr_job;

/* What all jobs share; outlives them. */
struct mr_job_context {
    struct mr_http_client *http;
    const struct mr_identity *identity;
    const struct mr_log *log;
};

/* Starts the thread; the job is enabled. Takes a reference of spec. */
MR_MUST_CHECK enum mr_status mr_job_new(const struct mr_job_context *context, struct mr_job_spec *spec,
                                        struct mr_job **ret, struct mr_err *err);
/* Cuts off a request under way (within about a second), joins the thread and frees. */
void mr_job_free(struct mr_job *job);

/* The job's name, which never changes. */
const char *mr_job_name(const struct mr_job *job);
/* The Job of the API as it stands. NULL without memory. */
json_t *mr_job_resource(struct mr_job *job);

/* A new reference of the present spec; and another spec, from the next run on. */
struct mr_job_spec *mr_job_spec_of(struct mr_job *job);
void mr_job_change(struct mr_job *job, struct mr_job_spec *spec);
void mr_job_set_paused(struct mr_job *job, bool paused);
/* Runs it now, also when paused; if it is running, once more afterwards. */
void mr_job_force(struct mr_job *job);

#endif
