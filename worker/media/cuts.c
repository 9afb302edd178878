#include "worker/media/cuts.h"

#include "worker/media/audio_unit.h"
#include "worker/media/container.h"
#include "worker/media/copy_rules.h"
#include "worker/protocol.h"

#include <libavutil/avstring.h>
#include <libavutil/common.h>
#include <string.h>

#define MEGA          1e6
#define USUAL_SAMPLES (44100.0 * 2)     /* a second of stereo, as mr_audio_cost has it */
enum { LEAD_MAX_US = 2 * 1000 * 1000 }; /* more than any encoder reorders */
enum { SLIVER_US = 50 * 1000 };         /* less at the end is no part of a split clip */
enum { REHEARSALS = 3 };                /* how often audio is encoded until its loudness is right, usually */
/* Each slice decodes what is before it once more: more than SLICES_MAX would cost more than they spare. */
enum { VIDEO_MAX = 450, SPLIT_MAX = 150, SLICES_MAX = MR_CUTS_MAX - VIDEO_MAX };
/* Megapixels that libx264 encodes a second at "veryfast" on one core of a shared machine (work.h has the weights). */
#define MEGAPIXELS_PER_SECOND 60.0
/* A unit pays for a key frame and for a group of pictures that is decoded twice; a hundred of them keep a hundred workers
 * busy. */
enum { PART_SECONDS = 30, PARTS_WANTED = 100 };

static struct mr_video_plan plan_of(const struct mr_demuxer *input, const struct mr_cuts_wish *wish)
{
    struct mr_video_plan plan = {0};
    struct mr_err ignored;
    if (mr_video_plan(wish->spec, wish->options, input, wish->threads, &plan, &ignored) != MR_OK)
        plan.codec = NULL;
    return plan;
}

static bool is_copied(const struct mr_demuxer *input, const struct mr_cuts_wish *wish)
{
    return !mr_options_change(wish->options, MR_OF_VIDEO, true) &&
           mr_copy_is_possible(input, input->video, wish->spec);
}

/* The time of a core for a megapixel or, of audio, for a million samples; usual: where none was measured. What was is taken
 * within bounds: a few odd conversions are not all. */
static double cost_of(const struct mr_cuts_wish *wish, const char *encoder, const char *asked, double usual)
{
    enum { MOST = 8 };
    const char *name, *preset;
    double measured = usual;
    for (size_t i = 0; i < json_array_size(wish->costs); i++) {
        double seconds = 0;
        json_t *row = json_array_get(wish->costs, i);
        if (json_unpack(row, "[s, s, F]", &name, &preset, &seconds) == 0 && strcmp(name, encoder) == 0 &&
            strcmp(preset, asked ? asked : "") == 0)
            measured = seconds;
    }
    return FFMIN(FFMAX(measured, usual / MOST), usual * MOST);
}

/* Of a frame of the output; one that stands on its side has as many. */
static double made_pixels(const AVCodecParameters *params, const struct mr_options *options)
{
    double width = options->resize.width, height = options->resize.height;
    double pixels = (double)params->width * params->height;
    if (width > 0 && height > 0)
        return width * height;
    return width > 0    ? width * width * params->height / params->width
           : height > 0 ? height * height * params->width / params->height
                        : pixels;
}

double mr_cuts_work_seconds(const struct mr_demuxer *input, const struct mr_cuts_wish *wish)
{
    if (!input->video || !mr_media_has_video(wish->spec) || input->estimated_us <= 0 ||
        is_copied(input, wish))
        return 0;
    const struct mr_video_plan plan = plan_of(input, wish);
    const AVCodecParameters *params = input->video->codecpar;
    AVRational average = input->video->avg_frame_rate;
    if (!plan.codec)
        return 0;
    double fps =
        !plan.is_constant && average.num > 0 ? FFMIN(av_q2d(plan.fps), av_q2d(average)) : av_q2d(plan.fps);
    double pixels = (double)params->width * params->height, made = made_pixels(params, wish->options);
    const char *encoder = plan.codec->name, *preset = wish->options->preset;
    double usual = mr_work_weight(encoder, preset) / MEGAPIXELS_PER_SECOND;
    double seconds = cost_of(wish, encoder, preset, usual) * made;
    if (made < pixels)
        seconds += MR_WORK_DECODE_WEIGHT * pixels / MEGAPIXELS_PER_SECOND;
    return seconds * fps * (double)mr_options_clip_us(wish->options, input->estimated_us) / MEGA / MEGA;
}

