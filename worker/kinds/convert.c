/* The kinds `convert` and `edit`: make one or several output objects from one input object, as the format and
 * options of the task say. An edit is a conversion with the options of a preset. */
#include "shared/base/version.h"
#include "shared/data/object_names.h"
#include "shared/media/formats.h"
#include "worker/media_job.h"
#include "worker/publish_units.h"
#include "worker/reuse.h"

/* Appends the units of a track; false if they are in no order. */
static bool read_track(const json_t *cuts, enum mr_unit_kind kind, struct mr_units_plan *plan)
{
    size_t count = json_array_size(cuts);
    int64_t before = -1;
    for (size_t i = 0; i < count; i++) {
        int64_t from_us = json_integer_value(json_array_get(cuts, i));
        if (plan->count == MR_UNITS_MAX || from_us <= before || (i == 0 && from_us != 0))
            return false;
        plan->units[plan->count++] =
            (struct mr_unit_plan){.kind = kind, .from_us = from_us, .to_us = INT64_MAX};
        if (i > 0)
            plan->units[plan->count - 2].to_us = from_us;
        before = from_us;
    }
    return true;
}

/* The converter found more work than one unit should have, and has written nothing. */
static enum mr_status read_cuts(const json_t *cuts, struct mr_units_plan *ret, struct mr_err *err)
{
    ret->count = 0;
    ret->has_level = json_is_true(json_object_get(cuts, "level"));
    return read_track(json_object_get(cuts, "video"), MR_UNIT_VIDEO, ret) &&
                   read_track(json_object_get(cuts, "audio"), MR_UNIT_AUDIO, ret) && ret->count >= 2
               ? MR_OK
               : mr_fail_code(err, MR_CODE_SANDBOX_PROTOCOL, "converter cut the task in no order");
}

/* Everything that the packets of a unit depend on. Options of the other track, and what only the join follows, are left
 * out: another value of them leaves the unit as it is. */
