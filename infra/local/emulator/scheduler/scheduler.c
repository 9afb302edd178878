#include "infra/local/emulator/scheduler/scheduler_internal.h"

enum mr_status em_scheduler_new(struct mr_http_client *http, struct em_identity *identity,
                                const struct mr_log *log, struct em_scheduler **ret, struct mr_err *err)
{
    struct em_scheduler *scheduler = calloc(1, sizeof *scheduler);
    if (!scheduler)
        return mr_fail_oom(err);
    scheduler->context = (struct em_job_context){.http = http, .identity = identity, .log = log};
    int failed = pthread_mutex_init(&scheduler->lock, NULL);
    if (failed) {
        free(scheduler);
        return mr_fail_errno(err, MR_EXHAUSTED, failed, "pthread_mutex_init");
    }
    *ret = scheduler;
    return MR_OK;
}

void em_scheduler_free(struct em_scheduler *scheduler)
{
    if (!scheduler)
        return;
    for (size_t i = 0; i < scheduler->jobs.count; i++)
        em_job_free(scheduler->jobs.entries[i].value);
    em_registry_free(&scheduler->jobs);
    pthread_mutex_destroy(&scheduler->lock);
    free(scheduler);
}

#define JOBS "/v1/projects/{p}/locations/{l}/jobs"

static const struct em_spoken rows[] = {
    {"cloudscheduler.projects.locations.jobs.run", "POST", JOBS "/{j}:run", em_job_run, EM_JOB_BODY_MAX,
     EM_JSON_PARAMETERS},
    {"cloudscheduler.projects.locations.jobs.pause", "POST", JOBS "/{j}:pause", em_job_pause, EM_JOB_BODY_MAX,
     EM_JSON_PARAMETERS},
    {"cloudscheduler.projects.locations.jobs.resume", "POST", JOBS "/{j}:resume", em_job_resume,
     EM_JOB_BODY_MAX, EM_JSON_PARAMETERS},
    {"cloudscheduler.projects.locations.jobs.get", "GET", JOBS "/{j}", em_job_get, EM_JOB_BODY_MAX,
     EM_JSON_PARAMETERS},
    {"cloudscheduler.projects.locations.jobs.patch", "PATCH", JOBS "/{j}", em_job_patch, EM_JOB_BODY_MAX,
     "updateMask " EM_JSON_PARAMETERS},
    {"cloudscheduler.projects.locations.jobs.delete", "DELETE", JOBS "/{j}", em_job_delete, EM_JOB_BODY_MAX,
     EM_JSON_PARAMETERS},
    {"cloudscheduler.projects.locations.jobs.create", "POST", JOBS, em_job_create, EM_JOB_BODY_MAX,
     EM_JSON_PARAMETERS},
    {"cloudscheduler.projects.locations.jobs.list", "GET", JOBS, em_job_list, EM_JOB_BODY_MAX,
     "pageSize pageToken " EM_JSON_PARAMETERS},
};

const struct em_spoken *em_scheduler_rows(size_t *ret_count)
{
    *ret_count = sizeof rows / sizeof *rows;
    return rows;
}
