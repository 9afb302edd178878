/*
 * What the worker reads (inputs.def), as libav's whitelists. Read-only; any thread.
 */
#ifndef MR_WORKER_MEDIA_INPUTS_H
#define MR_WORKER_MEDIA_INPUTS_H

#include <libavcodec/avcodec.h>

/* Names with commas between them, for av_match_list() and libav's options of lists. */
const char *mr_inputs_demuxers(void);
const char *mr_inputs_decoders(void);

/* NULL: there is none, or none that is allowed. */
const AVCodec *mr_inputs_find_decoder(const AVCodecParameters *params);

#endif
