/*
 * A frame of MP3 as its header and side information describe it (ISO/IEC 11172-3, 2.4.1). Pure functions, any thread.
 */
#ifndef MR_WORKER_MEDIA_MP3_FRAME_H
#define MR_WORKER_MEDIA_MP3_FRAME_H

#include "worker/media/frame_heads.h"

/* False for anything but one whole frame of layer III whose side information a decoder accepts. */
bool mr_mp3_frame_read(const uint8_t *data, int size, struct mr_frame_head *ret);

#endif
