/*
 * The audio encoder that a format or the options ask for, set up for a source: rate, channels, sample format and bit
 * rate are the nearest ones that codec and format take.
 */
#ifndef MR_WORKER_MEDIA_ENCODER_H
#define MR_WORKER_MEDIA_ENCODER_H

#include "shared/media/options.h"
#include "worker/media/demuxer.h"
#include "worker/media/formats.h"

/* What the packets go into. */
struct mr_encoder_use {
    bool global_header; /* a container that keeps the codec's header apart from the packets */
    /* several encoders make the stream one after the other: no packet has bytes of another's audio */
    bool is_sliced;
};

/* Roughly how many samples a second, of all channels, the format's encoder of audio gets of such a stream. */
double mr_encoder_samples_per_second(const struct mr_media_format *spec, const struct mr_options *options,
                                     const AVCodecParameters *source);

/* The caller owns *ret (avcodec_free_context). source is the stream of the input, frame the first decoded one. */
MR_MUST_CHECK enum mr_status mr_encoder_open(const struct mr_media_format *spec,
                                             const struct mr_options *options, const AVStream *source,
                                             const AVFrame *frame, struct mr_encoder_use use,
                                             AVCodecContext **ret, struct mr_err *err);

/* What an encoder's refusal of audio means: EINVAL is said of audio that does not fit into the bit rate. Codes:
 * bad_option if the bit rate was asked for, else invalid_media; internal for any other error. */
enum mr_status mr_encoder_refuses(const AVCodecContext *encoder, const struct mr_options *options, int rc,
                                  struct mr_err *err);

#endif
