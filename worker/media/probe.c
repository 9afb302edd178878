#include "worker/media/probe.h"

#include "worker/media/cut.h"

#include <errno.h>
#include <libavutil/avstring.h>
#include <string.h>

/* Containers of one self-contained file. Playlists (hls, concat, dash), image lists, network and script
 * formats open further files or URLs: they stay out. */
static const char demuxers[] = "mp3,aac,mov,ogg,wav,w64,aiff,caf,au,flac,asf,matroska,avi,mpegts,flv,amr,ac3";

/* Audio decoders, and those of cover art (libav decodes it once, to learn its size). */
static const char decoders[] =
    "mp3,mp3float,mp2,mp2float,mp1,mp1float,aac,aac_latm,vorbis,opus,flac,alac,wmav1,wmav2,wmapro,"
    "wmalossless,"
    "ac3,eac3,dca,amrnb,amrwb,speex,adpcm_ms,adpcm_ima_wav,adpcm_ima_qt,gsm,gsm_ms,"
    "pcm_u8,pcm_s8,pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,pcm_f32be,pcm_f64le,"
    "pcm_f64be,pcm_alaw,pcm_mulaw,pcm_bluray,mjpeg,png";

/* How far libav may read to find out what it has. */
enum { PROBE_BYTES = 5 << 20, ANALYZE_US = 10 * 1000 * 1000, MAX_STREAMS = 64 };

static int refuse_open(AVFormatContext *format, AVIOContext **io, const char *url, int flags,
                       AVDictionary **options)
{
    (void)format, (void)io, (void)url, (void)flags, (void)options;
    return AVERROR(EPERM);
}

