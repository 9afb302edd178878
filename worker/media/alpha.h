/* Transparency of frames. Pure. */
#ifndef MR_WORKER_MEDIA_ALPHA_H
#define MR_WORKER_MEDIA_ALPHA_H

#include "worker/media/av.h"

/* True if pixels of this format may be transparent. */
bool mr_alpha_is_possible(enum AVPixelFormat pixels);

/* True if some pixel of the frame is transparent, at least in part. */
bool mr_alpha_is_used(const AVFrame *frame);

/* VP8 and VP9 have their transparency beside the stream, and only the decoders of libvpx read it. NULL: the stream has
 * none. */
const AVCodec *mr_alpha_decoder(const AVStream *stream);

#endif
