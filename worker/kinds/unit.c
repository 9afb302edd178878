/* The kind `unit`: a part of a task that was cut (shared/data/units.h). Video and audio are encoded into intermediate objects;
 * the join makes the task's output of them and commits it. */
#include "shared/base/clock.h"
#include "shared/data/object_names.h"
#include "shared/media/formats.h"
#include "worker/heartbeat.h"
#include "worker/job_settle.h"
#include "worker/media_job.h"
#include "worker/metrics.h"
#include "worker/publish_units.h"
#include "worker/unit_reader.h"
#include "worker/unit_reports.h"

#include <inttypes.h>

enum {
    PROGRESS_HEARD = 500, /* permille, of audio that was rehearsed before */
};

/* What the child writes for a unit: worker/media/packets.h. */
static const struct mr_format packets_format = {.name = "packets",
                                                .extension = "packets",
                                                .mime = "application/octet-stream",
                                                .media_class = MR_MEDIA_VIDEO};

static enum mr_status input_of(const struct mr_claim *claim, struct mr_input *ret, struct mr_err *err)
{
    *ret = (struct mr_input){.object = strdup(claim->input_object),
                             .name = strdup(claim->original_file),
                             .generation = claim->input_generation,
                             .size = claim->input_size};
    return ret->object && ret->name ? MR_OK : mr_fail_oom(err);
}

static enum mr_status spec_of(const struct mr_claim *claim, json_t **ret, struct mr_err *err)
{
    MR_AUTO_JSON json_t *options = NULL;
    MR_TRY(mr_media_job_options(claim, &options, err));
    *ret = json_pack("{s:s,s:O}", "format", claim->new_format, "options", options);
    return *ret ? MR_OK : mr_fail_oom(err);
}

/* What is known of a gain that units look for together; NULL: none is looked for, or it cannot be read. */
static json_t *search_of(const struct mr_claim *claim)
{
    return claim->unit.search ? json_loads(claim->unit.search, 0, NULL) : NULL;
}

/* Tells the child of the rehearsals, if there were any. */
static enum mr_status add_heard(json_t *spec, const json_t *search, struct mr_err *err)
{
    json_t *heard = json_object_get(search, "heard");
    return !heard || json_object_set(spec, "heard", heard) == 0 ? MR_OK : mr_fail_oom(err);
}

/* Repeats as mr_job_retry says, which is safe (units.h). */
static enum mr_status finish(struct mr_job *job, const struct mr_output *output, const json_t *report,
                             bool *ret_ours, int64_t *ret_join, struct mr_err *err)
{
    const struct mr_unit_result result = {.object = output->object,
                                          .object_generation = output->object_generation,
                                          .object_size = output->size,
                                          .report = report};
    struct mr_err failure = {0};
    struct mr_job_retries retries = {0};
    enum mr_status status;
    do
        status = mr_unit_finish(job->worker->db, job->claim, &result, ret_ours, ret_join, &failure);
    while (mr_job_retry(job, status, &retries));
    return status == MR_OK ? MR_OK : mr_fail_from(err, &failure);
}

static enum mr_status make_packets(struct mr_job *job, struct mr_output_set *outputs, json_t **ret_report,
                                   struct mr_err *err)
{
    const struct mr_unit *unit = &job->claim->unit;
    MR_AUTO(mr_input) struct mr_input input = {0};
    MR_AUTO_JSON json_t *spec = NULL;
    MR_AUTO_JSON json_t *search = search_of(job->claim);
    MR_TRY(input_of(job->claim, &input, err));
    MR_TRY(spec_of(job->claim, &spec, err));
    MR_TRY(add_heard(spec, search, err));
    input.progress_before = json_array_size(json_object_get(search, "heard")) > 1 ? PROGRESS_HEARD : 0;
    json_t *range = json_pack("{s:I,s:I,s:b}", "from_us", (json_int_t)unit->from_us, "to_us",
                              (json_int_t)unit->to_us, "is_audio", unit->kind == MR_UNIT_AUDIO);
    if (json_object_set_new(spec, "unit", range) != 0)
        return mr_fail_oom(err);
    MR_TRY(mr_media_job_run(job, &input, spec, outputs, ret_report, err));
    return mr_output_set_finish(outputs, err);
}

