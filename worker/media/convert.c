#include "worker/media/convert.h"

#include "shared/base/json.h"
#include "worker/media/cuts.h"
#include "worker/media/describe.h"
#include "worker/media/logo.h"
#include "worker/media/loudness_step.h"
#include "worker/media/previews.h"
#include "worker/media/receipt.h"
#include "worker/media/rehearsal.h"
#include "worker/protocol.h"
#include "worker/sandbox_client.h"

#include <math.h>

enum { DAY = 86400 };

/* What a join is told of units. */
struct units_of_track {
    struct mr_packets_part *parts; /* NULL: there are none; owned */
    size_t count;
    int64_t bytes; /* of all */
};

struct spec {
    bool is_probe;
    uint32_t encode_audio;                /* the tracks that cannot be copied: a bit for each */
    const struct mr_media_format *format; /* NULL for a probe */
    int64_t input_size;
    const char *input_name;
    int64_t logo_size; /* 0: none */
    int64_t max_pixels;
    int64_t max_us;
    int64_t max_work;
    int threads;          /* that the video may have */
    int64_t unit_seconds; /* longer work is cut; 0: none is */
    const json_t *costs;  /* of encoders; NULL: none are known */
    bool is_unit;
    struct mr_unit_range unit;                      /* of a unit */
    struct units_of_track video_parts, audio_parts; /* of a join */
    const json_t *heard;                            /* rehearsals that units have done; NULL: none */
    const json_t *measured;                         /* NULL: it is no step of the search for a gain */
    struct mr_options options;
};

/* Web has checked them: what it cannot have let through is our fault. */
static enum mr_status read_options(const json_t *json, struct spec *spec, struct mr_err *err)
{
    struct mr_err wrong;
    const struct mr_format *format = spec->format ? mr_format_find(spec->format->name) : NULL;
    if (mr_options_read(json_is_object(json) ? json : NULL, format, &spec->options, &wrong) == MR_OK)
        return MR_OK;
    return mr_fail_code(err, MR_CODE_INTERNAL, "%s", wrong.message);
}

static enum mr_status read_parts(const json_t *list, struct units_of_track *ret, struct mr_err *err)
{
    size_t count = json_array_size(list);
    if (!list)
        return MR_OK;
    ret->parts = count <= FFMAX(MR_CUTS_MAX, MR_PARTS_MAX) ? av_calloc(count + 1, sizeof *ret->parts) : NULL;
    for (size_t i = 0; ret->parts && i < count; i++) {
        json_int_t size = 0, packets = 0, last = 0, samples = 0, output = 0, added = 0;
        if (json_unpack(json_array_get(list, i), "[I, I, I, I, I, I]", &size, &packets, &last, &samples,
                        &output, &added) < 0)
            break;
        ret->parts[ret->count++] = (struct mr_packets_part){.size = size,
                                                            .count = packets,
                                                            .last_pts = last,
                                                            .samples = samples,
                                                            .output = output,
                                                            .added = added};
        ret->bytes += size;
    }
    return ret->parts && ret->count == count && count > 0
               ? MR_OK
               : mr_fail_code(err, MR_CODE_INTERNAL, "the units of the job's spec are incomplete");
}

static enum mr_status read_unit(const json_t *json, struct spec *spec, struct mr_err *err)
{
    const json_t *unit = json_object_get(json, "unit");
    spec->is_unit = unit;
    spec->unit = (struct mr_unit_range){.from_us = json_integer_value(json_object_get(unit, "from_us")),
                                        .to_us = json_integer_value(json_object_get(unit, "to_us")),
                                        .is_audio = json_is_true(json_object_get(unit, "is_audio"))};
    spec->unit.slice = (struct mr_audio_slice){
        .from_us = spec->unit.from_us, .to_us = spec->unit.to_us, .writer = &spec->unit.writer};
    spec->unit_seconds = json_integer_value(json_object_get(json, "unit_seconds"));
    spec->costs = json_object_get(json, "costs");
    spec->heard = json_object_get(json, "heard");
    spec->measured = json_object_get(json, "measured");
    MR_TRY(read_parts(json_object_get(json, "video_parts"), &spec->video_parts, err));
    return read_parts(json_object_get(json, "audio_parts"), &spec->audio_parts, err);
}

