/* The kind `convert`: one input object becomes one output object in another format. */
#include "shared/data/formats.h"
#include "worker/heart.h"
#include "worker/ingest.h"
#include "worker/output_writer.h"
#include "worker/read_ahead.h"
#include "worker/sandbox_job.h"

#include <inttypes.h>

enum { STEM_MAX = 200 };

struct conversion {
    struct mr_job *job;
    const struct mr_input *source;
    struct mr_read_ahead *input;
    struct mr_output_writer *output;
};

/* ---- what the sandbox asks for ------------------------------------------------------- */

static enum mr_status read_range(void *ctx, int64_t offset, void *buf, size_t len, size_t *ret_len,
                                 struct mr_err *err)
{
    struct conversion *conversion = ctx;
    enum mr_status status = mr_read_ahead_read(conversion->input, offset, buf, len, ret_len, err);
    if (status ==
        MR_NOT_FOUND) /* storage has lost the input, or the task was deleted: no retry brings it back */
        return mr_fail_code(err, MR_NOT_FOUND, "input_gone", "the uploaded file is no longer in storage");
    return status == MR_OK ? MR_OK : mr_wrap(err, status, "read the input");
}

static enum mr_status write_output(void *ctx, int64_t offset, const void *data, size_t len,
                                   struct mr_err *err)
{
    struct conversion *conversion = ctx;
    enum mr_status status = mr_output_writer_write(conversion->output, offset, data, len, err);
    return status == MR_OK ? MR_OK : mr_wrap(err, status, "write the output");
}

static void note_progress(void *ctx, int permille)
{
    struct conversion *conversion = ctx;
    int before = conversion->source->progress_before;
    mr_heart_progress(conversion->job->heart, before + permille * (1000 - before) / 1000);
}

static bool should_stop(void *ctx)
{
    struct conversion *conversion = ctx;
    return mr_job_should_stop(conversion->job);
}

static const struct mr_sandbox_callbacks callbacks = {.read_range = read_range,
                                                      .write_output = write_output,
                                                      .progress = note_progress,
                                                      .canceled = should_stop};

/* ---- names ------------------------------------------------------------------------------ */

/* The fence is in the name: a late worker can neither overwrite nor publish. */
static void object_name(const struct mr_claim *claim, const struct mr_format *format, char *out, size_t size)
{
    snprintf(out, size, "results/%s/%" PRId64 "-%" PRId64 ".%s", claim->file_id, claim->generation,
             claim->fence, format->extension);
}

/* "My song.wav" becomes "My song.mp3". A stem that is too long is cut at a character's start. */
static void result_name(const char *original, const struct mr_format *format, char *out, size_t size)
{
    const char *dot = strrchr(original, '.');
    size_t len = dot && dot != original ? (size_t)(dot - original) : strlen(original);
    if (len > STEM_MAX)
        len = mr_utf8_prefix(original, STEM_MAX);
    snprintf(out, size, "%.*s.%s", (int)len, len ? original : "output", format->extension);
}

/* ---- the work ---------------------------------------------------------------------------- */

static enum mr_status convert(struct conversion *conversion, const struct mr_format *format,
                              json_t **ret_receipt, struct mr_err *err)
{
    const struct mr_worker *worker = conversion->job->worker;
    const struct mr_input *source = conversion->source;
    const struct mr_sandbox_limits limits = {.memory_mib = worker->config->sandbox_memory_mib,
                                             .cpu_seconds = worker->config->job_timeout_s,
                                             .total_ms = worker->config->job_timeout_s * 1000,
                                             .stall_ms = worker->config->stall_timeout_s * 1000};
    MR_AUTO_JSON json_t *spec = json_pack("{s:s,s:I,s:s}", "format", format->name, "input_size",
                                          (json_int_t)source->size, "input_name", source->name);
    if (!spec)
        return mr_fail_oom(err);
    return mr_sandbox_run(worker->sandbox, spec, &callbacks, conversion, &limits, ret_receipt, err);
}

static enum mr_status convert_and_store(struct mr_job *job, const struct mr_input *source,
                                        const struct mr_format *format, const char *object,
                                        struct mr_object *ret_object, json_t **ret_receipt,
                                        struct mr_err *err)
{
    struct mr_storage *storage = job->worker->cloud.storage;
    MR_AUTO(mr_read_ahead) struct mr_read_ahead *input = NULL;
    MR_AUTO(mr_output_writer) struct mr_output_writer *output = NULL;
    MR_AUTO_JSON json_t *receipt = NULL;
    enum mr_status status =
        mr_read_ahead_new(storage, source->object, source->generation, source->size, &input, err);
    if (status == MR_OK)
        status = mr_output_writer_new(job->worker->db, storage, object, format->mime, &output, err);
    if (status == MR_OK) {
        struct conversion conversion = {job, source, input, output};
        status = convert(&conversion, format, &receipt, err);
    }
    if (status == MR_OK)
        status = mr_output_writer_finish(output, ret_object, err);
    if (status == MR_OK)
        *ret_receipt = MR_TAKE(receipt);
    return status;
}

static enum mr_status convert_input(struct mr_job *job, const struct mr_input *source,
                                    const struct mr_format *format, bool *ret_committed, struct mr_err *err)
{
    char object[256], file_name[STEM_MAX + 32];
    object_name(job->claim, format, object, sizeof object);
    result_name(source->name, format, file_name, sizeof file_name);
    struct mr_object stored;
    MR_AUTO_JSON json_t *receipt = NULL;
    enum mr_status status = convert_and_store(job, source, format, object, &stored, &receipt, err);
    if (status != MR_OK)
        return status;
    const struct mr_result result = {.object = object,
                                     .object_generation = stored.generation,
                                     .file_name = file_name,
                                     .format = format->name,
                                     .content_type = format->mime,
                                     .size = stored.size};
    const struct mr_commit commit = {.results = &result, .count = 1, .receipt = receipt};
    status = mr_job_commit(job, &commit, ret_committed, err);
    if (status == MR_OK && !*ret_committed)
        mr_job_drop_object(job, object);
    return status;
}

enum mr_status mr_kind_convert(struct mr_job *job, bool *ret_committed, struct mr_err *err)
{
    const struct mr_format *format = mr_format_find(job->claim->new_format);
    if (!format)
        return mr_fail_code(err, MR_UNSUPPORTED, "unknown_format", "there is no format %s",
                            job->claim->new_format);
    MR_AUTO(mr_input) struct mr_input source = {0};
    bool ours = false;
    enum mr_status status = mr_ingest(job, &source, &ours, err);
    if (status == MR_OK && ours)
        return convert_input(job, &source, format, ret_committed, err);
    *ret_committed = false;
    return status;
}