static enum mr_status run_part(struct mr_job *job, bool *ret_done, struct mr_err *err)
{
    char object[MR_OBJECT_NAME_SIZE];
    mr_object_name_unit(job->claim, object);
    const struct mr_output_plan plan = {.object = object, .file_name = "unit", .format = &packets_format};
    MR_AUTO(mr_output_set) struct mr_output_set *outputs = NULL;
    MR_AUTO_JSON json_t *report = NULL;
    size_t count = 0;
    int64_t join = 0;
    MR_TRY(mr_output_set_new(job, &plan, &outputs, err));
    enum mr_status status = make_packets(job, outputs, &report, err);
    const struct mr_output *stored = mr_output_set_outputs(outputs, &count);
    if (status == MR_OK && count != 1)
        status = mr_fail_code(err, MR_CODE_SANDBOX_PROTOCOL, "converter wrote several outputs for a unit");
    /* An answer that is lost may have been a success: the object stays in the ledger or the plan. */
    if (status == MR_OK)
        MR_TRY(finish(job, stored, report, ret_done, &join, err));
    if (status != MR_OK || !*ret_done)
        mr_output_set_drop(outputs, job);
    if (status == MR_OK && join)
        mr_publish_units(job->worker, job->claim, job->log);
    return status;
}

/* What the child is told of a unit: convert.h. NULL: no memory. */
static json_t *facts_of(const struct mr_unit_part *part)
{
    static const char *const names[] = {"frames", "last_pts", "samples", "output", "added"};
    json_t *facts = json_pack("[I]", (json_int_t)part->object_size);
    for (size_t i = 0; facts && i < sizeof names / sizeof *names; i++) {
        json_int_t value = json_integer_value(json_object_get(part->report, names[i]));
        if (json_array_append_new(facts, json_integer(value)) == 0)
            continue;
        json_decref(facts);
        return NULL;
    }
    return facts;
}

/* The same of all that is in its object: one stream, or one for each of some parts. false: no memory. */
static bool add_facts(json_t *list, const struct mr_unit_part *part)
{
    json_t *streams = json_object_get(part->report, "streams");
    return streams ? json_array_extend(list, streams) == 0 : json_array_append_new(list, facts_of(part)) == 0;
}

/* Of what is joined of a track, for the child. */
static enum mr_status add_parts_of(json_t *spec, const char *name, enum mr_unit_kind kind,
                                   const struct mr_unit_parts *parts, struct mr_err *err)
{
    MR_AUTO_JSON json_t *list = json_array();
    for (size_t i = 0; i < parts->count; i++) {
        const struct mr_unit_part *part = &parts->parts[i];
        if (part->kind != kind)
            continue;
        if (!add_facts(list, part))
            return mr_fail_oom(err);
    }
    if (json_array_size(list) == 0)
        return MR_OK;
    return json_object_set(spec, name, list) == 0 ? MR_OK : mr_fail_oom(err);
}

static enum mr_status add_parts(json_t *spec, const struct mr_unit_parts *parts, struct mr_err *err)
{
    for (size_t i = 0; i < parts->count; i++)
        MR_TRY(add_heard(spec, parts->parts[i].report, err));
    MR_TRY(add_parts_of(spec, "video_parts", MR_UNIT_VIDEO, parts, err));
    return add_parts_of(spec, "audio_parts", MR_UNIT_AUDIO, parts, err);
}

/* What the work has cost in all, and how long it took since it was planned. */
static enum mr_status complete_receipt(json_t *receipt, const struct mr_unit_parts *parts,
                                       double join_seconds, struct mr_err *err)
{
    double cpu = 0;
    MR_TRY(mr_unit_reports_cpu(parts, &cpu, err));
    cpu += json_number_value(json_object_get(receipt, "cpu_seconds"));
    return json_object_set_new(receipt, "cpu_seconds", json_real(cpu)) == 0 &&
                   json_object_set_new(receipt, "units", json_integer((json_int_t)parts->count + 1)) == 0 &&
                   json_object_set_new(receipt, "wall_seconds",
                                       json_real(parts->wall_seconds + join_seconds)) == 0
               ? MR_OK
               : mr_fail_oom(err);
}

static bool should_stop(void *ctx)
{
    return mr_job_should_stop(ctx);
}

