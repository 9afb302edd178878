/* How jobs end, for logs and metrics. */
#include "worker/job.h"

static const struct {
    const char *name;
    enum mr_severity severity;
} ends[MR_JOB_ENDS] = {
    [MR_JOB_COMMITTED] = {"committed", MR_LOG_INFO},  [MR_JOB_FAILED] = {"failed", MR_LOG_NOTICE},
    [MR_JOB_EXHAUSTED] = {"exhausted", MR_LOG_ERROR}, [MR_JOB_STALE] = {"stale", MR_LOG_INFO},
    [MR_JOB_ELSEWHERE] = {"elsewhere", MR_LOG_INFO},  [MR_JOB_LOST] = {"lost", MR_LOG_NOTICE},
    [MR_JOB_RELEASED] = {"released", MR_LOG_ERROR},   [MR_JOB_STOPPED] = {"stopped", MR_LOG_NOTICE},
    [MR_JOB_DEFERRED] = {"deferred", MR_LOG_NOTICE},  [MR_JOB_BUSY] = {"busy", MR_LOG_INFO},
    [MR_JOB_YIELDED] = {"yielded", MR_LOG_NOTICE},    [MR_JOB_CUT] = {"cut", MR_LOG_INFO},
    [MR_JOB_UNCUT] = {"uncut", MR_LOG_NOTICE},
};

const char *mr_job_end_name(enum mr_job_end end)
{
    return ends[end].name;
}

enum mr_severity mr_job_end_severity(enum mr_job_end end)
{
    return ends[end].severity;
}