static enum mr_status read_spec(const json_t *json, struct spec *ret, struct mr_err *err)
{
    const char *format = NULL, *name = NULL;
    json_t *options = NULL;
    json_int_t size = 0, logo_size = 0, max_pixels = 0, max_work = 0, max_seconds = DAY, encode_audio = 0;
    int is_probe = false, threads = 1;
    if (json_unpack((json_t *)(uintptr_t)json, "{s?s, s?b, s?I, s:I, s?s, s?o, s?I, s?I, s?I, s?I, s?i}",
                    "format", &format, "probe", &is_probe, "encode_audio", &encode_audio, "input_size", &size,
                    "input_name", &name, "options", &options, "logo_size", &logo_size, "max_pixels",
                    &max_pixels, "max_work", &max_work, "max_duration_seconds", &max_seconds, "threads",
                    &threads) < 0 ||
        size < 0 || (!format && !is_probe))
        return mr_fail_code(err, MR_CODE_INTERNAL, "the job's spec is incomplete");
    *ret = (struct spec){.is_probe = is_probe,
                         .encode_audio = (uint32_t)encode_audio,
                         .format = is_probe ? NULL : mr_media_format_find(format),
                         .input_size = size,
                         .input_name = name,
                         .logo_size = logo_size,
                         .max_pixels = max_pixels,
                         .max_work = max_work,
                         .threads = FFMAX(threads, 1),
                         .max_us = FFMIN(max_seconds > 0 ? max_seconds : DAY, DAY) * 1000000};
    if (!ret->format && !is_probe)
        return mr_fail_code(err, MR_CODE_UNSUPPORTED_FORMAT, "format is unknown: %s", format);
    if (size == 0)
        return mr_fail_code(err, MR_CODE_INVALID_MEDIA, "the file is empty");
    MR_TRY(read_unit(json, ret, err));
    return read_options(options, ret, err);
}

static unsigned wants_of(const struct spec *spec)
{
    if (spec->is_probe)
        return MR_WANT_NOTHING;
    if (!mr_media_has_video(spec->format))
        return MR_WANT_AUDIO;
    unsigned wants = MR_WANT_VIDEO;
    if (mr_media_has_audio(spec->format) && !spec->options.mute)
        wants |= MR_WANT_AUDIO_IF_ANY;
    if (mr_media_has_subtitles(spec->format))
        wants |= MR_WANT_TEXT_IF_ANY;
    return wants;
}

static struct mr_selection selection_of(const struct spec *spec, unsigned wants)
{
    return (struct mr_selection){.wants = wants,
                                 .audios_max = spec->format && spec->format->has_tracks ? MR_AUDIOS_MAX : 1,
                                 .audio = spec->options.audio,
                                 .text = spec->options.subtitles,
                                 .has_text = spec->format && spec->format->text_subtitle != AV_CODEC_ID_NONE,
                                 .pictures = spec->format ? spec->format->picture_subtitles : NULL};
}

static enum mr_status open_with(const struct spec *spec, unsigned wants, struct mr_source *source,
                                struct mr_demuxer *input, const struct mr_sandbox_fds *fds,
                                struct mr_err *err)
{
    const struct mr_selection selection = selection_of(spec, wants);
    MR_TRY(mr_source_open(source, fds, MR_SOURCE_INPUT, spec->input_size, err));
    return mr_demuxer_open(input, source, spec->input_name, &selection, spec->max_pixels, err);
}

static enum mr_status open_input(const struct spec *spec, struct mr_source *source, struct mr_demuxer *input,
                                 const struct mr_sandbox_fds *fds, struct mr_err *err)
{
    return open_with(spec, wants_of(spec), source, input, fds, err);
}

struct conversion {
    const struct spec *spec;
    const struct mr_sandbox_fds *fds;
    size_t audio;  /* the number of the track */
    json_t *heard; /* takes the rehearsals; borrowed */
};

