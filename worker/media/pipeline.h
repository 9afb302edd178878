/*
 * From the first packet to the last trailer: one loop reads the demuxer and gives packets to their tracks
 * (track.h), which share the outputs (parts.h); sync.h keeps the tracks in step. Holds a packet and a few frames
 * in memory, whatever the length of the file. Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_PIPELINE_H
#define MR_WORKER_MEDIA_PIPELINE_H

#include "worker/media/audio.h"
#include "worker/media/discontinuity.h"
#include "worker/media/subtitles.h"
#include "worker/media/video.h"

struct mr_pipeline {
    struct mr_demuxer *input; /* set by the caller, as the next eleven; not owned, nor are the next seven */
    const struct mr_media_format *spec;
    const struct mr_options *options;
    const struct mr_sandbox_fds *fds;
    struct mr_notes *notes;
    const char *name;            /* of the input; NULL: none is known */
    const AVFrame *logo;         /* NULL: none */
    const struct mr_gain *gains; /* for the option loudness, one for each audio */
    int64_t max_us;              /* a longer input is refused */
    uint32_t encode_audio;       /* which tracks are never copied (parts.h) */
    int threads;                 /* that the video may have */
    /* a unit is made, of one track alone (parts.h); not owned, nor are the next two */
    struct mr_unit_range *unit;
    struct mr_packets_reader *joined;       /* the video was encoded by units */
    struct mr_packets_reader *joined_audio; /* the audio was */
    struct mr_work work;                    /* what it costs, and may cost */

    struct mr_timeline timeline;
    struct mr_discontinuity clock; /* of the input */
    struct mr_parts parts;
    struct mr_sync sync;
    struct mr_stills stills;
    struct mr_waveform waveform;
    struct mr_track *tracks[MR_SLOTS]; /* NULL: the input has none, or none is wanted; else one of the next */
    struct mr_video video;
    struct mr_audio audios[MR_AUDIOS_MAX];
    struct mr_subtitles texts[MR_TEXTS_MAX];
    AVPacket *packet;
    int64_t progress_at_us; /* when progress was last sent */
};

/* Opens what is needed before the first packet. Codes: bad_option, too_many_parts, resource_limit, internal.
 * mr_pipeline_close frees it, after a failure too. */
MR_MUST_CHECK enum mr_status mr_pipeline_init(struct mr_pipeline *pipeline, struct mr_err *err);
void mr_pipeline_close(struct mr_pipeline *pipeline);
MR_DEFINE_VALUE_CLEANUP(mr_pipeline, mr_pipeline_close)

/* Runs to the end. Codes: invalid_media, truncated, unsupported_codec, resource_limit, bad_option,
 * too_many_parts, output_too_large, internal. */
MR_MUST_CHECK enum mr_status mr_pipeline_run(struct mr_pipeline *pipeline, struct mr_err *err);

/* Makes the unit's range of its track. Code unit_impossible, beside those of mr_pipeline_run: the frames are not surely
 * those of one run over all. */
MR_MUST_CHECK enum mr_status mr_pipeline_run_unit(struct mr_pipeline *pipeline, struct mr_err *err);

/* The track of input->audio; NULL: there is none. */
const struct mr_audio *mr_pipeline_main_audio(const struct mr_pipeline *pipeline);

/* How much of the input was read, in microseconds: the longest track. After mr_pipeline_run. */
int64_t mr_pipeline_decoded_us(const struct mr_pipeline *pipeline);

#endif
