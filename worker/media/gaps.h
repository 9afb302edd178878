/*
 * Holes in the time stamps of audio that has no video beside it: a microphone that was off, packets that were lost.
 * Such audio is a row of samples, since the clocks of many files jump; only a step forward in a container that
 * states times is a hole, which silence fills. Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_GAPS_H
#define MR_WORKER_MEDIA_GAPS_H

#include "worker/media/demuxer.h"

struct mr_gaps {
    int64_t longest_us; /* what is longer is another clock; 0: the container states no times */
    bool has_clock;
    int64_t next_us;   /* where the next frame belongs if nothing is missing, */
    int64_t stated_us; /* and where by the last frame's own time stamp; both once has_clock */
};

struct mr_gaps mr_gaps_of(const struct mr_demuxer *input);

/* How much silence belongs before a frame, in microseconds. at_us: its time stamp, AV_NOPTS_VALUE if it has none. */
int64_t mr_gaps_before(struct mr_gaps *gaps, int64_t at_us, int64_t length_us);

#endif