/* A pass of its own over the whole input: the loudness decides how the first sample is encoded. */
static enum mr_status rehearse(void *ctx, const struct mr_gain *gain, bool through_codec,
                               struct mr_heard *ret, struct mr_err *err)
{
    const struct conversion *conversion = ctx;
    const struct spec *spec = conversion->spec;
    MR_AUTO(mr_source) struct mr_source source = {0};
    MR_AUTO(mr_demuxer) struct mr_demuxer input = {0};
    MR_TRY(open_input(spec, &source, &input, conversion->fds, err));
    *ret = (struct mr_heard){.integrated = NAN};
    if (conversion->audio >= input.audio_count)
        return MR_OK;
    MR_TRY(mr_rehearse(&input, &input.audios[conversion->audio], spec->format, &spec->options, gain,
                       through_codec, ret, err));
    return json_array_append_new(conversion->heard, mr_loudness_describe(ret)) == 0 ? MR_OK
                                                                                    : mr_fail_oom(err);
}

/* Units of the only audio look for it together. */
static enum mr_status find_gain_of_units(struct spec *spec, struct mr_gain *ret, struct mr_err *err)
{
    struct mr_loudness_search search;
    MR_TRY(mr_loudness_replay(spec->options.loudness, spec->heard, &search, err));
    spec->unit.slice.is_measured = !search.is_over;
    mr_loudness_next(&search, ret);
    return MR_OK;
}

/* Each track of audio has a loudness of its own. heard: an array, takes the rehearsals. */
static enum mr_status find_gains(struct spec *spec, const struct mr_sandbox_fds *fds, size_t count,
                                 struct mr_gain gains[], json_t *heard, struct mr_err *err)
{
    if (spec->options.loudness >= 0 || (spec->is_unit && !spec->unit.is_audio))
        return MR_OK;
    if (spec->heard)
        return find_gain_of_units(spec, &gains[0], err);
    for (size_t i = 0; i < count; i++) {
        struct conversion conversion = {spec, fds, i, heard};
        MR_TRY(mr_loudness_find_gain(spec->options.loudness, rehearse, &conversion, &gains[i], err));
    }
    return MR_OK;
}

/* Of the search for a gain that units do together. */
static enum mr_status step(const struct spec *spec, const struct mr_sandbox_fds *fds, json_t **ret_receipt,
                           struct mr_err *err)
{
    MR_AUTO_JSON json_t *heard = json_array();
    struct conversion conversion = {spec, fds, 0, heard};
    MR_TRY(mr_loudness_step(spec->options.loudness, spec->heard, spec->measured, rehearse, &conversion,
                            ret_receipt, err));
    return json_object_set_new(*ret_receipt, "cpu_seconds", json_real(mr_receipt_cpu_seconds())) == 0
               ? MR_OK
               : mr_fail_oom(err);
}

/* NULL: no memory. */
static json_t *list_cuts(const struct mr_cuts_of_track *cuts)
{
    MR_AUTO_JSON json_t *list = json_array();
    for (size_t i = 0; i < cuts->count; i++)
        if (json_array_append_new(list, json_integer(cuts->from_us[i])) < 0)
            return NULL;
    return MR_TAKE(list);
}

/* Whether the work is cut; then *ret_receipt says where. */
static enum mr_status plan_cuts(const struct spec *spec, const struct mr_demuxer *input, struct mr_cuts *cuts,
                                json_t **ret_receipt, struct mr_err *err)
{
    const struct mr_cuts_wish wish = {.spec = spec->format,
                                      .options = &spec->options,
                                      .name = spec->input_name,
                                      .unit_seconds = spec->unit_seconds,
                                      .costs = spec->costs,
                                      .threads = spec->threads};
    *cuts = (struct mr_cuts){.why = ""};
    if (spec->unit_seconds == 0 || spec->is_unit || spec->video_parts.parts || spec->audio_parts.parts)
        return MR_OK;
    MR_TRY(mr_cuts_plan(input, &wish, cuts, err));
    if (!mr_cuts_are_made(cuts))
        return MR_OK;
    *ret_receipt = json_pack("{s:o, s:o, s:b}", "video", list_cuts(&cuts->video), "audio",
                             list_cuts(&cuts->audio), "level", mr_cuts_share_gain(cuts, &spec->options));
    return *ret_receipt ? MR_OK : mr_fail_oom(err);
}

