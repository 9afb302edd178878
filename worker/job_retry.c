/* A database that is away for a moment does not end a job: its calls are repeated for as long as the lease lasts. */
#include "shared/data/orphans.h"
#include "worker/heartbeat.h"
#include "worker/job.h"

#include <time.h>

enum { FIRST_MS = 100, LAST_MS = 1000, STEP_MS = 100 };
/* Longer than a job may run, so that the sweep never deletes what a running job is about to commit. */
enum { ORPHAN_AFTER_S = 2 * 86400 };

static bool may_go_on(const struct mr_job *job)
{
    return job->heartbeat && !mr_heartbeat_lost(job->heartbeat) && !mr_slots_stopping(&job->worker->slots);
}

bool mr_job_retry(const struct mr_job *job, enum mr_status status, int *wait_ms)
{
    const struct timespec step = {.tv_nsec = STEP_MS * 1000000L};
    if (!mr_status_is_transient(status) || !may_go_on(job))
        return false;
    *wait_ms = *wait_ms == 0 ? FIRST_MS : *wait_ms * 2 < LAST_MS ? *wait_ms * 2 : LAST_MS;
    if (mr_heartbeat_left_ms(job->heartbeat) <= *wait_ms)
        return false;
    for (int waited = 0; waited < *wait_ms && may_go_on(job); waited += STEP_MS)
        nanosleep(&step, NULL);
    return may_go_on(job);
}

enum mr_status mr_job_note_object(const struct mr_job *job, const char *name, struct mr_err *err)
{
    struct mr_err failure = {0}; /* kept from err until the last attempt has failed */
    int wait_ms = 0;
    enum mr_status status;
    do
        status = mr_orphans_add(job->worker->db, name, ORPHAN_AFTER_S, &failure);
    while (mr_job_retry(job, status, &wait_ms));
    return status == MR_OK ? MR_OK : mr_fail_from(err, &failure);
}
