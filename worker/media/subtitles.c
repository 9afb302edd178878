#include "worker/media/subtitles.h"

#include <errno.h>
#include <string.h>

enum { TEXT_MAX = 64 * 1024 };

static struct mr_subtitles *subtitles_of(struct mr_track *track)
{
    return (struct mr_subtitles *)track;
}

static int open_encoder(const AVCodecContext *decoder, enum AVCodecID codec_id, AVCodecContext **ret)
{
    const AVCodec *codec = avcodec_find_encoder(codec_id);
    AVCodecContext *encoder = *ret = codec ? avcodec_alloc_context3(codec) : NULL;
    if (!encoder)
        return codec ? AVERROR(ENOMEM) : AVERROR_ENCODER_NOT_FOUND;
    encoder->time_base = (AVRational){1, 1000};
    encoder->thread_count = 1; /* the sandbox has no threads */
    if (decoder->subtitle_header_size > 0) {
        size_t size = (size_t)decoder->subtitle_header_size;
        encoder->subtitle_header = av_mallocz(size + 1);
        if (!encoder->subtitle_header)
            return AVERROR(ENOMEM);
        memcpy(encoder->subtitle_header, decoder->subtitle_header, size);
        encoder->subtitle_header_size = (int)size;
    }
    return avcodec_open2(encoder, codec, NULL);
}

/* Sets the text's times for the encoder, which counts from pts. Returns how long it is shown. */
static int64_t set_times(AVSubtitle *text, int64_t at_us, int64_t length_us)
{
    if (text->end_display_time > text->start_display_time && text->end_display_time != UINT32_MAX)
        length_us = (int64_t)(text->end_display_time - text->start_display_time) * 1000;
    text->pts = at_us;
    text->end_display_time -= text->start_display_time;
    text->start_display_time = 0;
    return length_us;
}

static enum mr_status write_text(struct mr_subtitles *subtitles, AVSubtitle *text, const AVPacket *from,
                                 struct mr_err *err)
{
    const struct mr_track *track = &subtitles->track;
    struct mr_muxer *output = NULL;
    int64_t at_us = text->pts - track->parts->timeline->origin_us + (int64_t)text->start_display_time * 1000;
    int64_t length_us =
        set_times(text, at_us, av_rescale_q(from->duration, track->stream->time_base, AV_TIME_BASE_Q));
    int size = avcodec_encode_subtitle(subtitles->encoder, subtitles->buffer, TEXT_MAX, text);
    if (size <= 0 || at_us < 0)
        return MR_OK; /* it is empty, or cannot be said in the target's format */
    MR_TRY(mr_parts_get(track->parts, 0, &output, err));
    MR_AUTO_PACKET AVPacket *packet = av_packet_alloc();
    int rc = packet ? av_new_packet(packet, size) : AVERROR(ENOMEM);
    if (rc < 0)
        return mr_av_fail(err, MR_CODE_INTERNAL, rc, "carry the subtitles over");
    memcpy(packet->data, subtitles->buffer, (size_t)size);
    packet->pts = packet->dts = at_us / 1000;
    packet->duration = length_us / 1000;
    return mr_muxer_write(output, MR_SLOT_SUBTITLE, packet, err);
}

/* A text that cannot be read is left out: no reason to refuse the whole file. */
static enum mr_status take_packet(struct mr_track *track, AVPacket *packet, struct mr_err *err)
{
    struct mr_subtitles *subtitles = subtitles_of(track);
    AVSubtitle text = {0};
    int got = 0;
    if (!subtitles->encoder)
        return MR_OK;
    int rc = avcodec_decode_subtitle2(track->parts->input->subtitle_decoder, &text, &got, packet);
    if (rc < 0 || !got)
        return MR_OK;
    enum mr_status status = MR_OK;
    if (text.num_rects > 0 && text.pts != AV_NOPTS_VALUE)
        status = write_text(subtitles, &text, packet, err);
    avsubtitle_free(&text);
    return status;
}

static void free_subtitles(struct mr_track *track)
{
    struct mr_subtitles *subtitles = subtitles_of(track);
    avcodec_free_context(&subtitles->encoder);
    av_freep(&subtitles->buffer);
}

static const struct mr_track_ops ops = {.name = "subtitle", .packet = take_packet, .free = free_subtitles};

enum mr_status mr_subtitles_init(struct mr_subtitles *subtitles, struct mr_parts *parts, struct mr_err *err)
{
    const struct mr_demuxer *input = parts->input;
    enum AVCodecID codec_id = parts->spec->text_subtitle;
    struct mr_muxer *output = NULL;
    *subtitles = (struct mr_subtitles){.track = {.ops = &ops,
                                                 .slot = MR_SLOT_SUBTITLE,
                                                 .parts = parts,
                                                 .stream = input->subtitle,
                                                 .declared_us = -1}};
    if (codec_id == AV_CODEC_ID_NONE || mr_options_change(parts->options, MR_OF_AUDIO | MR_OF_VIDEO, true))
        return MR_OK;
    subtitles->buffer = av_malloc(TEXT_MAX);
    int rc = subtitles->buffer ? open_encoder(input->subtitle_decoder, codec_id, &subtitles->encoder)
                               : AVERROR(ENOMEM);
    if (rc == AVERROR(ENOMEM))
        return mr_av_fail(err, MR_CODE_INTERNAL, rc, "carry the subtitles over");
    if (rc < 0) {
        avcodec_free_context(&subtitles->encoder);
        return MR_OK;
    }
    MR_TRY(mr_parts_get(parts, 0, &output, err));
    return mr_muxer_open_encoded(output, MR_SLOT_SUBTITLE, subtitles->encoder, err);
}