/* Of a unit of audio; false: no memory. */
static bool add_loudness(const struct mr_pipeline *pipeline, json_t *heard, json_t *receipt)
{
    const struct mr_audio_part *part = &pipeline->audios[0].clip.part;
    if (json_array_size(heard) && json_object_set(receipt, "heard", heard) < 0)
        return false;
    return !pipeline->unit->slice.is_measured ||
           json_object_set_new(receipt, "measured", mr_meter_counts(&part->out)) == 0;
}

static enum mr_status make_unit(struct mr_pipeline *pipeline, json_t *heard, json_t **ret_receipt,
                                struct mr_err *err)
{
    MR_TRY(mr_pipeline_run_unit(pipeline, err));
    const struct mr_packets_writer *writer = &pipeline->unit->writer;
    *ret_receipt =
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:f}", "frames", (json_int_t)writer->count, "last_pts",
                  (json_int_t)writer->last_pts, "samples", (json_int_t)pipeline->audios[0].clip.part.encoded,
                  "output", (json_int_t)pipeline->unit->output, "added", (json_int_t)pipeline->unit->added,
                  "cpu_seconds", mr_receipt_cpu_seconds());
    const json_t *streams = pipeline->unit->slice.streams;
    if (streams && json_array_size(streams) == 0)
        return mr_fail_code(err, MR_CODE_UNIT_IMPOSSIBLE, "a unit has no audio");
    if (!*ret_receipt || !add_loudness(pipeline, heard, *ret_receipt))
        return mr_fail_oom(err);
    return !streams || json_object_set(*ret_receipt, "streams", pipeline->unit->slice.streams) == 0
               ? MR_OK
               : mr_fail_oom(err);
}

static struct mr_packets_reader reader_of(const struct units_of_track *units, int64_t base,
                                          const struct mr_sandbox_fds *fds)
{
    return (struct mr_packets_reader){
        .fds = fds, .parts = units->parts, .part_count = units->count, .base = base};
}

/* The tracks that turn out not to be copyable are added to spec->encode_audio. */
static enum mr_status convert(struct spec *spec, const struct mr_sandbox_fds *fds, json_t **ret_receipt,
                              struct mr_err *err)
{
    MR_AUTO(mr_notes) struct mr_notes notes = {0};
    MR_AUTO(mr_source) struct mr_source source = {0};
    MR_AUTO(mr_demuxer) struct mr_demuxer input = {0};
    MR_AUTO_FRAME AVFrame *logo = NULL;
    struct mr_gain gains[MR_AUDIOS_MAX] = {0};
    MR_AUTO_JSON json_t *heard = json_array();
    MR_AUTO_JSON json_t *streams = json_array();
    MR_AUTO(mr_packets_reader) struct mr_packets_reader video = reader_of(&spec->video_parts, 0, fds);
    MR_AUTO(mr_packets_reader)
    struct mr_packets_reader audio = reader_of(&spec->audio_parts, spec->video_parts.bytes, fds);
    struct mr_cuts cuts;
    MR_AUTO(mr_pipeline)
    struct mr_pipeline pipeline = {.input = &input,
                                   .spec = spec->format,
                                   .name = spec->input_name,
                                   .options = &spec->options,
                                   .fds = fds,
                                   .notes = &notes,
                                   .max_us = spec->max_us,
                                   .encode_audio = spec->encode_audio,
                                   .threads = spec->threads,
                                   .unit = spec->is_unit ? &spec->unit : NULL,
                                   .joined = video.parts ? &video : NULL,
                                   .joined_audio = audio.parts ? &audio : NULL,
                                   .work = mr_work_of(spec->max_work, spec->input_size),
                                   .gains = gains};
    MR_TRY(mr_notes_init(&notes, err));
    MR_TRY(open_input(spec, &source, &input, fds, err));
    MR_TRY(plan_cuts(spec, &input, &cuts, ret_receipt, err));
    if (mr_cuts_are_made(&cuts))
        return MR_OK;
    if (spec->unit.is_audio && spec->options.split_us)
        mr_audio_slice_split(&spec->unit.slice, spec->options.split_us, streams);
    MR_TRY(find_gains(spec, fds, input.audio_count, gains, heard, err));
    if (spec->options.intro_us || spec->options.outro_us)
        MR_TRY(mr_logo_read(fds, spec->logo_size, &logo, err));
    pipeline.logo = logo;
    MR_TRY(mr_pipeline_init(&pipeline, err));
    if (spec->is_unit)
        return make_unit(&pipeline, heard, ret_receipt, err);
    enum mr_status status = mr_pipeline_run(&pipeline, err);
    spec->encode_audio = pipeline.parts.encode_audio;
    if (status)
        return status;
    MR_TRY(mr_receipt_make(&pipeline, ret_receipt, err));
    if (cuts.why[0] && json_object_set_new(*ret_receipt, "uncut", json_string(cuts.why)) < 0)
        return mr_fail_oom(err);
    return MR_OK;
}

