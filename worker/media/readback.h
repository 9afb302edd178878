/*
 * The finished file, read back through our own demuxers before a byte of its head leaves: what it says of itself is what
 * the receipt says. Muxers know fewer tags than they are given, and do not tell. Costs about a millisecond. Used by one
 * thread.
 */
#ifndef MR_WORKER_MEDIA_READBACK_H
#define MR_WORKER_MEDIA_READBACK_H

#include "worker/media/muxer.h"

/* Between mr_sink_settle and mr_sink_finish: notes each tag and the covers as kept, changed or dropped. */
void mr_readback(const struct mr_muxer *output);

#endif
