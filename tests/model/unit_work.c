/* The work of a task that is cut: its plan, what the media sandbox makes of a unit, and where that is stored. The rest of
 * a unit's run is the product's (worker/kinds/unit.c). */
#include "shared/data/object_names.h"
#include "shared/data/units.h"
#include "tests/model/model.h"
#include "worker/media_job.h"
#include "worker/publish_units.h"
#include "worker/unit_reader.h"

enum { UNIT_US = 60 * SECOND_US, IMPOSSIBLE_PERMILLE = 20, REHEARSALS = 3 };

/* Replaces that of worker/output_set.c: one output. */
struct mr_output_set {
    char name[MR_OBJECT_NAME_SIZE];
    struct mr_output output;
    bool is_stored;
};

enum mr_status __wrap_mr_media_job_run(struct mr_job *job, const struct mr_input *input, json_t *spec,
                                       struct mr_output_set *outputs, json_t **ret_receipt,
                                       struct mr_err *err);
enum mr_status __wrap_mr_output_set_new(const struct mr_job *job, const struct mr_output_plan *plan,
                                        struct mr_output_set **ret, struct mr_err *err);
void __wrap_mr_output_set_free(struct mr_output_set *set);
enum mr_status __wrap_mr_output_set_finish(struct mr_output_set *set, struct mr_err *err);
enum mr_status __wrap_mr_output_set_check(const struct mr_output_set *set, const json_t *receipt,
                                          struct mr_err *err);
enum mr_status __wrap_mr_output_set_commit(const struct mr_output_set *set, struct mr_job *job,
                                           const json_t *receipt, const json_t *result, bool *ret_committed,
                                           struct mr_err *err);
void __wrap_mr_output_set_drop(const struct mr_output_set *set, struct mr_job *job);
const struct mr_output *__wrap_mr_output_set_outputs(const struct mr_output_set *set, size_t *ret_count);
enum mr_status __wrap_mr_unit_reader_finish(struct mr_unit_reader *reader, struct mr_err *err);

/* Two of video, or of audio, which look for a gain together or do not; or one of video and one of audio. */
static struct mr_units_plan draw_plan(struct model *model, const struct mr_claim *claim)
{
    const bool is_video = model_random(model, 2), is_mixed = is_video && model_random(model, 2);
    struct mr_units_plan plan = {.count = 2, .has_level = !is_video && model_random(model, 2)};
    for (size_t i = 0; i < plan.count; i++)
        plan.units[i] =
            (struct mr_unit_plan){.kind = is_video && !(i && is_mixed) ? MR_UNIT_VIDEO : MR_UNIT_AUDIO,
                                  .from_us = is_mixed ? 0 : (int64_t)i * UNIT_US,
                                  .to_us = i || is_mixed ? INT64_MAX : UNIT_US};
    if (claim->input_object[0])
        plan.basis[MR_UNIT_VIDEO] = plan.basis[MR_UNIT_AUDIO] = "the same";
    return plan;
}

enum mr_status model_cut(struct mr_job *job, struct mr_err *err)
{
    const struct mr_units_plan plan = draw_plan(the_model, job->claim);
    struct mr_err failure = {0};
    struct mr_job_retries retries = {0};
    enum mr_status status;
    bool ours = false;
    MR_TRY(mr_job_start(job, err));
    do
        status = mr_units_make(job->worker->db, job->claim, &plan, &ours, &failure);
    while (mr_job_retry(job, status, &retries));
    if (status != MR_OK)
        return mr_fail_from(err, &failure);
    model_job_end();
    job->lost = !ours;
    if (!ours)
        return mr_fail(err, MR_CANCELED, "lease is lost");
    job->is_cut = true;
    mr_publish_units(job->worker, job->claim, job->log);
    return MR_OK;
}

/* As worker/media/loudness_step.h: what was heard by now, and what units do next. */
static json_t *draw_level(struct model *model, const json_t *spec)
{
    json_t *before = json_object_get(spec, "heard");
    json_t *heard = before ? json_copy(before) : json_array();
    json_array_append_new(heard, json_object());
    const size_t count = json_array_size(heard);
    const char *next = count > REHEARSALS ? "made" : count > 1 && model_random(model, 2) ? "last" : "again";
    return json_pack("{s:o,s:s,s:f}", "heard", heard, "next", next, "cpu_seconds", 1.0);
}

enum mr_status __wrap_mr_media_job_run(struct mr_job *job, const struct mr_input *input, json_t *spec,
                                       struct mr_output_set *outputs, json_t **ret_receipt,
                                       struct mr_err *err)
{
    struct model *model = the_model;
    (void)input;
    MR_TRY(model_work(job, err));
    if (model_chance(model, IMPOSSIBLE_PERMILLE))
        return mr_fail_code(err, MR_CODE_UNIT_IMPOSSIBLE, "units do not fit together");
    if (outputs) {
        outputs->is_stored = true;
        MR_TRY(model_store(job, outputs->name, err));
    }
    *ret_receipt = job->claim->unit.kind == MR_UNIT_LEVEL ? draw_level(model, spec)
                                                          : json_pack("{s:f, s:{s:f, s:{}}}", "cpu_seconds",
                                                                      1.0, "measured", "peak", 0.5, "blocks");
    return MR_OK;
}

enum mr_status __wrap_mr_output_set_new(const struct mr_job *job, const struct mr_output_plan *plan,
                                        struct mr_output_set **ret, struct mr_err *err)
{
    struct mr_output_set *set = calloc(1, sizeof *set);
    (void)job, (void)err;
    mr_object_name_output(plan->object, 0, plan->format->extension, set->name);
    set->output = (struct mr_output){.object = set->name, .object_generation = 1, .size = 50};
    *ret = set;
    return MR_OK;
}

void __wrap_mr_output_set_free(struct mr_output_set *set)
{
    free(set);
}

enum mr_status __wrap_mr_output_set_finish(struct mr_output_set *set, struct mr_err *err)
{
    (void)set, (void)err;
    return MR_OK;
}

enum mr_status __wrap_mr_output_set_check(const struct mr_output_set *set, const json_t *receipt,
                                          struct mr_err *err)
{
    (void)set, (void)receipt, (void)err;
    return MR_OK;
}

enum mr_status __wrap_mr_output_set_commit(const struct mr_output_set *set, struct mr_job *job,
                                           const json_t *receipt, const json_t *result, bool *ret_committed,
                                           struct mr_err *err)
{
    (void)receipt, (void)result;
    return model_commit(job, set->name, ret_committed, err);
}

void __wrap_mr_output_set_drop(const struct mr_output_set *set, struct mr_job *job)
{
    if (set->is_stored && !mr_slots_stopping(&job->worker->slots))
        mr_job_drop_object(job, set->name);
}

const struct mr_output *__wrap_mr_output_set_outputs(const struct mr_output_set *set, size_t *ret_count)
{
    *ret_count = 1;
    return &set->output;
}

enum mr_status __wrap_mr_unit_reader_finish(struct mr_unit_reader *reader, struct mr_err *err)
{
    (void)reader, (void)err;
    return MR_OK;
}
