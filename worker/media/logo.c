#include "worker/media/logo.h"

#include "worker/protocol.h"

#include <errno.h>

enum { LOGO_MAX = 4 * 1024 * 1024, OPAQUE = 255 };

static enum mr_status read_packet(const struct mr_sandbox_fds *fds, int64_t size, AVPacket *packet,
                                  struct mr_err *err)
{
    MR_AUTO(mr_source) struct mr_source source = {0};
    if (size <= 0 || size > LOGO_MAX)
        return mr_fail_code(err, MR_CODE_INTERNAL, "logo of %lld bytes cannot be read", (long long)size);
    MR_TRY(mr_source_open(&source, fds, MR_SOURCE_LOGO, size, err));
    int rc = av_new_packet(packet, (int)size);
    if (rc < 0)
        return mr_av_fail(err, MR_CODE_INTERNAL, rc, "read the logo");
    if (!mr_source_peek(&source, 0, packet->data, (size_t)size))
        return mr_fail_code(err, MR_CODE_INTERNAL, "the logo cannot be read");
    return MR_OK;
}

static int decode(const AVPacket *packet, AVFrame *frame)
{
    AVCodecContext *decoder = avcodec_alloc_context3(avcodec_find_decoder(AV_CODEC_ID_PNG));
    if (!decoder)
        return AVERROR(ENOMEM);
    decoder->thread_count = 1; /* most jobs may not make threads */
    int rc = avcodec_open2(decoder, decoder->codec, NULL);
    if (rc >= 0)
        rc = avcodec_send_packet(decoder, packet);
    if (rc >= 0)
        rc = avcodec_send_packet(decoder, NULL);
    if (rc >= 0)
        rc = avcodec_receive_frame(decoder, frame);
    avcodec_free_context(&decoder);
    return rc;
}

/* Over black: a video has no transparency, and what lies under it may be any colour. */
static void blend(AVFrame *frame)
{
    if (frame->format != AV_PIX_FMT_RGBA)
        return;
    for (int y = 0; y < frame->height; y++) {
        uint8_t *at = frame->data[0] + (ptrdiff_t)y * frame->linesize[0];
        for (int x = 0; x < frame->width; x++, at += 4) {
            for (int i = 0; i < 3; i++)
                at[i] = (uint8_t)(at[i] * at[3] / OPAQUE);
            at[3] = OPAQUE;
        }
    }
}

enum mr_status mr_logo_read(const struct mr_sandbox_fds *fds, int64_t size, AVFrame **ret, struct mr_err *err)
{
    MR_AUTO_PACKET AVPacket *packet = av_packet_alloc();
    MR_AUTO_FRAME AVFrame *frame = av_frame_alloc();
    if (!packet || !frame)
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "read the logo");
    MR_TRY(read_packet(fds, size, packet, err));
    int rc = decode(packet, frame);
    if (rc >= 0)
        rc = av_frame_make_writable(frame);
    if (rc < 0)
        return mr_av_fail(err, MR_CODE_INTERNAL, rc, "decode the logo");
    blend(frame);
    *ret = MR_TAKE(frame);
    return MR_OK;
}
