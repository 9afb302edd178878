#include "worker/media/picture.h"

#include "worker/media/filters.h"

#include <errno.h>
#include <libavutil/intreadwrite.h>
#include <string.h>

enum { QUALITY = 3, PIXELS_MAX = 32 << 20 };

enum AVCodecID mr_picture_codec(const uint8_t *data, int size)
{
    static const struct {
        const char *bytes;
        int len, at;
        enum AVCodecID codec;
    } signs[] = {
        {"\xff\xd8\xff", 3, 0, AV_CODEC_ID_MJPEG},
        {"\x89PNG\r\n\x1a\n", 8, 0, AV_CODEC_ID_PNG},
        {"WEBP", 4, 8, AV_CODEC_ID_WEBP},
        {"GIF8", 4, 0, AV_CODEC_ID_GIF},
        {"BM", 2, 0, AV_CODEC_ID_BMP},
    };
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (size >= signs[i].at + signs[i].len &&
            memcmp(data + signs[i].at, signs[i].bytes, (size_t)signs[i].len) == 0)
            return signs[i].codec;
    return AV_CODEC_ID_NONE;
}

/* ITU-T T.81, B.1: the segment that begins a frame has it. */
static bool find_jpeg_size(const uint8_t *data, int size, int *ret_width, int *ret_height)
{
    enum { HEAD = 9, FIRST = 0xc0, LAST = 0xcf, HUFFMAN = 0xc4, EXTENSION = 0xc8, ARITHMETIC = 0xcc };
    for (int at = 2; at <= size - HEAD && data[at] == 0xff;) {
        uint8_t type = data[at + 1];
        if (type >= FIRST && type <= LAST && type != HUFFMAN && type != EXTENSION && type != ARITHMETIC) {
            *ret_height = AV_RB16(data + at + 5);
            *ret_width = AV_RB16(data + at + 7);
            return true;
        }
        at += type == 0xff ? 1 : 2 + AV_RB16(data + at + 2); /* or fill bytes */
    }
    return false;
}

bool mr_picture_size(const uint8_t *data, int size, int *ret_width, int *ret_height)
{
    enum { PNG_HEAD = 24 };
    enum AVCodecID codec = mr_picture_codec(data, size);
    if (codec == AV_CODEC_ID_MJPEG)
        return find_jpeg_size(data, size, ret_width, ret_height);
    if (codec != AV_CODEC_ID_PNG || size < PNG_HEAD)
        return false;
    *ret_width = (int)(AV_RB32(data + 16) & INT32_MAX);
    *ret_height = (int)(AV_RB32(data + 20) & INT32_MAX);
    return true;
}

const char *mr_picture_mime(enum AVCodecID codec)
{
    return codec == AV_CODEC_ID_MJPEG ? "image/jpeg" : codec == AV_CODEC_ID_PNG ? "image/png" : NULL;
}

static AVCodecContext *encoder_for(enum AVCodecID codec, const AVFrame *frame)
{
    AVCodecContext *encoder = avcodec_alloc_context3(avcodec_find_encoder(codec));
    if (!encoder)
        return NULL;
    encoder->width = frame->width;
    encoder->height = frame->height;
    encoder->pix_fmt = frame->format;
    encoder->time_base = (AVRational){1, 1};
    encoder->thread_count = 1; /* most jobs may not make threads */
    return encoder;
}

static int encode(AVCodecContext *encoder, const AVFrame *frame, AVPacket *ret)
{
    int rc = avcodec_open2(encoder, encoder->codec, NULL);
    if (rc >= 0)
        rc = avcodec_send_frame(encoder, frame);
    if (rc >= 0)
        rc = avcodec_receive_packet(encoder, ret);
    avcodec_free_context(&encoder);
    return rc;
}

int mr_picture_encode_jpeg(const AVFrame *frame, AVPacket *ret)
{
    AVCodecContext *encoder = encoder_for(AV_CODEC_ID_MJPEG, frame);
    if (!encoder)
        return AVERROR(ENOMEM);
    encoder->color_range = AVCOL_RANGE_JPEG;
    encoder->flags |= AV_CODEC_FLAG_QSCALE;
    encoder->global_quality = QUALITY * FF_QP2LAMBDA;
    return encode(encoder, frame, ret);
}

int mr_picture_encode_png(const AVFrame *frame, AVPacket *ret)
{
    AVCodecContext *encoder = encoder_for(AV_CODEC_ID_PNG, frame);
    return encoder ? encode(encoder, frame, ret) : AVERROR(ENOMEM);
}

static int decode(const AVPacket *packet, enum AVCodecID codec, AVFrame *frame)
{
    const AVCodec *type = avcodec_find_decoder(codec);
    AVCodecContext *decoder = type ? avcodec_alloc_context3(type) : NULL;
    if (!decoder)
        return AVERROR(ENOMEM);
    decoder->thread_count = 1; /* the sandbox has no threads */
    decoder->max_pixels = PIXELS_MAX;
    int rc = avcodec_open2(decoder, type, NULL);
    if (rc >= 0)
        rc = avcodec_send_packet(decoder, packet);
    if (rc >= 0)
        rc = avcodec_send_packet(decoder, NULL);
    if (rc >= 0)
        rc = avcodec_receive_frame(decoder, frame);
    avcodec_free_context(&decoder);
    return rc;
}

AVPacket *mr_picture_to_jpeg(const AVPacket *image, enum AVCodecID codec, int *ret_width, int *ret_height)
{
    MR_AUTO_FRAME AVFrame *frame = av_frame_alloc();
    MR_AUTO_FRAME AVFrame *scaled = NULL;
    AVPacket *packet = av_packet_alloc();
    bool done = frame && packet && decode(image, codec, frame) >= 0;
    struct mr_frame_size size = {
        done ? FFMAX(frame->width & ~1, 2) : 0, done ? FFMAX(frame->height & ~1, 2) : 0, {1, 1}};
    done = done &&
           mr_filters_still(frame, "", &size, AV_PIX_FMT_YUVJ420P, MR_WHITE, &scaled, NULL) == MR_OK &&
           mr_picture_encode_jpeg(scaled, packet) >= 0;
    if (!done)
        av_packet_free(&packet);
    *ret_width = size.width;
    *ret_height = size.height;
    return packet;
}
