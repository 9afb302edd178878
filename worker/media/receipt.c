#include "worker/media/receipt.h"

#include "worker/media/alpha.h"
#include "worker/media/describe.h"
#include "worker/media/streams.h"

#include <libavfilter/avfilter.h>
#include <libavutil/pixdesc.h>
#include <string.h>
#include <time.h>

enum { WHAT_MAX = 64, VALUE_MAX = 64 };

/* Why a stream that is not in the output was left behind. */
static const char *why_dropped(const struct mr_pipeline *pipeline, const AVStream *stream)
{
    const struct mr_media_format *format = pipeline->spec;
    const char *why = mr_streams_why(pipeline->input, stream);
    if (why)
        return why;
    switch (stream->codecpar->codec_type) {
    case AVMEDIA_TYPE_VIDEO:
        return mr_media_has_video(format) ? "another video stream was chosen" : "the format holds no video";
    case AVMEDIA_TYPE_AUDIO:
        return !mr_media_has_audio(format) ? "the format holds no audio"
               : pipeline->options->mute   ? "options.mute leaves it out"
                                           : "it begins in the middle of the file";
    case AVMEDIA_TYPE_SUBTITLE:
        return mr_media_has_subtitles(format) ? "it begins in the middle of the file"
                                              : "the format has no place for it";
    default:
        return "it is neither video nor audio";
    }
}

static bool has_track(const struct mr_pipeline *pipeline, const AVStream *stream)
{
    for (size_t i = 0; i < MR_SLOTS; i++)
        if (pipeline->tracks[i] && pipeline->tracks[i]->stream == stream)
            return true;
    return false;
}

static void note_streams(const struct mr_pipeline *pipeline)
{
    const struct mr_demuxer *input = pipeline->input;
    bool has_text = false;
    for (size_t i = MR_SLOT_SUBTITLE; i < MR_SLOTS; i++)
        has_text |= mr_track_is_active(pipeline->tracks[i]);
    if (has_text)
        mr_notes_kept(pipeline->notes, "subtitles");
    for (unsigned i = 0; i < input->format->nb_streams; i++) {
        const AVStream *stream = input->format->streams[i];
        char what[MR_STREAM_NAME_MAX];
        if (has_track(pipeline, stream) || mr_streams_is_cover(stream))
            continue;
        mr_streams_name(stream, what);
        mr_notes_dropped(pipeline->notes, what, why_dropped(pipeline, stream));
    }
}

static void note_codec(struct mr_notes *notes, const char *what, enum AVCodecID from, enum AVCodecID to,
                       bool copies)
{
    if (copies)
        return;
    mr_notes_changed(notes, what, avcodec_get_name(from), avcodec_get_name(to),
                     from == to ? "encoded again" : "the format or an option asks for it");
}

static void note_number(struct mr_notes *notes, const char *what, double from, double to, const char *why)
{
    char before[VALUE_MAX], after[VALUE_MAX];
    snprintf(before, sizeof before, "%.10g", from);
    snprintf(after, sizeof after, "%.10g", to);
    if (strcmp(before, after) != 0)
        mr_notes_changed(notes, what, before, after, why);
}

static void note_rotation(const struct mr_pipeline *pipeline)
{
    const struct mr_video *video = &pipeline->video;
    char degrees[VALUE_MAX];
    if (mr_demuxer_is_upright(pipeline->input))
        return;
    snprintf(degrees, sizeof degrees, "%d", mr_geometry_degrees(mr_demuxer_display_matrix(pipeline->input)));
    if (video->copies)
        mr_notes_kept(pipeline->notes, "rotation");
    else
        mr_notes_changed(pipeline->notes, "rotation", degrees, "0", "the frames themselves were rotated");
}

static void note_light(const struct mr_pipeline *pipeline)
{
    const struct mr_video *video = &pipeline->video;
    enum AVColorTransferCharacteristic transfer = pipeline->input->video->codecpar->color_trc;
    if (!mr_geometry_is_hdr(transfer))
        return;
    if (video->copies || video->geometry.tells_colours)
        mr_notes_kept(pipeline->notes, "hdr");
    else
        mr_notes_changed(pipeline->notes, "video.transfer", av_color_transfer_name(transfer), "bt709",
                         "the format cannot say that it is HDR: the tones were mapped");
}

