/* How often an animation is played. */
#ifndef MR_WORKER_MEDIA_LOOPS_H
#define MR_WORKER_MEDIA_LOOPS_H

#include "worker/media/source.h"

/* As libav's GIF muxer takes it: -1: once; 0: without end, and for files that are no animations; else the repetitions. */
int mr_loops_of(struct mr_source *source);

/* True if the GIF can be copied: libav takes the first extension of an application for the one that has the loops. */
bool mr_loops_can_copy(struct mr_source *source);

#endif
