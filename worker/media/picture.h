/* Still pictures: covers, thumbnails, filmstrips and waveforms. Pure but for memory. */
#ifndef MR_WORKER_MEDIA_PICTURE_H
#define MR_WORKER_MEDIA_PICTURE_H

#include "worker/media/av.h"

/* What the first bytes say, whatever the file claims: MJPEG, PNG, WEBP, GIF, BMP or NONE. */
enum AVCodecID mr_picture_codec(const uint8_t *data, int size);

/* Width and height as the head of a JPEG or PNG says. False: it is of another kind, or cut. */
bool mr_picture_size(const uint8_t *data, int size, int *ret_width, int *ret_height);

/* The media type of JPEG or PNG; NULL for others. */
const char *mr_picture_mime(enum AVCodecID codec);

/* The frame (pixel format yuvj420p) as JPEG. 0, or an error of libav's. */
MR_MUST_CHECK int mr_picture_encode_jpeg(const AVFrame *frame, AVPacket *ret);

/* The frame (pixel format ya8) as PNG. 0, or an error of libav's. */
MR_MUST_CHECK int mr_picture_encode_png(const AVFrame *frame, AVPacket *ret);

/* A picture of another codec as JPEG; the caller owns it. NULL: it cannot be decoded. */
AVPacket *mr_picture_to_jpeg(const AVPacket *image, enum AVCodecID codec, int *ret_width, int *ret_height);

#endif