/* Only the extension goes to libav: a whole name might look like a URL to it. */
static void make_hint(const char *name, char *out, size_t size)
{
    const char *dot = name ? strrchr(name, '.') : NULL;
    size_t len = dot ? strspn(dot + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") : 0;
    if (len == 0 || len > 8 || dot[1 + len])
        out[0] = '\0';
    else
        snprintf(out, size, "input%s", dot);
}

static enum mr_status set_options(AVDictionary **options, struct mr_err *err)
{
    int rc = av_dict_set(options, "format_whitelist", demuxers, 0);
    if (rc >= 0)
        rc = av_dict_set(options, "codec_whitelist", decoders, 0);
    if (rc >= 0)
        rc = av_dict_set(options, "protocol_whitelist", "", 0);
    if (rc >= 0)
        rc = av_dict_set_int(options, "probesize", PROBE_BYTES, 0);
    if (rc >= 0)
        rc = av_dict_set_int(options, "analyzeduration", ANALYZE_US, 0);
    if (rc >= 0)
        rc = av_dict_set_int(options, "max_streams", MAX_STREAMS, 0);
    return rc < 0 ? mr_av_fail(err, "internal", rc, "set the demuxer's options") : MR_OK;
}

/* What is missing is more than rounding or a sloppy writer: a hundredth. */
static bool is_cut(const struct mr_input *input)
{
    return input->missing_bytes > input->source->size / 100;
}

static enum mr_status break_off(const struct mr_input *input, struct mr_err *err)
{
    return mr_fail_code(err, MR_INVALID, "truncated",
                        "the file breaks off: %lld bytes are missing at its end",
                        (long long)input->missing_bytes);
}

static enum mr_status open_container(struct mr_input *input, const char *name, struct mr_err *err)
{
    MR_AUTO_DICT AVDictionary *options = NULL;
    enum mr_status status = set_options(&options, err);
    if (status)
        return status;
    AVFormatContext *format = avformat_alloc_context();
    if (!format)
        return mr_av_fail(err, "internal", AVERROR(ENOMEM), "open the input");
    format->pb = input->source->io;
    format->io_open = refuse_open;
    char hint[32];
    make_hint(name, hint, sizeof hint);
    int rc = avformat_open_input(&format, hint, NULL, &options); /* frees format when it fails */
    if (rc == AVERROR(ENOMEM))
        return mr_av_fail(err, "resource_limit", rc, "open the file");
    if (rc < 0 && input->missing_bytes)
        return break_off(input, err);
    if (rc < 0)
        return mr_fail_code(err, MR_INVALID, "invalid_media", "the file is no audio or video that we know");
    input->format = format;
    rc = avformat_find_stream_info(format, NULL);
    return rc < 0 ? mr_av_fail(err, "invalid_media", rc, "the streams of the file cannot be read") : MR_OK;
}

static enum mr_status choose_stream(struct mr_input *input, struct mr_err *err)
{
    AVFormatContext *format = input->format;
    int index = av_find_best_stream(format, AVMEDIA_TYPE_AUDIO, -1, -1, NULL, 0);
    if (index < 0) {
        /* An audio stream that is none of use: noise in which a demuxer thought to see something. */
        bool has_other = false, has_audio = false;
        for (unsigned i = 0; i < format->nb_streams; i++) {
            has_audio |= format->streams[i]->codecpar->codec_type == AVMEDIA_TYPE_AUDIO;
            has_other |= format->streams[i]->codecpar->codec_type == AVMEDIA_TYPE_VIDEO;
        }
        if (has_other && !has_audio)
            return mr_fail_code(err, MR_INVALID, "no_audio", "the file has no audio stream");
        return mr_fail_code(err, MR_INVALID, "invalid_media", "no audio can be made out in the file");
    }
    input->audio = format->streams[index];
    for (unsigned i = 0; i < format->nb_streams; i++)
        if ((int)i != index)
            format->streams[i]->discard = AVDISCARD_ALL;
    return MR_OK;
}

static enum mr_status open_decoder(struct mr_input *input, struct mr_err *err)
{
    const AVCodecParameters *params = input->audio->codecpar;
    const AVCodec *codec = avcodec_find_decoder(params->codec_id);
    if (!codec || !av_match_list(codec->name, decoders, ','))
        return mr_fail_code(err, MR_UNSUPPORTED, "unsupported_codec", "audio in %s cannot be decoded",
                            avcodec_get_name(params->codec_id));
    input->decoder = avcodec_alloc_context3(codec);
    if (!input->decoder)
        return mr_av_fail(err, "internal", AVERROR(ENOMEM), "open the decoder");
    int rc = avcodec_parameters_to_context(input->decoder, params);
    input->decoder->pkt_timebase = input->audio->time_base;
    input->decoder->thread_count = 1; /* the sandbox has no threads */
    if (rc >= 0)
        rc = avcodec_open2(input->decoder, codec, NULL);
    return rc < 0 ? mr_av_fail(err, "invalid_media", rc, "the %s decoder refuses the file", codec->name)
                  : MR_OK;
}

/* A length that libav found by reading timestamps or dividing by a bit rate shrinks with the file: it
 * declares nothing. Neither does the length of a whole film for its sound alone. */
static void read_durations(struct mr_input *input)
{
    const AVFormatContext *format = input->format;
    const AVStream *audio = input->audio;
    unsigned others = 0;
    for (unsigned i = 0; i < format->nb_streams; i++)
        others +=
            format->streams[i] != audio && !(format->streams[i]->disposition & AV_DISPOSITION_ATTACHED_PIC);
    input->declared_us = input->estimated_us = -1;
    if (audio->duration != AV_NOPTS_VALUE)
        input->estimated_us = av_rescale_q(audio->duration, audio->time_base, AV_TIME_BASE_Q);
    else if (format->duration != AV_NOPTS_VALUE)
        input->estimated_us = format->duration;

    bool from_end = !strcmp(format->iformat->name, "ogg") || !strcmp(format->iformat->name, "mpegts");
    if (format->duration_estimation_method != AVFMT_DURATION_FROM_STREAM || from_end)
        return;
    if (audio->duration != AV_NOPTS_VALUE || others == 0)
        input->declared_us = input->estimated_us;
}

enum mr_status mr_input_open(struct mr_input *input, struct mr_source *source, const char *name,
                             struct mr_err *err)
{
    *input = (struct mr_input){.source = source, .missing_bytes = mr_cut_missing_bytes(source)};
    if (is_cut(input))
        return break_off(input, err);
    enum mr_status status = open_container(input, name, err);
    if (!status)
        status = choose_stream(input, err);
    if (!status)
        status = open_decoder(input, err);
    if (!status)
        read_durations(input);
    return status;
}

void mr_input_close(struct mr_input *input)
{
    avcodec_free_context(&input->decoder);
    avformat_close_input(&input->format);
}

void mr_input_container(const struct mr_input *input, char *out, size_t size)
{
    const char *name = input->format->iformat->name;
    snprintf(out, size, "%.*s", (int)strcspn(name, ","), name);
}