/* What players see through. */
static void note_transparency(const struct mr_pipeline *pipeline)
{
    const struct mr_video *video = &pipeline->video;
    char colour[VALUE_MAX], why[WHAT_MAX];
    if (!video->is_transparent)
        return;
    if (video->copies || mr_alpha_is_possible(video->clip.plan.pixels)) {
        mr_notes_kept(pipeline->notes, "transparency");
        return;
    }
    const struct mr_codec *codec = mr_media_video_codec(pipeline->spec, pipeline->options);
    bool depends =
        strcmp(pipeline->spec->muxer, "matroska") == 0 || strcmp(pipeline->spec->muxer, "webm") == 0;
    snprintf(why, sizeof why, "%s holds no transparency", depends ? codec->name : pipeline->spec->name);
    snprintf(colour, sizeof colour, "#%06x", video->geometry.background);
    mr_notes_changed(pipeline->notes, "transparency", "alpha", colour, why);
}

static void note_video(const struct mr_pipeline *pipeline)
{
    const struct mr_video *video = &pipeline->video;
    const struct mr_geometry *geometry = &video->geometry;
    struct mr_notes *notes = pipeline->notes;
    const AVCodecParameters *params = pipeline->input->video->codecpar;
    note_rotation(pipeline);
    note_light(pipeline);
    note_transparency(pipeline);
    note_codec(notes, "video.codec", params->codec_id, video->clip.plan.codec->id, video->copies);
    if (video->copies) {
        mr_video_copy_note(&video->copy, notes);
        return;
    }
    if (video->deinterlaces)
        mr_notes_changed(notes, "video.field_order", "interlaced", "progressive",
                         "players show whole frames");
    if (video->sizes_changed)
        mr_notes_changed(notes, "resolution", "several", "one", "the size changes in mid-stream");
    char from[VALUE_MAX], to[VALUE_MAX];
    snprintf(from, sizeof from, "%dx%d", geometry->in.width, geometry->in.height);
    snprintf(to, sizeof to, "%dx%d", geometry->out.width, geometry->out.height);
    bool is_asked = mr_options_resize(pipeline->options);
    if (strcmp(from, to) != 0)
        mr_notes_changed(notes, "video.size", from, to,
                         is_asked ? "asked for" : "rotated, even width and height, or square pixels");
    const AVCodecContext *decoder = pipeline->input->video_decoder;
    const char *before = av_get_pix_fmt_name(decoder->pix_fmt),
               *after = av_get_pix_fmt_name(video->clip.plan.pixels);
    if (before && after && strcmp(before, after) != 0)
        mr_notes_changed(notes, "video.pixel_format", before, after, "what players of the format expect");
    if (video->clip.plan.is_constant && pipeline->input->video->avg_frame_rate.den)
        note_number(notes, "video.fps", av_q2d(pipeline->input->video->avg_frame_rate),
                    av_q2d(video->clip.plan.fps), pipeline->options->fps > 0 ? "asked for" : "the format's");
    if (video->clip.dropped)
        mr_notes_warn(notes, MR_CODE_FRAMES_AT_ONE_TIME,
                      "%lld frames came at the time of another and were left out",
                      (long long)video->clip.dropped);
}

static void note_holes(const struct mr_audio *audio, struct mr_notes *notes)
{
    const struct mr_audio_clip *clip = &audio->clip;
    char name[MR_STREAM_NAME_MAX];
    if (!clip->holes)
        return;
    mr_streams_name(audio->track.stream, name);
    mr_notes_warn(notes, MR_CODE_GAPS_FILLED, "holes in %s: %lld, filled with %.3f s of silence", name,
                  (long long)clip->holes, (double)clip->hole_samples / clip->part.encoder->sample_rate);
}

/* "audio.codec" of the main track, "audio:2.codec" of any other. */
static const char *name_of(const struct mr_audio *audio, const char *fact, char what[WHAT_MAX])
{
    const AVStream *stream = audio->track.stream;
    if (stream == audio->track.parts->input->audio)
        snprintf(what, WHAT_MAX, "audio.%s", fact);
    else
        snprintf(what, WHAT_MAX, "audio:%d.%s", stream->index, fact);
    return what;
}

/* False: the audio is not ambisonic. */
static bool note_sphere(const struct mr_audio *audio, const AVCodecContext *encoder, struct mr_notes *notes)
{
    char what[WHAT_MAX], from[VALUE_MAX], to[VALUE_MAX];
    const AVChannelLayout *layout = &audio->clip.part.shape->ch_layout;
    if (layout->order != AV_CHANNEL_ORDER_AMBISONIC ||
        av_channel_layout_describe(layout, from, sizeof from) < 0 ||
        av_channel_layout_describe(&encoder->ch_layout, to, sizeof to) < 0)
        return false;
    mr_notes_changed(notes, name_of(audio, "layout", what), from, to,
                     "ambisonic audio was decoded for two ears: the target cannot hold a sphere of audio");
    return true;
}

/* True if the container, or each decoder of the codec by itself, knows how much to skip at the start. */
static bool hides_padding(const struct mr_media_format *spec, enum AVCodecID codec)
{
    return spec->holds_edits || spec->needs_lead_in || codec == AV_CODEC_ID_OPUS ||
           codec == AV_CODEC_ID_VORBIS || (codec == AV_CODEC_ID_MP3 && spec->skips_mp3_delay);
}

