#include "worker/media/video_encoder.h"

#include "worker/media/encoder.h"

#include <libavutil/opt.h>
#include <limits.h>
#include <math.h>
#include <string.h>

enum {
    FPS_MAX = MR_FRAME_RATE_MAX, /* what a file of odd time stamps is taken for at most */
    FPS_DENOMINATOR_MAX = 1001,
    FPS_USUAL = 25,           /* of a file that does not say */
    FPS_COUNTED = 10,         /* fewer are too coarse a clock: cuts would fall beside their place */
    BASE_DENOMINATOR = 60000, /* MPEG-4 allows 65535; all usual rates are whole numbers of it, or nearly */
    BASE_FINE = 90000,
    BASE_FINEST = 240000,
    GOP_SECONDS = 5,
    LARGE_PICTURE = 2560 * 1440,
    LARGEST_OF_SEVERAL = 1920 * 1088,
    LARGEST_THREADED = 4096 * 2304,
    CENTISECONDS = 100,
};
#define REGULAR 0.001

/*
 * Results do not depend on the number of threads that a job has. VP9's work on tiles and SVT-AV1's at a constant quality
 * give the same bits, however many they are. x264 and x265 do not, so they have always the same: x264 two for frames and
 * one that looks ahead, x265 one for frames and none in its pool.
 */
#define X265_PARAMS "x265-params=pools=none\\:frame-threads=1\\:log-level=none"

/* Settings of each encoder as libav's options. The last ones win: the task's. */
static const struct settings {
    const char *encoder;
    const char *options; /* "key=value:key=value" */
    const char *crf;     /* for want of the task's; NULL: it has no such thing */
    const char *frugal;  /* for large frames: fewer of them in memory */
    AVRational base;     /* 0/1: the source's, or a fine one */
    int pixels_max;      /* of a frame, for the sandbox's memory, without which x265 crashes; 0: any */
    int threads;         /* that it always has; 0: as many as the job may have, with the same result */
    int threads_max;     /* pixels of a frame; for a larger one it has one thread, for the sandbox's memory */
} settings[] = {
    {"libx264", "preset=veryfast:forced-idr=1", "23", "rc-lookahead=8", {0, 1}, 0, 2, LARGEST_OF_SEVERAL},
    {"libx265",
     "preset=veryfast:forced-idr=1:" X265_PARAMS,
     "28",
     X265_PARAMS "\\:rc-lookahead=5\\:bframes=0\\:ref=1",
     {0, 1},
     LARGEST_THREADED,
     1,
     0},
    {"libsvtav1",
     "preset=10",
     "35",
     "svtav1-params=lookahead=0\\:hierarchical-levels=3",
     {0, 1},
     LARGEST_THREADED,
     0,
     LARGEST_OF_SEVERAL},
    {"libvpx-vp9", "deadline=realtime:cpu-used=6:b=0", "32", "lag-in-frames=4", {1, 1000}, 0, 0, INT_MAX},
    {"mpeg4", "", NULL, "", {1, BASE_DENOMINATOR}, 0, 1, 0},
    {"gif", "", NULL, "", {1, CENTISECONDS}, 0, 1, 0},
};
enum { SETTINGS = sizeof settings / sizeof *settings, MPEG4_QUALITY = 4 };

static const struct settings *settings_of(const AVCodec *codec)
{
    for (size_t i = 0; i < SETTINGS; i++)
        if (strcmp(settings[i].encoder, codec->name) == 0)
            return &settings[i];
    return NULL;
}

static AVRational usual_rate(const struct mr_demuxer *input)
{
    AVRational rate = av_guess_frame_rate(input->format, input->video, NULL);
    /* A variable rate is guessed as the finest step between two frames. */
    AVRational average = input->video->avg_frame_rate;
    if (average.num > 0 && average.den > 0 && (rate.num <= 0 || av_q2d(rate) > FPS_MAX))
        rate = average;
    if (rate.num <= 0 || rate.den <= 0)
        return (AVRational){FPS_USUAL, 1};
    if (av_q2d(rate) > FPS_MAX)
        return (AVRational){FPS_MAX, 1};
    av_reduce(&rate.num, &rate.den, rate.num, rate.den, BASE_DENOMINATOR);
    return rate;
}

