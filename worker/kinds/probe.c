/* The kind `probe`: finds out what a file is without converting it. The task's result is the input part of a
 * receipt. */
#include "worker/media_job.h"

static enum mr_status probe_input(struct mr_job *job, const struct mr_input *input, bool *ret_committed,
                                  struct mr_err *err)
{
    MR_AUTO_JSON json_t *spec = json_pack("{s:b}", "probe", true);
    MR_AUTO_JSON json_t *result = NULL;
    if (!spec)
        return mr_fail_oom(err);
    MR_TRY(mr_media_job_run(job, input, spec, NULL, &result, err));
    const struct mr_commit commit = {.result = result};
    return mr_job_commit(job, &commit, ret_committed, err);
}

enum mr_status mr_kind_probe(struct mr_job *job, bool *ret_committed, struct mr_err *err)
{
    MR_AUTO(mr_input) struct mr_input input = {0};
    bool ours = false;
    *ret_committed = false;
    MR_TRY(mr_ingest(job, &input, &ours, err));
    return ours ? probe_input(job, &input, ret_committed, err) : MR_OK;
}
