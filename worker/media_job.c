#include "worker/media_job.h"

#include "shared/media/formats.h"
#include "worker/heartbeat.h"
#include "worker/protocol.h"
#include "worker/read_ahead.h"
#include "worker/sandbox_job.h"
#include "worker/unit_reader.h"

#include <unistd.h>

/* How much is read to verify an input of which a job has read only parts: that a result was made from the right
 * bytes, and, more thoroughly, that a failure is the file's and not one of reading it. */
enum { VERIFY_RESULT_MAX = 64 << 20, VERIFY_VERDICT_MAX = 1 << 30 };

enum { THREADS_MAX = 8 };

struct media_job {
    struct mr_job *job;
    const struct mr_input *source;
    struct mr_read_ahead *input;
    struct mr_output_set *outputs;
};

/* The generation that the task knows is not there any more. Another one in its place is somebody's doing; where there is
 * none, it was lost by us, unless the task was just deleted. Users learn that it is gone, operators also what. */
static enum mr_status fail_gone(const struct media_job *media, struct mr_err *err)
{
    const struct mr_worker *worker = media->job->worker;
    struct mr_object found = {0};
    if (mr_storage_stat(worker->cloud.storage, media->source->object, &found, NULL) == MR_OK &&
        found.generation != media->source->generation)
        return mr_fail_code(err, MR_CODE_INPUT_CHANGED,
                            "the file of the task was replaced by another one in storage");
    const struct mr_need need = {.permission = "storage.objects.get",
                                 .resource = worker->config->bucket,
                                 .object = media->source->object};
    mr_refusals_report(worker->cloud.refusals, &need, 404, "the input of a task is missing");
    return mr_fail_code(err, MR_CODE_INPUT_GONE, "input of the task is no longer in storage");
}

static enum mr_status read_range(void *ctx, uint32_t source, int64_t offset, void *buf, size_t len,
                                 size_t *ret_len, struct mr_err *err)
{
    struct media_job *media = ctx;
    if (source == MR_SOURCE_LOGO) {
        *ret_len = mr_logo_copy(&media->job->worker->logo, offset, buf, len);
        return MR_OK;
    }
    if (source == MR_SOURCE_UNITS)
        return mr_unit_reader_read(media->source->units, offset, buf, len, ret_len, err);
    enum mr_status status = mr_read_ahead_read(media->input, offset, buf, len, ret_len, err);
    if (status == MR_NOT_FOUND)
        return fail_gone(media, err);
    if (status != MR_OK)
        return mr_wrap(err, status, "read the input");
    return MR_OK;
}

static enum mr_status write_output(void *ctx, uint32_t output, int64_t offset, const void *data, size_t len,
                                   struct mr_err *err)
{
    struct media_job *media = ctx;
    if (!media->outputs)
        return mr_fail_code(err, MR_CODE_SANDBOX_PROTOCOL,
                            "converter wrote output for a job without outputs");
    enum mr_status status = mr_output_set_write(media->outputs, output, offset, data, len, err);
    if (status != MR_OK)
        return mr_wrap(err, status, "write the output");
    return MR_OK;
}

static enum mr_status restart(void *ctx, struct mr_err *err)
{
    struct media_job *media = ctx;
    return media->outputs ? mr_output_set_restart(media->outputs, err) : MR_OK;
}

static void note_progress(void *ctx, int permille)
{
    struct media_job *media = ctx;
    int before = media->source->progress_before;
    mr_heartbeat_progress(media->job->heartbeat, before + permille * (1000 - before) / 1000);
}

static bool should_stop(void *ctx)
{
    struct media_job *media = ctx;
    return mr_job_should_stop(media->job);
}

static const struct mr_sandbox_callbacks callbacks = {.read_range = read_range,
                                                      .write_output = write_output,
                                                      .restart = restart,
                                                      .progress = note_progress,
                                                      .canceled = should_stop};

/* How many threads the job's video may have: as many as there are idle processors, and slots for them. */
static int choose_threads(struct mr_worker *worker, const struct mr_format *format)
{
    if (!format || format->media_class != MR_MEDIA_VIDEO)
        return 1;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    int most = processors < THREADS_MAX ? (int)processors : THREADS_MAX;
    int portion = mr_slots_portion(&worker->slots);
    return portion < most ? portion : most;
}