/* Beside video it is before the first frame, and all stays in step; but where frames are counted, video begins at 0. */
static void note_padding(const struct mr_pipeline *pipeline, const struct mr_audio *audio)
{
    char what[WHAT_MAX], to[VALUE_MAX];
    const struct mr_media_format *spec = pipeline->spec;
    const AVCodecContext *encoder = audio->clip.part.encoder;
    const AVCodecParameters *params = audio->track.stream->codecpar;
    int64_t samples = audio->copies ? audio->lead : encoder ? encoder->initial_padding : 0;
    if (samples <= 0 || (mr_media_has_video(spec) && !spec->constant_rate) ||
        hides_padding(spec, audio->copies ? params->codec_id : encoder->codec_id))
        return;
    snprintf(to, sizeof to, "%lld samples", (long long)samples);
    mr_notes_changed(pipeline->notes, name_of(audio, "padding", what), "0 samples", to,
                     "the format cannot say that players are to skip what the codec adds before the first "
                     "sample and after the last");
}

static void note_audio(const struct mr_pipeline *pipeline, const struct mr_audio *audio)
{
    char what[WHAT_MAX];
    const AVCodecContext *encoder = audio->clip.part.encoder;
    struct mr_notes *notes = pipeline->notes;
    note_padding(pipeline, audio);
    if (audio->copies || !encoder)
        return;
    const struct mr_options *options = pipeline->options;
    note_holes(audio, notes);
    note_codec(notes, name_of(audio, "codec", what), audio->track.stream->codecpar->codec_id,
               encoder->codec_id, false);
    note_number(notes, name_of(audio, "sample_rate", what), audio->clip.part.shape->sample_rate,
                encoder->sample_rate, options->sample_rate ? "asked for" : "the codec's");
    if (!note_sphere(audio, encoder, notes))
        note_number(notes, name_of(audio, "channels", what), audio->clip.part.shape->ch_layout.nb_channels,
                    encoder->ch_layout.nb_channels,
                    options->channels ? "asked for" : "the codec has no more");
    if (options->bit_rate && !mr_media_has_video(pipeline->spec))
        note_number(notes, "audio.bit_rate", (double)options->bit_rate, (double)encoder->bit_rate,
                    "the nearest one that the codec takes at this sample rate and with these channels");
    if (options->loudness < 0) {
        const struct mr_meter *out = mr_audio_meter_out(audio);
        const struct mr_heard heard = {.integrated = mr_meter_integrated(out),
                                       .true_peak = mr_meter_true_peak(out)};
        mr_loudness_check(options->loudness, &heard, notes);
    }
}

/* Not getrusage(2): the sandbox knows the clock already. */
double mr_receipt_cpu_seconds(void)
{
    struct timespec used;
    return clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) == 0
               ? (double)used.tv_sec + (double)used.tv_nsec / 1e9
               : 0;
}

static void set_version(json_t *engine, const char *library, unsigned version)
{
    char text[VALUE_MAX];
    snprintf(text, sizeof text, "%u.%u.%u", AV_VERSION_MAJOR(version), AV_VERSION_MINOR(version),
             AV_VERSION_MICRO(version));
    (void)json_object_set_new(engine, library, json_string(text));
}

static json_t *describe_engine(const struct mr_pipeline *pipeline)
{
    json_t *engine = json_object();
    set_version(engine, "libavformat", avformat_version());
    set_version(engine, "libavcodec", avcodec_version());
    set_version(engine, "libavfilter", avfilter_version());
    if (pipeline->input->video && !pipeline->video.copies)
        (void)json_object_set_new(engine, "video_encoder",
                                  json_string(pipeline->video.clip.plan.codec->name));
    for (size_t i = 0; i < pipeline->input->audio_count; i++)
        if (pipeline->audios[i].clip.part.encoder)
            (void)json_object_set_new(engine, "audio_encoder",
                                      json_string(pipeline->audios[i].clip.part.encoder->codec->name));
    return engine;
}

/* The input's half; what was decoded is better known than what the container says. */
static json_t *describe_input(const struct mr_pipeline *pipeline)
{
    const struct mr_demuxer *input = pipeline->input;
    json_t *json = mr_describe_input(input);
    bool is_whole = pipeline->options->trim_us == INT64_MAX && pipeline->options->trim_start_us == 0;
    if (json && is_whole)
        (void)json_object_set_new(
            json, "duration_ms", json_integer((json_int_t)((mr_pipeline_decoded_us(pipeline) + 500) / 1000)));
    const struct mr_audio *audio = mr_pipeline_main_audio(pipeline);
    if (json && audio && audio->rate) {
        (void)json_object_set_new(json, "sample_rate", json_integer(audio->rate));
        (void)json_object_set_new(json, "channels", json_integer(audio->channels));
    }
    json_int_t left_out = json_integer_value(json_object_get(json, "tags_left_out"));
    if (left_out)
        mr_notes_warn(pipeline->notes, MR_CODE_RECEIPT_SHORTENED,
                      "the receipt leaves out %lld tags of the file", left_out);
    return json;
}