/* Frames that come at one rate, but for rounding: counting them says their times, and more plainly so. */
static bool is_regular(const AVStream *stream, AVRational fps)
{
    AVRational average = stream->avg_frame_rate, finest = stream->r_frame_rate;
    if (average.num <= 0 || average.den <= 0 || finest.num <= 0 || finest.den <= 0)
        return false;
    return fabs(av_q2d(average) / av_q2d(fps) - 1) < REGULAR &&
           fabs(av_q2d(finest) / av_q2d(fps) - 1) < REGULAR;
}

static AVRational choose_base(const struct mr_demuxer *input, AVRational wanted)
{
    if (wanted.num)
        return wanted;
    AVRational base = input->video->time_base;
    bool is_usable = base.num == 1 && base.den >= 1000 && base.den <= BASE_FINEST;
    return is_usable ? base : (AVRational){1, BASE_FINE};
}

enum mr_status mr_video_plan(const struct mr_media_format *format, const struct mr_options *options,
                             const struct mr_demuxer *input, int threads, struct mr_video_plan *ret,
                             struct mr_err *err)
{
    const struct mr_codec *limits = mr_media_video_codec(format, options);
    const char *name = limits ? mr_media_encoder(format, limits, false) : NULL;
    const AVCodec *codec = name ? avcodec_find_encoder_by_name(name) : NULL;
    const struct settings *set = codec ? settings_of(codec) : NULL;
    if (!set)
        return mr_fail_code(err, MR_CODE_UNSUPPORTED_CODEC, "encoder is missing for %s",
                            options->codec ? options->codec : format->name);
    *ret = (struct mr_video_plan){.codec = codec, .fps = usual_rate(input), .threads = threads};
    ret->pixels = strcmp(name, "gif") == 0 ? AV_PIX_FMT_PAL8 : AV_PIX_FMT_YUV420P;
    ret->holds_alpha = strcmp(name, "libvpx-vp9") == 0 &&
                       (strcmp(format->muxer, "webm") == 0 || strcmp(format->muxer, "matroska") == 0);
    ret->is_ordered = format->constant_rate;
    ret->is_constant = format->constant_rate || options->fps > 0;
    if (options->fps > 0)
        ret->fps = av_d2q(options->fps, FPS_DENOMINATOR_MAX);
    if (av_q2d(ret->fps) > limits->frame_rate.max) {
        ret->fps = (AVRational){limits->frame_rate.max, 1};
        ret->is_constant = true;
    }
    if (format->constant_rate && av_q2d(ret->fps) < 1)
        ret->fps = (AVRational){1, 1};
    bool is_even = ret->is_constant || is_regular(input->video, ret->fps);
    bool counts = format->constant_rate ||
                  (is_even && set->base.den != CENTISECONDS && av_q2d(ret->fps) >= FPS_COUNTED);
    ret->base = counts ? av_inv_q(ret->fps) : choose_base(input, set->base);
    return MR_OK;
}

/* SVT-AV1 counts its presets. */
static const char *preset_of(const struct settings *set, const char *name)
{
    static const char *const numbers[][2] = {{"ultrafast", "12"}, {"superfast", "11"}, {"veryfast", "10"},
                                             {"faster", "9"},     {"fast", "8"},       {"medium", "7"},
                                             {"slow", "6"},       {"slower", "5"},     {"veryslow", "4"}};
    for (size_t i = 0; strcmp(set->encoder, "libsvtav1") == 0 && i < sizeof numbers / sizeof *numbers; i++)
        if (strcmp(numbers[i][0], name) == 0)
            return numbers[i][1];
    return name;
}

/* x264's slowest presets keep so many frames that large ones do not fit into the sandbox (measured at 4096x2176: 1.8 GB). What
 * level 5.1 allows (ITU-T H.264, table A-1), which is what players have room for, fits, with as few B-frames as "slower" has. */
