#include "worker/media/encoder.h"

#include <errno.h>
#include <libavutil/channel_layout.h>
#include <libavutil/opt.h>
#include <libavutil/samplefmt.h>
#include <limits.h>
#include <math.h>
#include <string.h>

enum { FULL_RATE = 44100, BIT_RATE_MIN = 24000, ATTEMPTS = 129, USUAL_RATE_MAX = 48000 };
/* Of a bit rate that the encoder does not take: 64 of these are a factor of 23, more than any range. */
#define BIT_RATE_STEP 1.05

/* A rate that the encoder takes: the source's, else the next higher one, else the highest. */
static int choose_rate(const struct mr_codec *limits, const AVCodec *codec, int source)
{
    const int *rates = limits->sample_rates ? limits->sample_rates : codec->supported_samplerates;
    source = FFMIN(source, limits->sample_rate.max);
    if (!rates)
        return source;
    int above = 0, highest = 0;
    for (const int *rate = rates; *rate; rate++) {
        if (*rate >= source && (!above || *rate < above))
            above = *rate;
        highest = FFMAX(highest, *rate);
    }
    return above ? above : highest;
}

double mr_encoder_samples_per_second(const struct mr_media_format *spec, const struct mr_options *options,
                                     const AVCodecParameters *source)
{
    const struct mr_codec *limits = mr_media_audio_codec(spec, options);
    const AVCodec *codec = avcodec_find_encoder_by_name(mr_media_encoder(spec, limits, false));
    const int channels = FFMIN(source->ch_layout.nb_channels, limits->channels.max);
    const int rate = options->sample_rate ? options->sample_rate : source->sample_rate;
    return (double)choose_rate(limits, codec, rate) * (options->channels ? options->channels : channels);
}

static bool takes_layout(const AVCodec *codec, const AVChannelLayout *layout)
{
    if (!codec->ch_layouts)
        return true;
    for (const AVChannelLayout *l = codec->ch_layouts; l->nb_channels; l++)
        if (av_channel_layout_compare(l, layout) == 0)
            return true;
    return false;
}

/* The layouts that Vorbis, Opus (RFC 7845, 5.1.1.2) and AAC know for a count; libav's own idea of the usual
 * one differs for three and four. */
static void usual_layout(int channels, AVChannelLayout *ret)
{
    if (channels == 3)
        *ret = (AVChannelLayout)AV_CHANNEL_LAYOUT_SURROUND;
    else if (channels == 4)
        *ret = (AVChannelLayout)AV_CHANNEL_LAYOUT_QUAD;
    else
        av_channel_layout_default(ret, channels);
}

/* The source's layout if codec and format take it, else the usual one of as many channels, else of fewer. */
static int choose_layout(const struct mr_codec *limits, const AVCodec *codec, bool lossless,
                         const AVChannelLayout *source, AVChannelLayout *ret)
{
    int most = limits->channels.max;
    if (lossless && source->order == AV_CHANNEL_ORDER_NATIVE && source->nb_channels <= most &&
        takes_layout(codec, source))
        return av_channel_layout_copy(ret, source);
    for (int channels = FFMIN(source->nb_channels, most); channels > 0; channels--) {
        av_channel_layout_uninit(ret);
        usual_layout(channels, ret);
        if (ret->order == AV_CHANNEL_ORDER_NATIVE && takes_layout(codec, ret))
            return 0;
    }
    return AVERROR(EINVAL);
}

/* No format here plays a sphere of audio as one: it is decoded for two ears (filters.c). */
static const AVChannelLayout *heard_layout(const AVFrame *frame)
{
    static const AVChannelLayout stereo = AV_CHANNEL_LAYOUT_STEREO;
    return frame->ch_layout.order == AV_CHANNEL_ORDER_AMBISONIC ? &stereo : &frame->ch_layout;
}

/* More than 16 bits are worth keeping where the source has them; a lossy decoder's floats are not such bits.
 */
