#include "worker/reuse.h"

#include "shared/base/crc32c.h"
#include "shared/base/version.h"
#include "shared/data/object_names.h"
#include "shared/data/results.h"
#include "worker/heartbeat.h"
#include "worker/media/convert.h"
#include "worker/output_set.h"

#include <inttypes.h>

void mr_engine_name(const struct mr_logo *logo, char out[MR_ENGINE_MAX])
{
    snprintf(out, MR_ENGINE_MAX, "%s %s %08" PRIx32, mr_version, mr_media_version(),
             mr_crc32c(0, logo->data, logo->len));
}

/* The checksum of the input, as Cloud Storage says. It may be unknown. */
static enum mr_status look_at_input(struct mr_job *job, const struct mr_input *input, struct mr_err *err)
{
    struct mr_object object;
    MR_TRY(mr_storage_stat(job->worker->cloud.storage, input->object, &object, err));
    job->input = (struct mr_checksum){.is_known = object.has_crc32c && object.size == input->size &&
                                                  object.generation == input->generation,
                                      .crc32c = object.crc32c};
    return MR_OK;
}

/* Repeats as mr_job_retry says: it only reads. */
static enum mr_status find_result(struct mr_job *job, struct mr_result *ret, struct mr_err *err)
{
    const struct mr_made_from made = mr_job_made_from(job);
    struct mr_err failure = {0};
    struct mr_job_retries retries = {0};
    bool ours = false;
    enum mr_status status;
    if (!made.is_known)
        return MR_OK;
    do
        status = mr_result_find(job->worker->db, job->claim, &made, &ours, ret, &failure);
    while (mr_job_retry(job, status, &retries));
    if (status != MR_OK)
        return mr_fail_from(err, &failure);
    return ours ? MR_OK : mr_fail(err, MR_CANCELED, "lease is lost");
}

static enum mr_status copy_outputs(struct mr_job *job, const struct mr_input *input,
                                   const struct mr_result *result, struct mr_output_set *outputs,
                                   struct mr_err *err)
{
    const int before = input->progress_before, count = (int)result->count;
    for (int i = 0; i < count; i++) {
        if (mr_job_should_stop(job))
            return mr_fail(err, MR_CANCELED, "job cancelled");
        MR_TRY(mr_output_set_copy(outputs, &result->outputs[i], err));
        mr_heartbeat_progress(job->heartbeat, before + (i + 1) * (1000 - before) / count);
    }
    MR_TRY(mr_output_set_finish(outputs, err));
    return mr_output_set_check(outputs, result->receipt, err);
}

/* The receipt says how the outputs were made, but for what only the work of that time has cost. */
static enum mr_status complete_receipt(const struct mr_result *result, struct mr_err *err)
{
    static const char *const of_the_work[] = {"units", "wall_seconds", "uncut"};
    json_t *source = json_pack("{s:I}", "task", (json_int_t)result->task_id);
    for (size_t i = 0; i < sizeof of_the_work / sizeof *of_the_work; i++)
        (void)json_object_del(result->receipt, of_the_work[i]);
    return json_object_set_new(result->receipt, "reused", source) == 0 &&
                   json_object_set_new(result->receipt, "cpu_seconds", json_real(0)) == 0
               ? MR_OK
               : mr_fail_oom(err);
}

static enum mr_status new_set(struct mr_job *job, const struct mr_input *input, struct mr_output_set **ret,
                              struct mr_err *err)
{
    char object[MR_OBJECT_NAME_SIZE];
    mr_object_name_copied(job->claim, object);
    const struct mr_output_plan plan = {
        .object = object, .file_name = input->name, .format = mr_format_find(job->claim->new_format)};
    return mr_output_set_new(job, &plan, ret, err);
}

/* *ret_outputs stays NULL without a result. */
static enum mr_status answer(struct mr_job *job, const struct mr_input *input, struct mr_result *result,
                             struct mr_output_set **ret_outputs, struct mr_err *err)
{
    MR_AUTO(mr_output_set) struct mr_output_set *outputs = NULL;
    MR_TRY(look_at_input(job, input, err));
    MR_TRY(find_result(job, result, err));
    if (!result->task_id)
        return MR_OK;
    MR_TRY(complete_receipt(result, err));
    MR_TRY(new_set(job, input, &outputs, err));
    enum mr_status status = copy_outputs(job, input, result, outputs, err);
    if (status != MR_OK) {
        mr_output_set_drop(outputs, job);
        return status;
    }
    *ret_outputs = MR_TAKE(outputs);
    return MR_OK;
}

enum mr_status mr_reuse(struct mr_job *job, const struct mr_input *input, bool *ret_done, bool *ret_committed,
                        struct mr_err *err)
{
    MR_AUTO(mr_output_set) struct mr_output_set *outputs = NULL;
    MR_AUTO(mr_result) struct mr_result result = {0};
    struct mr_err cause = {0};
    enum mr_status status = answer(job, input, &result, &outputs, &cause);
    if (status == MR_CANCELED || (status != MR_OK && mr_job_should_stop(job)))
        return mr_fail_from(err, &cause);
    if (status != MR_OK)
        mr_log_err(job->log, MR_LOG_WARNING, "cannot reuse a result: the task is converted", &cause,
                   "{s:I,s:I}", "task_id", (json_int_t)job->claim->task_id, "result_of",
                   (json_int_t)result.task_id);
    *ret_done = outputs != NULL;
    return outputs ? mr_output_set_commit(outputs, job, result.receipt, NULL, ret_committed, err) : MR_OK;
}
