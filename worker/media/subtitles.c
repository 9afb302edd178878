#include "worker/media/subtitles.h"

#include <errno.h>
#include <string.h>

enum { TEXT_MAX = 64 * 1024 };

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

enum mr_status mr_subtitles_init(struct mr_subtitles *subtitles, struct mr_parts *parts, struct mr_err *err)
{
    const struct mr_demuxer *input = parts->input;
    *subtitles = (struct mr_subtitles){.parts = parts};
    if (!input->subtitle || parts->spec->text_subtitle == AV_CODEC_ID_NONE ||
        mr_options_change(parts->options, MR_OF_AUDIO | MR_OF_VIDEO, true))
        return MR_OK;
    subtitles->buffer = av_malloc(TEXT_MAX);
    int rc = subtitles->buffer
                 ? open_encoder(input->subtitle_decoder, parts->spec->text_subtitle, &subtitles->encoder)
                 : AVERROR(ENOMEM);
    if (rc < 0) {
        avcodec_free_context(&subtitles->encoder);
        return rc == AVERROR(ENOMEM) ? mr_av_fail(err, MR_CODE_INTERNAL, rc, "carry the subtitles over")
                                     : MR_OK;
    }
    struct mr_muxer *output = NULL;
    enum mr_status status = mr_parts_get(parts, 0, &output, err);
    return status ? status : mr_muxer_open_encoded(output, MR_SLOT_SUBTITLE, subtitles->encoder, err);
}

void mr_subtitles_free(struct mr_subtitles *subtitles)
{
    avcodec_free_context(&subtitles->encoder);
    av_freep(&subtitles->buffer);
}

static enum mr_status write_text(struct mr_subtitles *subtitles, AVSubtitle *text, const AVPacket *from,
                                 struct mr_err *err)
{
    struct mr_parts *parts = subtitles->parts;
    int64_t at_us = text->pts - parts->timeline->origin_us + (int64_t)text->start_display_time * 1000;
    int64_t length_us = av_rescale_q(from->duration, parts->input->subtitle->time_base, AV_TIME_BASE_Q);
    if (text->end_display_time > text->start_display_time && text->end_display_time != UINT32_MAX)
        length_us = (int64_t)(text->end_display_time - text->start_display_time) * 1000;
    text->pts = at_us;
    text->end_display_time -= text->start_display_time; /* encoders count from pts */
    text->start_display_time = 0;
    int size = avcodec_encode_subtitle(subtitles->encoder, subtitles->buffer, TEXT_MAX, text);
    if (size <= 0 || at_us < 0)
        return MR_OK; /* it says nothing, or nothing that the target's form can say */
    struct mr_muxer *output = NULL;
    enum mr_status status = mr_parts_get(parts, 0, &output, err);
    MR_AUTO_PACKET AVPacket *packet = av_packet_alloc();
    int rc = packet ? av_new_packet(packet, size) : AVERROR(ENOMEM);
    if (rc < 0)
        return mr_av_fail(err, MR_CODE_INTERNAL, rc, "carry the subtitles over");
    memcpy(packet->data, subtitles->buffer, (size_t)size);
    packet->pts = packet->dts = at_us / 1000;
    packet->duration = length_us / 1000;
    subtitles->written++;
    return status ? status : mr_muxer_write(output, MR_SLOT_SUBTITLE, packet, err);
}

/* A text that cannot be read is left out; it is no reason to refuse a film. */
enum mr_status mr_subtitles_packet(struct mr_subtitles *subtitles, const AVPacket *packet, struct mr_err *err)
{
    AVSubtitle text = {0};
    int got = 0;
    if (!subtitles->encoder)
        return MR_OK;
    MR_AUTO_PACKET AVPacket *copy = av_packet_clone(packet);
    if (!copy)
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "read a subtitle");
    int rc = avcodec_decode_subtitle2(subtitles->parts->input->subtitle_decoder, &text, &got, copy);
    if (rc < 0 || !got)
        return MR_OK;
    enum mr_status status =
        text.num_rects > 0 && text.pts != AV_NOPTS_VALUE ? write_text(subtitles, &text, packet, err) : MR_OK;
    avsubtitle_free(&text);
    return status;
}
