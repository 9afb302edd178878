/*
 * What a container says of a stream besides its codec: language, title, dispositions, and of video the projection of
 * a sphere, stereo, and how bright it is. Each is carried over, in a copy and in an encode, where the target can hold
 * it in a way that can be read back; the receipt has the rest. Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_STREAM_FACTS_H
#define MR_WORKER_MEDIA_STREAM_FACTS_H

#include "worker/media/muxer.h"

/* Sets the output's stream. notes may be NULL. Returns 0 or libav's error. */
int mr_stream_facts_carry(const struct mr_muxer *output, enum mr_slot slot, AVStream *to);

/* True for side data that the function above deals with. */
bool mr_stream_facts_include(enum AVPacketSideDataType type);

/* True if the format's muxer needs to be told to write what is not in the standard itself: a sphere, stereo. */
bool mr_stream_facts_are_unofficial(const AVFormatContext *output);

#endif
