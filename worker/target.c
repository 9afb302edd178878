#include "worker/target.h"

#include "shared/base/clock.h"
#include "worker/job.h"

enum { BASE_S = 60, FETCH_S = 600 };
static const double SECONDS_PER_MB = 2;

double mr_target_seconds(const struct mr_claim *claim)
{
    bool is_fetched = claim->url && *claim->url && claim->input_size <= 0;
    return is_fetched ? FETCH_S : BASE_S + SECONDS_PER_MB * (double)claim->input_size / 1e6;
}

bool mr_target_is_missed(const struct mr_claim *claim, double seconds)
{
    return (double)claim->queued_ms / 1e3 + seconds > mr_target_seconds(claim);
}

bool mr_job_is_too_long(const struct mr_job *job)
{
    int64_t worked_ms = job->claim->worked_ms + (mr_time_monotonic_us() - job->started_us) / 1000;
    return worked_ms / 1000 >= job->worker->config->max_task_s;
}
