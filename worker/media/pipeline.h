/*
 * From the first packet to the trailer: demuxer → decoder → filters → encoder → muxer, or, where the codec
 * stays, demuxer → muxer with the decoder beside it as a witness: a copy that cannot be decoded to its end is
 * no result either. One packet and a few frames in memory, whatever the file. Used by one thread.
 *
 * The end of the input is only AVERROR_EOF from a parent that still answers; decoder, filters and encoder are
 * drained; what was decoded is held against what the container declares.
 */
#ifndef MR_WORKER_MEDIA_PIPELINE_H
#define MR_WORKER_MEDIA_PIPELINE_H

#include "worker/media/filters.h"
#include "worker/media/output.h"

struct mr_pipeline {
    struct mr_input *input; /* not owned; nor are the next four */
    struct mr_sink *sink;
    const struct mr_media_format *spec;
    const struct mr_sandbox_fds *fds;
    struct mr_notes *notes;

    struct mr_output output;
    struct mr_filters filters;
    AVPacket *packet;
    AVFrame *frame;
    AVFrame *filtered;
    bool copies;
    bool output_open;

    int64_t packets;
    int64_t bad_packets;
    bool last_is_bad;
    struct {
        int smallest, largest; /* of all packets but the last; valid once there were two */
        int last;
    } packet_size;
    int rate; /* of the frames decoded last, and how many samples of that rate: */
    int channels;
    int64_t samples;
    int64_t earlier_us;  /* what had been decoded at other rates before */
    int64_t encoded;     /* samples given to the encoder, */
    int64_t lead_in;     /* of which these are silence before the first */
    int64_t copied_last; /* time stamp of the last packet of a copy, */
    /* and where the next belongs if it does not say so; both valid once there was one */
    int64_t copied_until;
    bool copied_any;
    int64_t progress_at_us; /* when progress was last sent */
};

MR_MUST_CHECK enum mr_status mr_pipeline_init(struct mr_pipeline *pipeline, struct mr_err *err);
void mr_pipeline_close(struct mr_pipeline *pipeline);
MR_DEFINE_VALUE_CLEANUP(mr_pipeline, mr_pipeline_close)

/* Runs to the end. Codes: invalid_media, truncated, unsupported_codec, resource_limit, internal. */
MR_MUST_CHECK enum mr_status mr_pipeline_run(struct mr_pipeline *pipeline, struct mr_err *err);

/* What was decoded, and what was written, in microseconds; after mr_pipeline_run. */
int64_t mr_pipeline_decoded_us(const struct mr_pipeline *pipeline);
int64_t mr_pipeline_written_us(const struct mr_pipeline *pipeline);

#endif