static enum mr_status basis_of(const struct mr_claim *claim, const json_t *options,
                               const char *const without[], char **ret, struct mr_err *err)
{
    MR_AUTO_JSON json_t *others = json_copy((json_t *)(uintptr_t)options);
    for (size_t i = 0; others && without[i]; i++)
        (void)json_object_del(others, without[i]);
    MR_AUTO_JSON json_t *basis =
        json_pack("{s:s,s:s,s:I,s:s,s:O}", "version", mr_version, "input", claim->input_object, "generation",
                  (json_int_t)claim->input_generation, "format", claim->new_format, "options", others);
    *ret = basis ? json_dumps(basis, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    return *ret ? MR_OK : mr_fail_oom(err);
}

/* Safe to repeat. A heartbeat between commit and answer still holds the lease. */
static enum mr_status cut_task(struct mr_job *job, const json_t *options, const json_t *cuts,
                               struct mr_err *err)
{
    struct mr_units_plan plan;
    struct mr_err failure = {0};
    struct mr_job_retries retries = {0};
    enum mr_status status;
    bool ours = false;
    static const char *const not_of_video[] = {"sample_rate", "channels",  "loudness", "waveform",
                                               "thumbnail",   "filmstrip", "verify",   NULL};
    static const char *const not_of_audio[] = {"crf", "preset",    "resize",    "background", "waveform",
                                               "fps", "thumbnail", "filmstrip", NULL};
    MR_AUTO_STR char *video = NULL;
    MR_AUTO_STR char *audio = NULL;
    MR_TRY(read_cuts(cuts, &plan, err));
    MR_TRY(basis_of(job->claim, options, not_of_video, &video, err));
    MR_TRY(basis_of(job->claim, options, not_of_audio, &audio, err));
    bool is_kept = job->claim->input_object[0];
    plan.basis[MR_UNIT_VIDEO] = is_kept ? video : NULL;
    plan.basis[MR_UNIT_AUDIO] = is_kept ? audio : NULL;
    do
        status = mr_units_make(job->worker->db, job->claim, &plan, &ours, &failure);
    while (mr_job_retry(job, status, &retries));
    if (status != MR_OK)
        return mr_fail_from(err, &failure);
    job->lost = !ours;
    if (!ours)
        return mr_fail(err, MR_CANCELED, "lease is lost");
    job->is_cut = true;
    mr_publish_units(job->worker, job->claim, job->log);
    return MR_OK;
}

/* What the converter is told of units. Why this generation must not be cut goes into the receipt. */
static enum mr_status add_units(const struct mr_job *job, json_t *spec, struct mr_err *err)
{
    const int64_t seconds = job->worker->config->unit_seconds;
    if (seconds == 0 || job->claim->whole_reason[0])
        return MR_OK;
    if (json_object_set_new(spec, "unit_seconds", json_integer(seconds)) != 0)
        return mr_fail_oom(err);
    json_t *costs = mr_costs_get(&job->worker->costs, job->worker->db, job->log);
    return !costs || json_object_set_new(spec, "costs", costs) == 0 ? MR_OK : mr_fail_oom(err);
}

/* Most of the output is stored while the child still encodes; here its end is. */
static enum mr_status finish_outputs(struct mr_job *job, struct mr_output_set *outputs, struct mr_err *err)
{
    struct mr_span span = mr_span_begin(job->worker->tracer, job->log, "store", MR_SPAN_CLIENT);
    enum mr_status status = mr_output_set_finish(outputs, err);
    mr_span_end(&span, status);
    return status;
}

/* *ret_receipt stays NULL if the task was cut. */
static enum mr_status make_outputs(struct mr_job *job, const struct mr_input *input, const json_t *options,
                                   struct mr_output_set *outputs, json_t **ret_receipt, struct mr_err *err)
{
    MR_AUTO_JSON json_t *receipt = NULL;
    MR_AUTO_JSON json_t *spec =
        json_pack("{s:s,s:O}", "format", job->claim->new_format, "options", (json_t *)(uintptr_t)options);
    if (!spec)
        return mr_fail_oom(err);
    MR_TRY(add_units(job, spec, err));
    MR_TRY(mr_media_job_run(job, input, spec, outputs, &receipt, err));
    if (json_object_get(receipt, "video") && json_object_get(spec, "unit_seconds"))
        return cut_task(job, options, receipt, err);
    if (job->claim->whole_reason[0] &&
        json_object_set_new(receipt, "uncut", json_string(job->claim->whole_reason)) != 0)
        return mr_fail_oom(err);
    MR_TRY(finish_outputs(job, outputs, err));
    MR_TRY(mr_output_set_check(outputs, receipt, err));
    *ret_receipt = MR_TAKE(receipt);
    return MR_OK;
}

static enum mr_status convert_input(struct mr_job *job, const struct mr_input *input,
                                    const struct mr_format *format, const json_t *options,
                                    bool *ret_committed, struct mr_err *err)
{
    char object[MR_OBJECT_NAME_SIZE];
    mr_object_name_outputs(job->claim, object);
    const struct mr_output_plan plan = {
        .object = object, .file_name = input->name, .format = format, .options = options};
    MR_AUTO(mr_output_set) struct mr_output_set *outputs = NULL;
    MR_AUTO_JSON json_t *receipt = NULL;
    MR_TRY(mr_output_set_new(job, &plan, &outputs, err));
    enum mr_status status = make_outputs(job, input, options, outputs, &receipt, err);
    if (status != MR_OK) {
        mr_output_set_drop(outputs, job);
        return status;
    }
    return job->is_cut ? MR_OK : mr_output_set_commit(outputs, job, receipt, NULL, ret_committed, err);
}

/* From an earlier result, if the task asks for it and there is one. */
static enum mr_status answer(struct mr_job *job, const struct mr_input *input, const struct mr_format *format,
                             const json_t *options, bool *ret_committed, struct mr_err *err)
{
    bool is_done = false;
    if (job->claim->reuse)
        MR_TRY(mr_reuse(job, input, &is_done, ret_committed, err));
    return is_done ? MR_OK : convert_input(job, input, format, options, ret_committed, err);
}

static enum mr_status get_input(struct mr_job *job, struct mr_input *input, bool *ret_ours,
                                struct mr_err *err)
{
    if (job->claim->input_object[0])
        return mr_ingest(job, input, ret_ours, err);
    struct mr_span span = mr_span_begin(job->worker->tracer, job->log, "fetch", MR_SPAN_CLIENT);
    enum mr_status status = mr_ingest(job, input, ret_ours, err);
    mr_span_end(&span, status);
    return status;
}

enum mr_status mr_kind_convert(struct mr_job *job, bool *ret_committed, struct mr_err *err)
{
    const struct mr_claim *claim = job->claim;
    const struct mr_format *format = mr_format_find(claim->new_format);
    if (!format)
        return mr_fail_code(err, MR_CODE_UNSUPPORTED_FORMAT, "newFormat is unknown to this worker: %s",
                            claim->new_format);
    MR_AUTO_JSON json_t *options = NULL;
    MR_TRY(mr_media_job_options(claim, &options, err));
    MR_AUTO(mr_input) struct mr_input input = {0};
    bool ours = false;
    *ret_committed = false;
    MR_TRY(get_input(job, &input, &ours, err));
    return ours ? answer(job, &input, format, options, ret_committed, err) : MR_OK;
}