/* Whether a decoder that begins at a key frame gives one frame for each packet from there on, as one that began before. */
static bool begins_anywhere(enum AVCodecID codec)
{
    static const enum AVCodecID codecs[] = {AV_CODEC_ID_H264,   AV_CODEC_ID_HEVC,  AV_CODEC_ID_VP9,
                                            AV_CODEC_ID_AV1,    AV_CODEC_ID_MPEG4, AV_CODEC_ID_MPEG2VIDEO,
                                            AV_CODEC_ID_PRORES, AV_CODEC_ID_DNXHD, AV_CODEC_ID_MJPEG};
    for (size_t i = 0; i < sizeof codecs / sizeof *codecs; i++)
        if (codecs[i] == codec)
            return true;
    return false;
}

/* Whether packets of several encoders with the same settings follow each other in one stream. */
static bool is_joinable(const char *muxer, const AVCodec *codec)
{
    static const char *const muxers[] = {"mp4", "mov", "matroska", "webm"};
    static const char *const encoders[] = {"libx264", "libx265", "libsvtav1", "libvpx-vp9"};
    bool has_muxer = false, has_encoder = false;
    for (size_t i = 0; i < sizeof muxers / sizeof *muxers; i++)
        has_muxer |= strcmp(muxers[i], muxer) == 0;
    for (size_t i = 0; codec && i < sizeof encoders / sizeof *encoders; i++)
        has_encoder |= strcmp(encoders[i], codec->name) == 0;
    return has_muxer && has_encoder;
}

/* Whether the encoder makes a key frame where it is told to, so that one that has settled can begin a unit. */
static bool takes_key_frames(const AVCodec *codec)
{
    return strcmp(codec->name, "libsvtav1") != 0;
}

/* Why such a file is not cut, or NULL. */
static const char *input_objection(const struct mr_demuxer *input)
{
    const AVCodecParameters *params = input->video->codecpar;
    const char *container = input->format->iformat->name;
    if (strncmp(container, "mov,", 4) != 0 && strcmp(container, "matroska,webm") != 0)
        return "its container has no index of key frames";
    if (!begins_anywhere(params->codec_id))
        return "its video's codec is not one whose decoder surely begins at any key frame";
    if (input->joined_bytes || input->missing_bytes)
        return "it does not end as its container says";
    return NULL;
}

/* How long the video is on the clip, in which audio may be longer. */
static int64_t video_clip_us(const struct mr_demuxer *input, const struct mr_options *options)
{
    int64_t declared_us = input->video_declared_us;
    return mr_options_clip_us(options, declared_us > 0 ? FFMIN(declared_us, input->estimated_us)
                                                       : input->estimated_us);
}

/* The same for what is asked for. */
static const char *wish_objection(const struct mr_demuxer *input, const struct mr_cuts_wish *wish)
{
    const struct mr_video_plan plan = plan_of(input, wish);
    const int64_t split_us = wish->options->split_us;
    if (!is_joinable(wish->spec->muxer, plan.codec))
        return "its new format is not one of mp4, mov, mkv and webm with H.264, HEVC, AV1 or VP9";
    if (wish->options->bit_rate && !takes_key_frames(plan.codec))
        return "its encoder keeps to a bit rate over the whole";
    if (split_us && video_clip_us(input, wish->options) / split_us >= SPLIT_MAX)
        return "it is split into more parts than it would have units";
    return NULL;
}

void mr_cuts_choose(const int64_t *key_us, size_t key_count, int64_t total_us, int64_t parts,
                    struct mr_cuts_of_track *ret)
{
    int64_t step = total_us / FFMAX(FFMIN(parts, VIDEO_MAX), 1);
    ret->from_us[0] = 0;
    ret->count = 1;
    for (size_t i = 0; i < key_count && ret->count < VIDEO_MAX; i++) {
        /* A key frame a little early is as good as one that is late. */
        int64_t next = (int64_t)ret->count * step - step / 8;
        if (key_us[i] < next || total_us - key_us[i] < step / 2 ||
            key_us[i] - ret->from_us[ret->count - 1] < step / 2)
            continue;
        ret->from_us[ret->count++] = key_us[i];
    }
    if (ret->count == 1)
        ret->count = 0;
}

int64_t mr_cuts_lead_us(AVStream *stream)
{
    const AVIndexEntry *first = avformat_index_get_entry(stream, 0);
    if (!first || stream->start_time == AV_NOPTS_VALUE)
        return 0;
    int64_t lead = av_rescale_q(stream->start_time - first->timestamp, stream->time_base, AV_TIME_BASE_Q);
    return av_clip64(lead, 0, LEAD_MAX_US);
}