static bool is_copied(const struct mr_pipeline *pipeline)
{
    bool copies = !pipeline->input->video || pipeline->video.copies;
    for (size_t i = 0; i < pipeline->input->audio_count; i++)
        copies &= pipeline->audios[i].copies;
    return copies;
}

/* What the copies were checked by, as the option says it; null: nothing was copied. */
static json_t *describe_verification(const struct mr_pipeline *pipeline)
{
    const struct mr_demuxer *input = pipeline->input;
    bool copies = input->video && pipeline->video.copies;
    bool decodes = !copies || input->video_decoder->skip_frame != AVDISCARD_NONKEY;
    for (size_t i = 0; i < input->audio_count; i++) {
        const struct mr_audio *audio = &pipeline->audios[i];
        copies |= audio->copies;
        decodes &= !audio->copies || mr_audio_is_measured(audio);
    }
    return copies ? json_string(decodes ? "decode" : "packets") : json_null();
}

static json_t *describe_loudness(const struct mr_pipeline *pipeline)
{
    const struct mr_audio *audio = mr_pipeline_main_audio(pipeline);
    if (!audio)
        return json_null();
    if (!mr_audio_is_measured(audio))
        return json_string("not measured");
    return json_pack("{s:o, s:o}", "in", mr_meter_describe(&audio->in), "out",
                     mr_meter_describe(mr_audio_meter_out(audio)));
}

static json_t *describe_video_work(const struct mr_pipeline *pipeline)
{
    const struct mr_video_clip *clip = &pipeline->video.clip;
    const char *preset = pipeline->options->preset;
    double megapixels = (double)clip->frames * clip->size.width * clip->size.height / 1e6;
    return json_pack("{s:s, s:s, s:f}", "encoder", clip->plan.codec->name, "preset", preset ? preset : "",
                     "megapixels", megapixels);
}

static json_t *describe_audio_work(const struct mr_audio *audio)
{
    const AVCodecContext *encoder = audio->clip.part.encoder;
    double samples = (double)audio->clip.next * encoder->ch_layout.nb_channels;
    return json_pack("{s:s, s:s, s:f}", "encoder", encoder->codec->name, "preset", "", "megasamples",
                     samples / 1e6);
}

/* What the encoder got that cost most, by which later work is estimated; false: no memory. Audio with a wanted loudness was
 * encoded more than once. */
static bool add_work(const struct mr_pipeline *pipeline, json_t *receipt)
{
    const struct mr_audio *audio = &pipeline->audios[0];
    const bool has_video = mr_track_is_active(pipeline->tracks[MR_SLOT_VIDEO]);
    const bool is_one = pipeline->input->audio_count == 1 && pipeline->options->loudness >= 0;
    if (has_video && !pipeline->video.copies)
        return json_object_set_new(receipt, "work", describe_video_work(pipeline)) == 0;
    if (!has_video && is_one && !audio->copies && audio->clip.part.encoder)
        return json_object_set_new(receipt, "work", describe_audio_work(audio)) == 0;
    return true;
}

enum mr_status mr_receipt_make(const struct mr_pipeline *pipeline, json_t **ret, struct mr_err *err)
{
    const struct mr_notes *notes = pipeline->notes;
    note_streams(pipeline);
    if (pipeline->input->video)
        note_video(pipeline);
    for (size_t i = 0; i < pipeline->input->audio_count; i++)
        note_audio(pipeline, &pipeline->audios[i]);
    *ret =
        json_pack("{s:o, s:O, s:O, s:b, s:o, s:O, s:O, s:O, s:O, s:o, s:f, s:o}", "input",
                  describe_input(pipeline), "output", json_array_get(pipeline->parts.outputs, 0), "outputs",
                  pipeline->parts.outputs, "copied", is_copied(pipeline), "verified",
                  describe_verification(pipeline), "kept", notes->kept, "changed", notes->changed, "dropped",
                  notes->dropped, "warnings", notes->warnings, "loudness", describe_loudness(pipeline),
                  "cpu_seconds", mr_receipt_cpu_seconds(), "engine", describe_engine(pipeline));
    return *ret && add_work(pipeline, *ret)
               ? MR_OK
               : mr_fail_code(err, MR_CODE_INTERNAL, "the receipt cannot be written");
}
