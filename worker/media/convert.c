#include "worker/media/convert.h"

#include "shared/base/json.h"
#include "worker/media/pipeline.h"
#include "worker/sandbox_client.h"

struct spec {
    const struct mr_media_format *format;
    int64_t input_size;
    const char *input_name;
};

static enum mr_status read_spec(const json_t *json, struct spec *ret, struct mr_err *err)
{
    const char *format = NULL, *name = NULL;
    json_int_t size = 0;
    if (json_unpack((json_t *)(uintptr_t)json, "{s:s, s:I, s?s}", "format", &format, "input_size", &size,
                    "input_name", &name) < 0 ||
        size < 0)
        return mr_fail_code(err, MR_INTERNAL, "internal", "the job's spec is incomplete");
    *ret = (struct spec){mr_media_format_find(format), size, name};
    if (!ret->format)
        return mr_fail_code(err, MR_UNSUPPORTED, "unsupported_format", "there is no format %s", format);
    if (size == 0)
        return mr_fail_code(err, MR_INVALID, "invalid_media", "the file is empty");
    return MR_OK;
}

static json_t *describe_input(const struct mr_pipeline *pipeline)
{
    const struct mr_input *input = pipeline->input;
    const AVCodecParameters *params = input->audio->codecpar;
    char container[32];
    mr_input_container(input, container, sizeof container);
    int64_t bit_rate = params->bit_rate > 0 ? params->bit_rate : input->format->bit_rate;
    return json_pack("{s:s, s:s, s:I, s:i, s:i, s:I, s:I}", "container", container, "codec",
                     avcodec_get_name(params->codec_id), "duration_ms",
                     (json_int_t)((mr_pipeline_decoded_us(pipeline) + 500) / 1000), "sample_rate",
                     pipeline->rate, "channels", pipeline->channels, "bit_rate", (json_int_t)bit_rate, "size",
                     (json_int_t)input->source->size);
}

static json_t *describe_output(const struct mr_pipeline *pipeline)
{
    const AVCodecParameters *params = pipeline->output.audio->codecpar;
    int64_t us = mr_pipeline_written_us(pipeline), size = pipeline->sink->end;
    return json_pack("{s:s, s:s, s:I, s:i, s:i, s:I, s:I}", "container", pipeline->spec->name, "codec",
                     avcodec_get_name(params->codec_id), "duration_ms", (json_int_t)((us + 500) / 1000),
                     "sample_rate", params->sample_rate, "channels", params->ch_layout.nb_channels,
                     "bit_rate", (json_int_t)(us > 0 ? av_rescale(size, 8 * 1000000, us) : 0), "size",
                     (json_int_t)size);
}

static enum mr_status make_receipt(const struct mr_pipeline *pipeline, json_t **ret, struct mr_err *err)
{
    const struct mr_notes *notes = pipeline->notes;
    *ret = json_pack("{s:o, s:o, s:b, s:O, s:O, s:O}", "input", describe_input(pipeline), "output",
                     describe_output(pipeline), "copied", pipeline->copies, "kept", notes->kept, "dropped",
                     notes->dropped, "warnings", notes->warnings);
    return *ret ? MR_OK : mr_fail_code(err, MR_INTERNAL, "internal", "the receipt cannot be written");
}

static enum mr_status convert(const struct spec *spec, const struct mr_sandbox_fds *fds, json_t **ret_receipt,
                              struct mr_err *err)
{
    MR_AUTO(mr_notes) struct mr_notes notes = {0};
    MR_AUTO(mr_source) struct mr_source source = {0};
    MR_AUTO(mr_sink) struct mr_sink sink = {0};
    MR_AUTO(mr_input) struct mr_input input = {0};
    MR_AUTO(mr_pipeline)
    struct mr_pipeline pipeline = {
        .input = &input, .sink = &sink, .spec = spec->format, .fds = fds, .notes = &notes};
    enum mr_status status = mr_notes_init(&notes, err);
    if (!status)
        status = mr_source_open(&source, fds, spec->input_size, err);
    if (!status)
        status = mr_sink_open(&sink, fds, spec->format->patches, err);
    if (!status)
        status = mr_input_open(&input, &source, spec->input_name, err);
    if (!status)
        status = mr_pipeline_init(&pipeline, err);
    if (!status)
        status = mr_pipeline_run(&pipeline, err);
    return status ? status : make_receipt(&pipeline, ret_receipt, err);
}

int mr_media_run(const void *spec_text, size_t len, const struct mr_sandbox_fds *fds)
{
    av_log_set_level(AV_LOG_QUIET); /* its messages quote the file */
    MR_AUTO_JSON json_t *json = json_loadb(spec_text, len, 0, NULL);
    MR_AUTO_JSON json_t *receipt = NULL;
    struct spec spec = {0};
    struct mr_err err;
    enum mr_status status = read_spec(json, &spec, &err);
    if (!status)
        status = convert(&spec, fds, &receipt, &err);
    bool told = status ? mr_client_failure(fds, &err) : mr_client_result(fds, receipt);
    return told ? 0 : 1;
}
