#include "worker/media/alpha.h"

#include <libavutil/intreadwrite.h>
#include <libavutil/pixdesc.h>
#include <string.h>

bool mr_alpha_is_possible(enum AVPixelFormat pixels)
{
    const AVPixFmtDescriptor *format = av_pix_fmt_desc_get(pixels);
    return format && (format->flags & AV_PIX_FMT_FLAG_ALPHA);
}

static bool has_clear_colour(const AVFrame *frame)
{
    enum { COLOURS = 256, OPAQUE = 255 };
    for (int y = 0; y < frame->height; y++)
        for (int x = 0; x < frame->width; x++) {
            uint8_t colour = frame->data[0][(ptrdiff_t)y * frame->linesize[0] + x];
            if (AV_RN32(frame->data[1] + (size_t)4 * colour) >> 24 != OPAQUE)
                return true;
        }
    return false;
}

/* Alpha is the last component, of 8 to 16 bits. */
static bool has_clear_pixel(const AVFrame *frame, const AVPixFmtDescriptor *format)
{
    const AVComponentDescriptor *alpha = &format->comp[format->nb_components - 1];
    unsigned opaque = (1U << alpha->depth) - 1;
    bool is_big = format->flags & AV_PIX_FMT_FLAG_BE;
    for (int y = 0; y < frame->height; y++) {
        const uint8_t *at =
            frame->data[alpha->plane] + (ptrdiff_t)y * frame->linesize[alpha->plane] + alpha->offset;
        for (int x = 0; x < frame->width; x++, at += alpha->step) {
            unsigned value = alpha->depth <= 8 ? *at : is_big ? AV_RB16(at) : AV_RL16(at);
            if ((value >> alpha->shift & opaque) != opaque)
                return true;
        }
    }
    return false;
}

bool mr_alpha_is_used(const AVFrame *frame)
{
    enum { DEPTH_MAX = 16 };
    const AVPixFmtDescriptor *format = av_pix_fmt_desc_get(frame->format);
    if (!mr_alpha_is_possible(frame->format))
        return false;
    if (format->flags & AV_PIX_FMT_FLAG_PAL)
        return has_clear_colour(frame);
    bool is_plain = !(format->flags & AV_PIX_FMT_FLAG_BITSTREAM) &&
                    format->comp[format->nb_components - 1].depth <= DEPTH_MAX;
    return !is_plain || has_clear_pixel(frame, format);
}

const AVCodec *mr_alpha_decoder(const AVStream *stream)
{
    const AVDictionaryEntry *mode = av_dict_get(stream->metadata, "alpha_mode", NULL, 0);
    if (!mode || strcmp(mode->value, "1") != 0)
        return NULL;
    return stream->codecpar->codec_id == AV_CODEC_ID_VP9   ? avcodec_find_decoder_by_name("libvpx-vp9")
           : stream->codecpar->codec_id == AV_CODEC_ID_VP8 ? avcodec_find_decoder_by_name("libvpx")
                                                           : NULL;
}