static int bound_frames(AVDictionary **dict, const struct settings *set, const struct mr_options *options,
                        const AVFrame *frame)
{
    enum { DPB_PIXELS = 184320 * 256, SLOWER = 8, VERY_SLOW = 16, B_FRAMES = 3 };
    const char *preset = options->preset ? options->preset : "";
    int wanted = strcmp(preset, "slower") == 0 ? SLOWER : strcmp(preset, "veryslow") == 0 ? VERY_SLOW : 0;
    int64_t most = DPB_PIXELS / ((int64_t)FFALIGN(frame->width, 16) * FFALIGN(frame->height, 16));
    if (strcmp(set->encoder, "libx264") != 0 || wanted <= most)
        return 0;
    int rc = av_dict_set_int(dict, "refs", FFMAX(most, 1), 0);
    return rc < 0 ? rc : av_dict_set_int(dict, "bf", B_FRAMES, 0);
}

/* SVT-AV1 keeps to a bit rate by what its threads have done so far: with several that is chance. */
static int threads_of(const struct mr_video_plan *plan, const struct mr_options *options,
                      const AVFrame *frame)
{
    const struct settings *set = settings_of(plan->codec);
    const bool is_chance = strcmp(set->encoder, "libsvtav1") == 0 && options->bit_rate;
    if (is_chance || (int64_t)frame->width * frame->height > set->threads_max)
        return 1;
    return set->threads ? set->threads : plan->threads;
}

/* Adds "key=value" to an option that is a list of them. */
static int add_param(AVDictionary **dict, const char *list, const char *key, int value)
{
    char params[256];
    const AVDictionaryEntry *entry = av_dict_get(*dict, list, NULL, 0);
    snprintf(params, sizeof params, "%s%s%s=%d", entry ? entry->value : "", entry ? ":" : "", key, value);
    return av_dict_set(dict, list, params, 0);
}

/* What encoders take in lists of their own. At a bit rate the encoder of a unit is told where its range begins
 * (video_clip.c), and frames behind that refer to none before it only in closed groups of pictures. */
static int set_params(AVDictionary **dict, const char *encoder, const struct mr_options *options, int threads)
{
    if (strcmp(encoder, "libsvtav1") == 0)
        return add_param(dict, "svtav1-params", "lp", threads);
    if (strcmp(encoder, "libx265") == 0 && options->bit_rate)
        return add_param(dict, "x265-params", "open-gop", 0);
    return 0;
}

static int set_options(AVDictionary **dict, const struct settings *set, const struct mr_options *options,
                       const AVFrame *frame, int threads)
{
    int rc = av_dict_parse_string(dict, set->options, "=", ":", 0);
    if (rc >= 0 && (int64_t)frame->width * frame->height >= LARGE_PICTURE)
        rc = av_dict_parse_string(dict, set->frugal, "=", ":", 0);
    if (rc >= 0)
        rc = set_params(dict, set->encoder, options, threads);
    if (rc >= 0 && options->preset)
        rc = av_dict_set(dict, "preset", preset_of(set, options->preset), 0);
    if (rc >= 0)
        rc = bound_frames(dict, set, options, frame);
    if (rc >= 0 && options->bit_rate)
        rc = av_dict_set_int(dict, "b", options->bit_rate, 0);
    else if (rc >= 0 && set->crf && options->crf >= 0)
        rc = av_dict_set_int(dict, "crf", options->crf, 0);
    else if (rc >= 0 && set->crf)
        rc = av_dict_set(dict, "crf", set->crf, 0);
    return rc;
}

/* The slowest presets of SVT-AV1 keep so much of large frames that they do not fit into the sandbox (measured at 4K). */
static enum mr_status check_preset(const struct settings *set, const struct mr_options *options,
                                   const AVFrame *frame, struct mr_err *err)
{
    const char *preset = options->preset ? options->preset : "";
    bool is_slow = strcmp(preset, "slower") == 0 || strcmp(preset, "veryslow") == 0;
    if (!is_slow || strcmp(set->encoder, "libsvtav1") != 0 ||
        (int64_t)frame->width * frame->height < LARGE_PICTURE)
        return MR_OK;
    return mr_fail_code(
        err, MR_CODE_TOO_EXPENSIVE,
        "options.preset must be slow or a faster one for AV1 of %dx%d: %s needs too much memory",
        frame->width, frame->height, preset);
}