struct probe {
    const struct spec *spec;
    const struct mr_sandbox_fds *fds;
};

static enum mr_status open_for_previews(void *ctx, unsigned wants, struct mr_source *source,
                                        struct mr_demuxer *input, struct mr_err *err)
{
    const struct probe *probe = ctx;
    return open_with(probe->spec, wants, source, input, probe->fds, err);
}

static enum mr_status add_previews(const struct spec *spec, const struct mr_sandbox_fds *fds, json_t *receipt,
                                   struct mr_err *err)
{
    MR_AUTO(mr_notes) struct mr_notes notes = {0};
    MR_AUTO_JSON json_t *outputs = json_array();
    struct probe probe = {spec, fds};
    struct mr_parts parts = {.fds = fds, .notes = &notes, .outputs = outputs};
    const struct mr_previews_wish wish = {.options = &spec->options,
                                          .name = spec->input_name,
                                          .max_us = spec->max_us,
                                          .work = mr_work_of(spec->max_work, spec->input_size),
                                          .open = open_for_previews,
                                          .ctx = &probe};
    MR_TRY(mr_notes_init(&notes, err));
    MR_TRY(mr_previews_make(&wish, &parts, err));
    if (json_object_set(receipt, "outputs", outputs) < 0 ||
        json_object_set(receipt, "dropped", notes.dropped) < 0 ||
        json_object_set(receipt, "warnings", notes.warnings) < 0)
        return mr_fail_oom(err);
    return MR_OK;
}

static enum mr_status probe(struct spec *spec, const struct mr_sandbox_fds *fds, json_t **ret_receipt,
                            struct mr_err *err)
{
    MR_AUTO(mr_source) struct mr_source source = {0};
    MR_AUTO(mr_demuxer) struct mr_demuxer input = {0};
    MR_TRY(open_input(spec, &source, &input, fds, err));
    *ret_receipt = json_pack("{s:o}", "input", mr_describe_input(&input));
    if (!*ret_receipt)
        return mr_fail_code(err, MR_CODE_INTERNAL, "the description cannot be written");
    return mr_previews_are_wanted(&spec->options) ? add_previews(spec, fds, *ret_receipt, err) : MR_OK;
}

static enum mr_status run_spec(const json_t *json, struct spec *spec, const struct mr_sandbox_fds *fds,
                               json_t **ret_receipt, struct mr_err *err)
{
    MR_TRY(read_spec(json, spec, err));
    if (spec->measured)
        return step(spec, fds, ret_receipt, err);
    return (spec->is_probe ? probe : convert)(spec, fds, ret_receipt, err);
}

const char *mr_media_version(void)
{
    return av_version_info();
}

int mr_media_run(const void *spec_text, size_t len, const struct mr_sandbox_fds *fds)
{
    av_log_set_level(AV_LOG_QUIET); /* its messages quote the file */
    MR_AUTO_JSON json_t *json = json_loadb(spec_text, len, 0, NULL);
    MR_AUTO_JSON json_t *receipt = NULL;
    struct spec spec = {0};
    struct mr_err err;
    enum mr_status status = run_spec(json, &spec, fds, &receipt, &err);
    mr_packets_writer_free(&spec.unit.writer);
    av_free(spec.video_parts.parts);
    av_free(spec.audio_parts.parts);
    bool is_sent = status == MR_OK                       ? mr_client_result(fds, receipt)
                   : err.code == MR_CODE_COPY_IMPOSSIBLE ? mr_client_copy_impossible(fds, spec.encode_audio)
                                                         : mr_client_failure(fds, &err);
    return is_sent ? 0 : 1;
}