static enum mr_status make_output(struct mr_job *job, const struct mr_unit_parts *parts, json_t *spec,
                                  struct mr_output_set *outputs, json_t **ret_receipt, struct mr_err *err)
{
    MR_AUTO(mr_unit_reader)
    struct mr_unit_reader reader = {
        .storage = job->worker->cloud.storage, .parts = parts, .canceled = should_stop, .canceled_ctx = job};
    MR_AUTO(mr_input) struct mr_input input = {0};
    MR_AUTO_JSON json_t *receipt = NULL;
    MR_TRY(input_of(job->claim, &input, err));
    MR_TRY(add_parts(spec, parts, err));
    input.units = &reader;
    MR_TRY(mr_media_job_run(job, &input, spec, outputs, &receipt, err));
    MR_TRY(mr_unit_reader_finish(&reader, err));
    MR_TRY(mr_output_set_finish(outputs, err));
    MR_TRY(mr_output_set_check(outputs, receipt, err));
    MR_TRY(complete_receipt(receipt, parts, (double)(mr_time_monotonic_us() - job->started_us) / 1e6, err));
    *ret_receipt = MR_TAKE(receipt);
    return MR_OK;
}

/* What the units have made. If it is not all there, the plan was dropped, or a worker of an earlier version, which does not know
 * units of all kinds, has worked on it: then one job makes the whole. */
static enum mr_status read_units(const struct mr_job *job, struct mr_unit_parts *ret, struct mr_err *err)
{
    struct mr_err failure = {0};
    enum mr_status status = mr_units_parts(job->worker->db, job->claim, ret, &failure);
    if (status == MR_NOT_FOUND)
        return mr_fail_code(err, MR_CODE_UNIT_IMPOSSIBLE, "%s", failure.message);
    return status == MR_OK ? MR_OK : mr_fail_from(err, &failure);
}

static enum mr_status run_join(struct mr_job *job, bool *ret_done, struct mr_err *err)
{
    char object[MR_OBJECT_NAME_SIZE];
    mr_object_name_joined(job->claim, object);
    const struct mr_format *format = mr_format_find(job->claim->new_format);
    MR_AUTO(mr_unit_parts) struct mr_unit_parts parts = {0};
    MR_AUTO(mr_output_set) struct mr_output_set *outputs = NULL;
    MR_AUTO_JSON json_t *spec = NULL, *receipt = NULL;
    if (!format)
        return mr_fail(err, MR_INTERNAL, "newFormat is unknown to this worker: %s", job->claim->new_format);
    MR_TRY(spec_of(job->claim, &spec, err));
    const struct mr_output_plan plan = {.object = object,
                                        .file_name = job->claim->original_file,
                                        .format = format,
                                        .options = json_object_get(spec, "options")};
    MR_TRY(read_units(job, &parts, err));
    MR_TRY(mr_output_set_new(job, &plan, &outputs, err));
    enum mr_status status = make_output(job, &parts, spec, outputs, &receipt, err);
    if (status != MR_OK) {
        mr_output_set_drop(outputs, job);
        return status;
    }
    return mr_output_set_commit(outputs, job, receipt, NULL, ret_done, err);
}

/* Tells the child what the units have measured in the last rehearsal; null: there was none. */
static enum mr_status add_sum(const struct mr_job *job, json_t *spec, double *ret_cpu, struct mr_err *err)
{
    MR_AUTO(mr_unit_parts) struct mr_unit_parts parts = {0};
    MR_AUTO_JSON json_t *sum = NULL;
    *ret_cpu = 0;
    if (!json_object_get(spec, "heard"))
        return json_object_set_new(spec, "measured", json_null()) == 0 ? MR_OK : mr_fail_oom(err);
    MR_TRY(read_units(job, &parts, err));
    MR_TRY(mr_unit_reports_cpu(&parts, ret_cpu, err));
    MR_TRY(mr_unit_reports_measured(&parts, &sum, err));
    return json_object_set(spec, "measured", sum) == 0 ? MR_OK : mr_fail_oom(err);
}

/* Repeats as mr_job_retry says, which is safe (units.h). */
static enum mr_status decide(struct mr_job *job, enum mr_level_next next, const json_t *search,
                             bool *ret_ours, struct mr_err *err)
{
    struct mr_err failure = {0};
    struct mr_job_retries retries = {0};
    enum mr_status status;
    do
        status = mr_unit_level(job->worker->db, job->claim, next, search, ret_ours, &failure);
    while (mr_job_retry(job, status, &retries));
    return status == MR_OK ? MR_OK : mr_fail_from(err, &failure);
}

