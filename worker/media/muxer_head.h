/*
 * What an output says before its first packet: its streams, with what the input says of them, tags, covers, chapters, and the
 * muxer's settings. Used by muxer.c, by one thread.
 */
#ifndef MR_WORKER_MEDIA_MUXER_HEAD_H
#define MR_WORKER_MEDIA_MUXER_HEAD_H

#include "worker/media/muxer.h"

/* Adds the open tracks and all that goes along, and writes the header. The first packets are in the queue. Codes:
 * invalid_media, resource_limit, internal. */
MR_MUST_CHECK enum mr_status mr_muxer_head_write(struct mr_muxer *output, struct mr_err *err);

/* The first track of audio, once begun; NULL: there is none. */
AVStream *mr_muxer_audio(const struct mr_muxer *output);

/* Whose fault a muxer's refusal is: what a copy hands it comes from the file, what an encoder makes from us. */
enum mr_code mr_muxer_blame(const struct mr_muxer *output, int rc);

#endif
