/* The kind `probe`: what a file is, without making anything of it. The task's result is the input's half of a
 * receipt. */
#include "worker/media_job.h"

static enum mr_status probe_input(struct mr_job *job, const struct mr_input *input, bool *ret_committed,
                                  struct mr_err *err)
{
    MR_AUTO_JSON json_t *spec = json_pack("{s:b}", "probe", true);
    MR_AUTO_JSON json_t *result = NULL;
    enum mr_status status = spec ? mr_media_job_run(job, input, spec, NULL, &result, err) : mr_fail_oom(err);
    if (status != MR_OK)
        return status;
    const struct mr_commit commit = {.result = result};
    return mr_job_commit(job, &commit, ret_committed, err);
}

enum mr_status mr_kind_probe(struct mr_job *job, bool *ret_committed, struct mr_err *err)
{
    MR_AUTO(mr_input) struct mr_input input = {0};
    bool ours = false;
    enum mr_status status = mr_ingest(job, &input, &ours, err);
    if (status == MR_OK && ours)
        return probe_input(job, &input, ret_committed, err);
    *ret_committed = false;
    return status;
}
