/*
 * The video encoder that a format or the options ask for, with settings for one thread of a shared
 * machine: x264 at "veryfast" and a constant rate factor takes half the time of its default "medium" or less,
 * for a few per cent more bytes.
 */
#ifndef MR_WORKER_MEDIA_VIDEO_ENCODER_H
#define MR_WORKER_MEDIA_VIDEO_ENCODER_H

#include "shared/media/options.h"
#include "worker/media/demuxer.h"
#include "worker/media/formats.h"

/* What must be known before the first frame goes through the filters. */
struct mr_video_plan {
    const AVCodec *codec;
    enum AVPixelFormat pixels;
    AVRational fps;   /* a frame's usual length is 1/fps; never 0 */
    bool is_constant; /* every frame is as long: time stamps are counts of frames */
    bool holds_alpha; /* the encoder and the container can, as yuva420p */
    bool is_ordered;  /* the container has one order for decoding and showing */
    AVRational base;  /* the encoder's time base */
    int threads;      /* that the encoder may have, beside those that it always has */
};

MR_MUST_CHECK enum mr_status mr_video_plan(const struct mr_media_format *format,
                                           const struct mr_options *options, const struct mr_demuxer *input,
                                           int threads, struct mr_video_plan *ret, struct mr_err *err);

/* The caller owns *ret (mr_video_encoder_close). frame is the first one out of the filters; global_header: the
 * container keeps the codec's header apart from the packets. */
MR_MUST_CHECK enum mr_status mr_video_encoder_open(const struct mr_video_plan *plan,
                                                   const struct mr_options *options, const AVFrame *frame,
                                                   bool global_header, AVCodecContext **ret,
                                                   struct mr_err *err);

/* Frees it, and sets *encoder to NULL; NULL: nothing to do. */
void mr_video_encoder_close(AVCodecContext **encoder);

/* What an encoder needs for a frame that it keeps, at most: x264 has four forms of its luma, in 16 bits. */
size_t mr_video_encoder_frame_bytes(const AVCodecContext *encoder);

#endif