static enum mr_status check_size(const struct settings *set, const AVFrame *frame, struct mr_err *err)
{
    if (!set->pixels_max || (int64_t)frame->width * frame->height <= set->pixels_max)
        return MR_OK;
    return mr_fail_code(
        err, MR_CODE_RESOURCE_LIMIT,
        "frames of %dx%d are too large for %s, which takes %d pixels here: use options.resize", frame->width,
        frame->height, set->encoder, set->pixels_max);
}

static void configure(AVCodecContext *encoder, const struct mr_video_plan *plan,
                      const struct mr_options *options, const AVFrame *frame)
{
    encoder->width = frame->width;
    encoder->height = frame->height;
    encoder->pix_fmt = plan->pixels;
    encoder->sample_aspect_ratio = frame->sample_aspect_ratio;
    encoder->time_base = plan->base;
    encoder->framerate = plan->fps;
    encoder->color_range = plan->pixels != AV_PIX_FMT_PAL8 ? AVCOL_RANGE_MPEG : frame->color_range;
    encoder->colorspace = frame->colorspace;
    encoder->color_primaries = frame->color_primaries;
    encoder->color_trc = frame->color_trc;
    encoder->chroma_sample_location = frame->chroma_location;
    encoder->thread_count = threads_of(plan, options, frame);
    if (plan->is_ordered)
        encoder->max_b_frames = 0;
    if (strcmp(plan->codec->name, "mpeg4") != 0)
        return;
    encoder->gop_size = (int)(GOP_SECONDS * av_q2d(plan->fps)) + 1;
    if (!options->bit_rate) {
        encoder->flags |= AV_CODEC_FLAG_QSCALE;
        encoder->global_quality = MPEG4_QUALITY * FF_QP2LAMBDA;
    }
}

size_t mr_video_encoder_frame_bytes(const AVCodecContext *encoder)
{
    enum { BYTES_OF_A_PIXEL = 10 };
    return (size_t)encoder->width * (size_t)encoder->height * BYTES_OF_A_PIXEL;
}

enum mr_status mr_video_encoder_open(const struct mr_video_plan *plan, const struct mr_options *options,
                                     const AVFrame *frame, bool global_header, AVCodecContext **ret,
                                     struct mr_err *err)
{
    enum { OPENED_FRAMES = 4 }; /* that an encoder needs room for before the first one */
    MR_AUTO_DICT AVDictionary *dict = NULL;
    MR_TRY(check_size(settings_of(plan->codec), frame, err));
    MR_TRY(check_preset(settings_of(plan->codec), options, frame, err));
    AVCodecContext *encoder = avcodec_alloc_context3(plan->codec);
    if (!encoder)
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "open the encoder");
    configure(encoder, plan, options, frame);
    if (global_header)
        encoder->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    int rc = set_options(&dict, settings_of(plan->codec), options, frame, encoder->thread_count);
    if (rc >= 0)
        rc = avcodec_open2(encoder, plan->codec, &dict);
    if (rc < 0) {
        char text[MR_ERR_MESSAGE_MAX];
        snprintf(text, sizeof text, "the %s encoder does not take frames of %dx%d", plan->codec->name,
                 frame->width, frame->height);
        size_t needed = OPENED_FRAMES * mr_video_encoder_frame_bytes(encoder);
        enum mr_status status = mr_av_fail_for(err, MR_CODE_UNSUPPORTED_CODEC, rc, needed, text);
        avcodec_free_context(&encoder);
        return status;
    }
    *ret = encoder;
    return MR_OK;
}

/* SVT-AV1 1.4 waits for ever if it is closed before it got a frame, and is told of the end as well. */
static void send_blank(AVCodecContext *encoder)
{
    MR_AUTO_FRAME AVFrame *frame = av_frame_alloc();
    if (!frame)
        return;
    frame->width = encoder->width;
    frame->height = encoder->height;
    frame->format = encoder->pix_fmt;
    if (av_frame_get_buffer(frame, 0) >= 0)
        (void)!avcodec_send_frame(encoder, frame);
}

void mr_video_encoder_close(AVCodecContext **encoder)
{
    if (*encoder && (*encoder)->frame_number == 0 && strcmp((*encoder)->codec->name, "libsvtav1") == 0)
        send_blank(*encoder);
    avcodec_free_context(encoder);
}
