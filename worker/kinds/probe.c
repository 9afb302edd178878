/* The kind `probe`: finds out what a file is without converting it. The task's result is the input part of a receipt; the
 * outputs are the previews that its options ask for. */
#include "shared/data/object_names.h"
#include "worker/media_job.h"

static enum mr_status make(struct mr_job *job, const struct mr_input *input, const json_t *options,
                           struct mr_output_set *outputs, json_t **ret_result, struct mr_err *err)
{
    MR_AUTO_JSON json_t *spec =
        json_pack("{s:b, s:O}", "probe", true, "options", (json_t *)(uintptr_t)options);
    MR_AUTO_JSON json_t *result = NULL;
    if (!spec)
        return mr_fail_oom(err);
    MR_TRY(mr_media_job_run(job, input, spec, outputs, &result, err));
    MR_TRY(mr_output_set_finish(outputs, err));
    MR_TRY(mr_output_set_check(outputs, result, err));
    *ret_result = MR_TAKE(result);
    return MR_OK;
}

static enum mr_status probe_input(struct mr_job *job, const struct mr_input *input, const json_t *options,
                                  bool *ret_committed, struct mr_err *err)
{
    char object[MR_OBJECT_NAME_SIZE];
    mr_object_name_outputs(job->claim, object);
    const struct mr_output_plan plan = {.object = object, .file_name = input->name, .options = options};
    MR_AUTO(mr_output_set) struct mr_output_set *outputs = NULL;
    MR_AUTO_JSON json_t *result = NULL;
    MR_TRY(mr_output_set_new(job, &plan, &outputs, err));
    enum mr_status status = make(job, input, options, outputs, &result, err);
    if (status == MR_OK)
        return mr_output_set_commit(outputs, job, NULL, result, ret_committed, err);
    mr_output_set_drop(outputs, job);
    return status;
}

enum mr_status mr_kind_probe(struct mr_job *job, bool *ret_committed, struct mr_err *err)
{
    MR_AUTO(mr_input) struct mr_input input = {0};
    MR_AUTO_JSON json_t *options = NULL;
    bool ours = false;
    *ret_committed = false;
    MR_TRY(mr_media_job_options(job->claim, &options, err));
    MR_TRY(mr_ingest(job, &input, &ours, err));
    return ours ? probe_input(job, &input, options, ret_committed, err) : MR_OK;
}