static bool is_deep(const AVStream *source)
{
    const AVCodecParameters *params = source->codecpar;
    const AVCodecDescriptor *descriptor = avcodec_descriptor_get(params->codec_id);
    if (!descriptor || !(descriptor->props & AV_CODEC_PROP_LOSSLESS))
        return false;
    return FFMAX(params->bits_per_raw_sample, params->bits_per_coded_sample) > 16 ||
           av_get_bytes_per_sample(params->format) > 2;
}

static enum AVSampleFormat choose_sample_format(const AVCodec *codec, bool lossless, bool deep,
                                                enum AVSampleFormat source)
{
    int wanted = lossless && !deep ? 2 : av_get_bytes_per_sample(source);
    enum AVSampleFormat best = AV_SAMPLE_FMT_NONE;
    int best_bytes = 0;
    for (const enum AVSampleFormat *f = codec->sample_fmts; f && *f != AV_SAMPLE_FMT_NONE; f++) {
        int bytes = av_get_bytes_per_sample(*f);
        bool better = best_bytes < wanted ? bytes > best_bytes : bytes >= wanted && bytes < best_bytes;
        if (best == AV_SAMPLE_FMT_NONE || better) {
            best = *f;
            best_bytes = bytes;
        }
    }
    return best;
}

/* The codec's bit rate is for two channels at 44.1 kHz. Less is enough for less; and a lossy source of 64
 * kb/s gains nothing from 192. */
static int64_t choose_bit_rate(const struct mr_media_codec *codec, const AVStream *stream, int rate,
                               int channels)
{
    int64_t bits = channels == 1 ? codec->bit_rate * 5 / 8 : codec->bit_rate * channels / 2;
    if (rate < FULL_RATE)
        bits = bits * rate / FULL_RATE;
    const AVCodecDescriptor *descriptor = avcodec_descriptor_get(stream->codecpar->codec_id);
    int64_t source = stream->codecpar->bit_rate;
    if (source > 0 && descriptor && !(descriptor->props & AV_CODEC_PROP_LOSSLESS))
        bits = FFMIN(bits, FFMAX(source * 3 / 2, 64000));
    return FFMAX(bits, BIT_RATE_MIN);
}

static int choose_asked_layout(const AVCodec *codec, int channels, AVChannelLayout *ret)
{
    usual_layout(channels, ret);
    return ret->order == AV_CHANNEL_ORDER_NATIVE && takes_layout(codec, ret) ? 0 : AVERROR(EINVAL);
}

static int configure(AVCodecContext *encoder, const struct mr_media_format *spec,
                     const struct mr_options *options, const AVStream *source, const AVFrame *frame,
                     int rate_max)
{
    const struct mr_codec *limits = mr_media_audio_codec(spec, options);
    int rate = FFMIN(options->sample_rate ? options->sample_rate : frame->sample_rate, rate_max);
    const struct mr_media_codec *codec = mr_media_codec_find(limits->name);
    bool lossless = codec->bit_rate == 0 && codec->quality == 0, deep = is_deep(source);
    encoder->sample_rate = choose_rate(limits, encoder->codec, rate);
    encoder->sample_fmt = choose_sample_format(encoder->codec, lossless, deep, frame->format);
    encoder->time_base = (AVRational){1, encoder->sample_rate};
    encoder->thread_count = 1; /* the sandbox has no threads */
    if (lossless && deep)
        encoder->bits_per_raw_sample = 24;
    int rc = options->channels
                 ? choose_asked_layout(encoder->codec, options->channels, &encoder->ch_layout)
                 : choose_layout(limits, encoder->codec, lossless, heard_layout(frame), &encoder->ch_layout);
    if (options->bit_rate && !mr_media_has_video(spec))
        return rc;
    if (codec->quality) {
        encoder->flags |= AV_CODEC_FLAG_QSCALE;
        encoder->global_quality = codec->quality * FF_QP2LAMBDA;
    } else if (!lossless) {
        encoder->bit_rate =
            choose_bit_rate(codec, source, encoder->sample_rate, encoder->ch_layout.nb_channels);
    }
    return rc;
}

