/*
 * Which streams can be copied into an output without encoding them again. Pure functions, any thread.
 */
#ifndef MR_WORKER_MEDIA_COPY_RULES_H
#define MR_WORKER_MEDIA_COPY_RULES_H

#include "worker/media/demuxer.h"
#include "worker/media/formats.h"

/* True if the format, and its usual players, take the packets of this stream of the input as they are. */
bool mr_copy_is_possible(const struct mr_demuxer *input, AVStream *stream,
                         const struct mr_media_format *spec);

#endif
