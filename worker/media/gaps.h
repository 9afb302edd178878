/*
 * Holes in the time stamps of audio that has no video beside it: a microphone that was off, packets that were lost.
 * Such audio is a row of samples, since the clocks of many files jump; only a step forward in a container that
 * states times is a hole, which silence fills. Audio that is taken out of a video and begins much later keeps its place.
 * Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_GAPS_H
#define MR_WORKER_MEDIA_GAPS_H

#include "worker/media/demuxer.h"

struct mr_gaps {
    bool is_chain; /* Ogg: each link counts samples of its own rate, which libav takes for the first one's */
    int64_t longest_us; /* what is longer is another clock; 0: the container states no times */
    int64_t begin_us;   /* of the video beside it, which is not taken; AV_NOPTS_VALUE: there is none */
    bool has_clock;
    int64_t next_us;   /* where the next frame belongs if nothing is missing, */
    int64_t stated_us; /* and where by the last frame's own time stamp; both once has_clock */
};

struct mr_gaps mr_gaps_of(const struct mr_demuxer *input);

/* How much silence belongs before a frame of the stream, in microseconds. */
int64_t mr_gaps_before(struct mr_gaps *gaps, const AVStream *stream, const AVFrame *frame);

#endif