/* The times of the key frames that the index has, counted from origin_us: a unit that begins with one does not put another
 * beside it. NULL: they do not rise, or there is no memory. */
static int64_t *read_index(int64_t origin_us, AVStream *stream, size_t *ret_count)
{
    int count = avformat_index_get_entries_count(stream);
    int64_t *key_us = av_malloc_array((size_t)FFMAX(count, 1), sizeof *key_us);
    int64_t before = INT64_MIN, lead_us = mr_cuts_lead_us(stream);
    *ret_count = 0;
    for (int i = 0; key_us && i < count; i++) {
        const AVIndexEntry *entry = avformat_index_get_entry(stream, i);
        if (!entry || !(entry->flags & AVINDEX_KEYFRAME) || entry->flags & AVINDEX_DISCARD_FRAME)
            continue;
        int64_t at = av_rescale_q(entry->timestamp, stream->time_base, AV_TIME_BASE_Q) + lead_us - origin_us;
        if (at <= before) {
            av_freep(&key_us);
            break;
        }
        key_us[(*ret_count)++] = before = at;
    }
    return key_us;
}

/* Each part of a split clip begins in a unit of its own. Cuts that are near to such a one are not worth a key frame. */
void mr_cuts_split(int64_t split_us, int64_t total_us, struct mr_cuts_of_track *ret)
{
    const struct mr_cuts_of_track keys = *ret;
    const int64_t near_us = FFMIN(total_us / (int64_t)FFMAX(keys.count, 1), split_us) / 2;
    size_t next = 0;
    ret->count = 0;
    for (int64_t begin_us = 0; begin_us == 0 || begin_us <= total_us - SLIVER_US; begin_us += split_us) {
        if (ret->count < MR_CUTS_MAX)
            ret->from_us[ret->count++] = begin_us;
        while (next < keys.count && keys.from_us[next] < begin_us + near_us)
            next++;
        for (; next < keys.count && keys.from_us[next] <= begin_us + split_us - near_us; next++)
            if (ret->count < MR_CUTS_MAX)
                ret->from_us[ret->count++] = keys.from_us[next];
    }
}

static void choose(const struct mr_demuxer *indexed, const struct mr_cuts_wish *wish, int64_t clip_us,
                   int64_t parts, struct mr_cuts *ret)
{
    size_t count = 0;
    int64_t *key_us = read_index(indexed->start_us + wish->options->trim_start_us, indexed->video, &count);
    if (key_us)
        mr_cuts_choose(key_us, count, clip_us, parts, &ret->video);
    if (ret->video.count == 0)
        av_strlcpy(ret->why, key_us ? "it has too few key frames" : "its index is out of order",
                   sizeof ret->why);
    else if (wish->options->split_us)
        mr_cuts_split(wish->options->split_us, clip_us, &ret->video);
    av_free(key_us);
}

/* Matroska's index is read when one first seeks. */
static enum mr_status plan_from_index(const struct mr_demuxer *input, const struct mr_cuts_wish *wish,
                                      int64_t parts, struct mr_cuts *ret, struct mr_err *err)
{
    const struct mr_selection selection = {.wants = MR_WANT_VIDEO};
    MR_AUTO(mr_source) struct mr_source source = {0};
    MR_AUTO(mr_demuxer) struct mr_demuxer indexed = {0};
    MR_TRY(mr_source_open(&source, input->source->fds, MR_SOURCE_INPUT, input->source->size, err));
    MR_TRY(mr_demuxer_open(&indexed, &source, wish->name, &selection, 0, err));
    if (!indexed.video || avformat_seek_file(indexed.format, -1, INT64_MIN,
                                             indexed.start_us + input->estimated_us / 2, INT64_MAX, 0) < 0) {
        av_strlcpy(ret->why, "its index cannot be used", sizeof ret->why);
        return MR_OK;
    }
    indexed.start_us = input->start_us; /* of all streams that are taken */
    choose(&indexed, wish, video_clip_us(input, wish->options), parts, ret);
    return MR_OK;
}

/* The cost of the only audio, if units may encode it; NULL: there is none, or several, or it is copied, or costs little, or it is
 * made as long as the video of a part. */