/* What a request of a bit rate may become, nearer ones first: that one, a step down, a step up, two down … */
static int64_t nearby(int64_t asked, int attempt)
{
    double steps = (attempt + 1) / 2;
    return llround((double)asked * pow(BIT_RATE_STEP, attempt % 2 ? -steps : steps));
}

static const AVCodec *find_codec(const struct mr_media_format *spec, const struct mr_options *options,
                                 const AVStream *source, struct mr_err *err)
{
    const struct mr_codec *wanted = mr_media_audio_codec(spec, options);
    const char *name = wanted ? mr_media_encoder(spec, wanted, is_deep(source)) : NULL;
    const AVCodec *codec = name ? avcodec_find_encoder_by_name(name) : NULL;
    if (!name)
        (void)mr_fail_code(err, MR_CODE_UNSUPPORTED_CODEC, "%s cannot hold the codec %s", spec->name,
                           options->codec ? options->codec : "of its audio");
    else if (!codec)
        (void)mr_fail_code(err, MR_CODE_INTERNAL, "libav was built without the encoder %s", name);
    return codec;
}

enum mr_status mr_encoder_open(const struct mr_media_format *spec, const struct mr_options *options,
                               const AVStream *source, const AVFrame *frame, struct mr_encoder_use use,
                               AVCodecContext **ret, struct mr_err *err)
{
    const AVCodec *codec = find_codec(spec, options, source, err);
    if (!codec)
        return err ? err->status : MR_UNSUPPORTED;
    bool asked = options->bit_rate && !mr_media_has_video(spec);
    int rc = AVERROR(EINVAL);
    for (int i = 0; rc < 0 && rc != AVERROR(ENOMEM) && i < (asked ? 2 * ATTEMPTS : 1); i++) {
        AVCodecContext *encoder = avcodec_alloc_context3(codec);
        int rate_max = i < ATTEMPTS ? INT_MAX : USUAL_RATE_MAX; /* Vorbis: no bit rates above */
        rc = encoder ? configure(encoder, spec, options, source, frame, rate_max) : AVERROR(ENOMEM);
        if (rc >= 0 && asked)
            encoder->bit_rate = nearby(options->bit_rate, i % ATTEMPTS);
        if (rc >= 0 && use.global_header)
            encoder->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
        if (rc >= 0 && use.is_sliced) /* of MP3; the others have no such option */
            (void)av_opt_set_int(encoder, "reservoir", 0, AV_OPT_SEARCH_CHILDREN);
        if (rc >= 0)
            rc = avcodec_open2(encoder, codec, NULL);
        if (rc >= 0)
            *ret = encoder;
        else
            avcodec_free_context(&encoder);
    }
    return rc >= 0 ? MR_OK
                   : mr_av_fail(err, MR_CODE_UNSUPPORTED_CODEC, rc,
                                "the %s encoder does not take audio of %d Hz with %d channels", codec->name,
                                options->sample_rate ? options->sample_rate : frame->sample_rate,
                                options->channels ? options->channels : frame->ch_layout.nb_channels);
}

enum mr_status mr_encoder_refuses(const AVCodecContext *encoder, const struct mr_options *options, int rc,
                                  struct mr_err *err)
{
    if (rc != AVERROR(EINVAL))
        return mr_av_fail(err, MR_CODE_INTERNAL, rc, "encode");
    if (options->bit_rate)
        return mr_fail_code(err, MR_CODE_BAD_OPTION,
                            "options.bitrate is too low: the %s encoder cannot hold this audio in %lld b/s",
                            encoder->codec->name, (long long)encoder->bit_rate);
    return mr_fail_code(err, MR_CODE_INVALID_MEDIA, "audio cannot be held by the %s encoder",
                        encoder->codec->name);
}
