/* What scheduler.c and job_handlers.c share. */
#ifndef EM_SCHEDULER_INTERNAL_H
#define EM_SCHEDULER_INTERNAL_H

#include "infra/local/emulator/api/registry.h"
#include "infra/local/emulator/scheduler/job.h"
#include "infra/local/emulator/scheduler/scheduler.h"

#include <pthread.h>

/* The size limit of a request body, in bytes: a job has at most 1 MB. */
enum { EM_JOB_BODY_MAX = 1 << 20 };

struct em_scheduler {
    struct em_job_context context;
    pthread_mutex_t lock; /* protects `jobs`, and each job against being freed */
    struct em_registry jobs;
};

/* job_handlers.c */
mr_handler em_job_create, em_job_get, em_job_list, em_job_patch, em_job_delete;
mr_handler em_job_run, em_job_pause, em_job_resume;

#endif
