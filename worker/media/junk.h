/*
 * What is no audio in the packets of an MP3 file: zeros before the first frame, tags behind the last one or where files
 * were joined. libav hands it over as if it were part of a frame. Stateless.
 */
#ifndef MR_WORKER_MEDIA_JUNK_H
#define MR_WORKER_MEDIA_JUNK_H

#include "worker/media/av.h"

/* Leaves what begins with a frame. is_first: no frame came before; then any bytes before it go, later only tags. False
 * if nothing is left. */
bool mr_junk_trim(AVPacket *packet, bool is_first);

#endif
