/*
 * From the first packet to the last trailer: one demuxer loop, a track of pictures (video.h) and one of sound
 * (audio.h), the outputs they share (parts.h). One packet and a few frames in memory, whatever the file. Used
 * by one thread.
 *
 * The end of the input is only AVERROR_EOF from a parent that still answers; decoders, filters and encoders
 * are drained; what was decoded is held against what the container declares.
 */
#ifndef MR_WORKER_MEDIA_PIPELINE_H
#define MR_WORKER_MEDIA_PIPELINE_H

#include "worker/media/audio.h"
#include "worker/media/discontinuity.h"
#include "worker/media/subtitles.h"
#include "worker/media/video.h"

struct mr_pipeline {
    struct mr_demuxer *input; /* not owned; nor are the next five */
    const struct mr_media_format *spec;
    const struct mr_options *options;
    const struct mr_sandbox_fds *fds;
    struct mr_notes *notes;
    const AVFrame *logo;        /* NULL: none */
    const struct mr_gain *gain; /* for an ordered loudness */
    int64_t max_us;             /* a longer input is refused */

    struct mr_timeline timeline;
    struct mr_discontinuity line; /* the input's clock */
    struct mr_parts parts;
    struct mr_audio audio; /* valid if parts.has says so; so is the next */
    struct mr_video video;
    struct mr_subtitles subtitles;
    AVPacket *packet;
    int64_t progress_at_us; /* when progress was last sent */
};

MR_MUST_CHECK enum mr_status mr_pipeline_init(struct mr_pipeline *pipeline, struct mr_err *err);
void mr_pipeline_close(struct mr_pipeline *pipeline);
MR_DEFINE_VALUE_CLEANUP(mr_pipeline, mr_pipeline_close)

/* Runs to the end. Codes: invalid_media, truncated, unsupported_codec, resource_limit, bad_option,
 * too_many_parts, internal. */
MR_MUST_CHECK enum mr_status mr_pipeline_run(struct mr_pipeline *pipeline, struct mr_err *err);

/* How much of the input was read as sound or picture, in microseconds; after mr_pipeline_run. */
int64_t mr_pipeline_decoded_us(const struct mr_pipeline *pipeline);

#endif