static const struct mr_audio_cost *audio_cost(const struct mr_demuxer *input, const struct mr_cuts_wish *wish)
{
    const struct mr_codec *codec = mr_media_audio_codec(wish->spec, wish->options);
    const struct mr_options *options = wish->options;
    const bool is_padded = input->video && (options->split_us || options->intro_us || options->outro_us);
    if (input->audio_count != 1 || !codec || is_padded ||
        (!mr_options_change(wish->options, MR_OF_AUDIO, input->video != NULL) &&
         mr_copy_is_possible(input, input->audio, wish->spec)))
        return NULL;
    return mr_audio_cost_of(mr_media_encoder(wish->spec, codec, false));
}

/* As it is measured: with what decodes and moves the samples. */
static double audio_seconds(const struct mr_demuxer *input, const struct mr_cuts_wish *wish,
                            const struct mr_audio_cost *cost)
{
    double samples = mr_encoder_samples_per_second(wish->spec, wish->options, input->audio->codecpar);
    double seconds = samples / MEGA * cost_of(wish, cost->encoder, NULL, MEGA / USUAL_SAMPLES / cost->speed) *
                     (double)mr_options_clip_us(wish->options, input->estimated_us) / MEGA;
    return wish->options->loudness < 0 ? seconds * REHEARSALS : seconds;
}

/* Beside video that is cut, its audio is at least one unit. */
static void plan_audio(const struct mr_demuxer *input, const struct mr_cuts_wish *wish,
                       const struct mr_audio_cost *cost, struct mr_cuts_of_track *ret)
{
    double parts = audio_seconds(input, wish, cost) / (double)wish->unit_seconds;
    ret->count = (size_t)FFMIN(parts, SLICES_MAX - 1) + 1;
    for (size_t i = 0; i < ret->count; i++)
        ret->from_us[i] = av_rescale(mr_options_clip_us(wish->options, input->estimated_us), (int64_t)i,
                                     (int64_t)ret->count);
}

/* Each unit makes whole parts, for which any encoder will do. */
static void plan_split_audio(const struct mr_demuxer *input, const struct mr_cuts_wish *wish,
                             const struct mr_audio_cost *cost, struct mr_cuts *ret)
{
    const int64_t split_us = wish->options->split_us;
    const int64_t clip_us = mr_options_clip_us(wish->options, input->estimated_us) - SLIVER_US;
    const int64_t parts = FFMAX(clip_us, 0) / split_us + 1;
    const double units = audio_seconds(input, wish, cost) / (double)wish->unit_seconds;
    const int64_t count = FFMIN3((int64_t)FFMIN(units, SLICES_MAX) + 1, parts, SLICES_MAX);
    if (count < 2) {
        av_strlcpy(ret->why, "it is split into one part", sizeof ret->why);
        return;
    }
    ret->audio.count = (size_t)count;
    for (int64_t i = 0; i < count; i++)
        ret->audio.from_us[i] = i * parts / count * split_us;
}

static void plan_audio_alone(const struct mr_demuxer *input, const struct mr_cuts_wish *wish,
                             struct mr_cuts *ret)
{
    const struct mr_audio_cost *cost = audio_cost(input, wish);
    if (!cost || audio_seconds(input, wish, cost) <= (double)wish->unit_seconds)
        return;
    if (wish->options->split_us)
        plan_split_audio(input, wish, cost, ret);
    else
        plan_audio(input, wish, cost, &ret->audio);
}

enum mr_status mr_cuts_plan(const struct mr_demuxer *input, const struct mr_cuts_wish *wish,
                            struct mr_cuts *ret, struct mr_err *err)
{
    *ret = (struct mr_cuts){.why = ""};
    if (!mr_media_has_video(wish->spec) && input->audio) {
        plan_audio_alone(input, wish, ret);
        return MR_OK;
    }
    double seconds = mr_cuts_work_seconds(input, wish);
    if (seconds <= (double)wish->unit_seconds)
        return MR_OK;
    const char *objection = input_objection(input);
    objection = objection ? objection : wish_objection(input, wish);
    if (objection) {
        av_strlcpy(ret->why, objection, sizeof ret->why);
        return MR_OK;
    }
    double part = FFMIN(FFMAX(seconds / PARTS_WANTED, PART_SECONDS), (double)wish->unit_seconds);
    if (wish->options->bit_rate) /* before each one its encoder gets some seconds */
        part = (double)wish->unit_seconds;
    double parts = seconds / part + 1, most = wish->options->split_us ? VIDEO_MAX - SPLIT_MAX : VIDEO_MAX;
    MR_TRY(plan_from_index(input, wish, (int64_t)FFMIN(parts, most), ret, err));
    const struct mr_audio_cost *cost = ret->video.count ? audio_cost(input, wish) : NULL;
    if (cost)
        plan_audio(input, wish, cost, &ret->audio);
    return MR_OK;
}