/* threads: those that libav is told to have. */
static enum mr_status complete_spec(const struct mr_worker *worker, const struct mr_input *source,
                                    int threads, json_t *spec, struct mr_err *err)
{
    const struct mr_config *config = worker->config;
    MR_AUTO_JSON json_t *common =
        json_pack("{s:I,s:s,s:I,s:I,s:I,s:I,s:i}", "input_size", (json_int_t)source->size, "input_name",
                  source->name, "logo_size", (json_int_t)worker->logo.len, "max_pixels",
                  (json_int_t)config->max_pixels, "max_work", (json_int_t)config->max_work,
                  "max_duration_seconds", (json_int_t)config->max_duration_s, "threads", threads);
    return common && json_object_update(spec, common) == 0 ? MR_OK : mr_fail_oom(err);
}

static enum mr_status verify_input(struct media_job *media, int64_t max_bytes, struct mr_err *err)
{
    struct mr_err failure = {0};
    enum mr_status status = mr_read_ahead_verify(media->input, max_bytes, should_stop, media, &failure);
    if (status == MR_NOT_FOUND)
        return fail_gone(media, err);
    return status == MR_OK ? MR_OK : mr_fail_from(err, &failure);
}

/* Nothing counts that was made from damaged bytes: neither a result nor a verdict about the file. */
static enum mr_status run_verified(struct media_job *media, const json_t *spec,
                                   const struct mr_sandbox_limits *limits, json_t **ret_receipt,
                                   struct mr_err *err)
{
    MR_AUTO_JSON json_t *receipt = NULL;
    struct mr_err failure = {0};
    struct mr_worker *worker = media->job->worker;
    struct mr_span span = mr_span_begin(worker->tracer, media->job->log, "child", MR_SPAN_INTERNAL);
    enum mr_status status =
        mr_sandbox_run(worker->sandbox, spec, &callbacks, media, limits, &receipt, &failure);
    mr_span_set_text(&span, "mediarun.format", media->job->claim->new_format);
    mr_span_end(&span, status);
    if (status == MR_OK) {
        MR_TRY(verify_input(media, VERIFY_RESULT_MAX, err));
        media->job->input = mr_read_ahead_whole(media->input);
        *ret_receipt = MR_TAKE(receipt);
        return MR_OK;
    }
    if (mr_code_is_verdict(failure.code) && failure.code != MR_CODE_INPUT_CHANGED)
        MR_TRY(verify_input(media, VERIFY_VERDICT_MAX, err));
    return mr_fail_from(err, &failure);
}

enum mr_status mr_media_job_run(struct mr_job *job, const struct mr_input *input, json_t *spec,
                                struct mr_output_set *outputs, json_t **ret_receipt, struct mr_err *err)
{
    struct mr_worker *worker = job->worker;
    const json_t *options = json_object_get(spec, "options");
    const struct mr_format *format = mr_format_find(json_string_value(json_object_get(spec, "format")));
    const int of_codec = mr_options_threads(options, format);
    job->threads = choose_threads(worker, format);
    const struct mr_sandbox_limits limits = {
        .memory_mib = worker->config->sandbox_memory_mib,
        .cpu_seconds = worker->config->job_timeout_s,
        .total_ms = worker->config->job_timeout_s * 1000,
        .stall_ms = worker->config->stall_timeout_s * 1000,
        .output_max = worker->config->max_output_bytes,
        .threads = job->threads > 1 && job->threads > of_codec ? job->threads : of_codec};
    MR_AUTO(mr_read_ahead) struct mr_read_ahead *ahead = NULL;
    MR_TRY(complete_spec(worker, input, job->threads, spec, err));
    MR_TRY(
        mr_read_ahead_new(worker->cloud.storage, input->object, input->generation, input->size, &ahead, err));
    struct media_job media = {.job = job, .source = input, .input = ahead, .outputs = outputs};
    MR_TRY(mr_job_start(job, err));
    return run_verified(&media, spec, &limits, ret_receipt, err);
}

enum mr_status mr_media_job_options(const struct mr_claim *claim, json_t **ret_options, struct mr_err *err)
{
    MR_AUTO_JSON json_t *options = claim->options[0] ? json_loads(claim->options, 0, NULL) : json_object();
    if (!json_is_object(options))
        return mr_fail(err, MR_INTERNAL, "options of the task are not a JSON object");
    *ret_options = MR_TAKE(options);
    return MR_OK;
}
