/*
 * The output: muxer, audio stream, and either an encoder or, where the codec stays, a bitstream filter.
 * Packets come in decoder or encoder order and leave at once. Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_OUTPUT_H
#define MR_WORKER_MEDIA_OUTPUT_H

#include "worker/media/sink.h"
#include "worker/media/tags.h"

#include <libavcodec/bsf.h>

struct mr_output {
    const struct mr_media_format *spec;
    struct mr_sink *sink; /* not owned */
    AVFormatContext *format;
    AVStream *audio;
    AVStream *cover;             /* NULL: none */
    const AVPacket *cover_image; /* the input's */
    AVCodecContext *encoder;     /* NULL: copied */
    AVBSFContext *copy_filter;   /* NULL: encoded, or nothing to filter */
    AVRational packet_base;      /* of the packets given to mr_output_write */
    bool begun;
};

/* True if the input's packets can stay as they are. */
bool mr_output_can_copy(const struct mr_input *input, const struct mr_media_format *spec);

/* An output that takes the input's packets. The header is written with the first one. */
MR_MUST_CHECK enum mr_status mr_output_open_copy(struct mr_output *output, struct mr_sink *sink,
                                                 const struct mr_media_format *spec,
                                                 const struct mr_input *input, struct mr_notes *notes,
                                                 struct mr_err *err);
/* An output that takes output->encoder's packets; the encoder is set up for frames like `frame`. */
MR_MUST_CHECK enum mr_status mr_output_open_encoder(struct mr_output *output, struct mr_sink *sink,
                                                    const struct mr_media_format *spec,
                                                    const struct mr_input *input, const AVFrame *frame,
                                                    struct mr_notes *notes, struct mr_err *err);
void mr_output_close(struct mr_output *output);
MR_DEFINE_VALUE_CLEANUP(mr_output, mr_output_close)

/* Takes the packet's data over; NULL: the end of a copy. */
MR_MUST_CHECK enum mr_status mr_output_write(struct mr_output *output, AVPacket *packet, struct mr_err *err);
/* Trailer, head, and every write that had failed. */
MR_MUST_CHECK enum mr_status mr_output_finish(struct mr_output *output, struct mr_err *err);

#endif
