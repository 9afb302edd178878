/* The kinds `convert` and `edit`: make one or several output objects from one input object, as the format and
 * options of the task say. An edit is a conversion with the options of a preset. */
#include "shared/base/version.h"
#include "shared/data/object_names.h"
#include "shared/media/formats.h"
#include "worker/media_job.h"
#include "worker/publish_units.h"

/* The converter found more work than one unit should have, and has written nothing. */
static enum mr_status read_cuts(const json_t *cuts, struct mr_units_plan *ret, struct mr_err *err)
{
    ret->count = json_array_size(cuts);
    bool is_right = ret->count >= 2 && ret->count <= MR_UNITS_MAX;
    for (size_t i = 0; is_right && i < ret->count; i++) {
        ret->from_us[i] = json_integer_value(json_array_get(cuts, i));
        is_right = i == 0 ? ret->from_us[0] == 0 : ret->from_us[i] > ret->from_us[i - 1];
    }
    return is_right ? MR_OK
                    : mr_fail_code(err, MR_CODE_SANDBOX_PROTOCOL, "converter cut the task in no order");
}

/* Everything that the packets of a unit depend on. What only the join follows is left out: another value of it leaves the
 * units as they are. */
static enum mr_status basis_of(const struct mr_claim *claim, const json_t *options, char **ret,
                               struct mr_err *err)
{
    static const char *const of_join[] = {"sample_rate", "channels", "loudness", "waveform"};
    MR_AUTO_JSON json_t *others = json_copy((json_t *)(uintptr_t)options);
    for (size_t i = 0; others && i < sizeof of_join / sizeof *of_join; i++)
        (void)json_object_del(others, of_join[i]);
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
    MR_AUTO_STR char *basis = NULL;
    MR_TRY(read_cuts(cuts, &plan, err));
    MR_TRY(basis_of(job->claim, options, &basis, err));
    plan.basis = job->claim->input_object[0] ? basis : NULL;
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
    return json_object_set_new(spec, "unit_seconds", json_integer(seconds)) == 0 ? MR_OK : mr_fail_oom(err);
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
    const json_t *cuts = json_object_get(receipt, "cuts");
    if (cuts && json_object_get(spec, "unit_seconds"))
        return cut_task(job, options, cuts, err);
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
    return ours ? convert_input(job, &input, format, options, ret_committed, err) : MR_OK;
}