/* What a child has said to do next; the cost of units that run again would otherwise be forgotten. */
static enum mr_status settle_level(struct mr_job *job, const json_t *report, double cpu, bool *ret_done,
                                   struct mr_err *err)
{
    enum mr_level_next next = MR_LEVEL_MADE;
    MR_AUTO_JSON json_t *before = search_of(job->claim), *search = NULL;
    MR_TRY(mr_unit_reports_next(before, report, cpu, &next, &search, err));
    MR_TRY(decide(job, next, search, ret_done, err));
    if (*ret_done)
        mr_publish_units(job->worker, job->claim, job->log);
    return MR_OK;
}

static enum mr_status run_level(struct mr_job *job, bool *ret_done, struct mr_err *err)
{
    double cpu = 0;
    MR_AUTO(mr_input) struct mr_input input = {0};
    MR_AUTO_JSON json_t *spec = NULL, *report = NULL, *search = search_of(job->claim);
    MR_TRY(input_of(job->claim, &input, err));
    MR_TRY(spec_of(job->claim, &spec, err));
    MR_TRY(add_heard(spec, search, err));
    MR_TRY(add_sum(job, spec, &cpu, err));
    MR_TRY(mr_media_job_run(job, &input, spec, NULL, &report, err));
    return settle_level(job, report, cpu, ret_done, err);
}

static enum mr_job_end give_up(struct mr_job *job, const struct mr_err *cause)
{
    struct mr_err err = {0};
    struct mr_message message = {0};
    bool ours = false;
    enum mr_status status =
        mr_units_give_up(job->worker->db, job->claim, cause->message, &ours, &message, &err);
    if (status == MR_OK && ours)
        mr_publish_again(job->worker, &message, job->log);
    return mr_job_end_unless_lost(job, status, ours, MR_JOB_UNCUT, &err);
}

/* What the input is blamed for says where it was met: units.h. */
static enum mr_job_end settle(struct mr_job *job, const struct mr_err *cause)
{
    char place[MR_UNIT_PLACE_SIZE];
    struct mr_err placed = *cause;
    if (cause->code == MR_CODE_UNIT_IMPOSSIBLE && !mr_heartbeat_lost(job->heartbeat))
        return give_up(job, cause);
    mr_unit_place(&job->claim->unit, place);
    if (*place && mr_code_is_verdict(cause->code))
        (void)!mr_fail_code(&placed, cause->code, "%s: %s", place, cause->message);
    return mr_job_settle(job, &placed);
}

static mr_kind_run *run_of(enum mr_unit_kind kind)
{
    return kind == MR_UNIT_JOIN ? run_join : kind == MR_UNIT_LEVEL ? run_level : run_part;
}

enum mr_job_end mr_unit_run(struct mr_worker *worker, const struct mr_message *message,
                            const struct mr_log *log, const struct mr_ticket *ticket)
{
    MR_AUTO(mr_claim) struct mr_claim claim = {0};
    enum mr_claim_outcome outcome = MR_CLAIM_STALE;
    struct mr_err err = {0}, cause = {0};
    if (mr_job_claim(worker, mr_unit_claim, message, log, &outcome, &claim, &err) != MR_OK) {
        mr_log_err(log, MR_LOG_ERROR, "cannot claim a unit", &err, "{s:I,s:I}", "task_id",
                   (json_int_t)message->task_id, "unit", (json_int_t)message->id);
        return MR_JOB_RELEASED;
    }
    enum mr_job_end end = mr_job_end_unclaimed(outcome);
    bool ended = outcome == MR_CLAIM_EXHAUSTED;
    if (outcome == MR_CLAIM_OURS) {
        struct mr_job job = {.worker = worker,
                             .claim = &claim,
                             .log = log,
                             .ticket = ticket,
                             .started_us = mr_time_monotonic_us()};
        end = mr_job_run_leased(&job, run_of(claim.unit.kind), settle, &cause);
        mr_job_ended(&job, end, &cause);
        ended = end == MR_JOB_FAILED || end == MR_JOB_EXHAUSTED ||
                (end == MR_JOB_COMMITTED && claim.unit.kind == MR_UNIT_JOIN);
        ended = ended && claim.has_deliveries;
    } else {
        mr_job_log_unclaimed(log, message, end);
    }
    if (ended)
        mr_deliver_announce(worker, message->task_id, log);
    return end;
}
