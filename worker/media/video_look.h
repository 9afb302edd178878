/*
 * What a packet of video shows without being decoded: whether it is built as its codec demands, and whether it brings
 * parameters that the packets before had not, such as another size. Reads hostile bytes. Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_VIDEO_LOOK_H
#define MR_WORKER_MEDIA_VIDEO_LOOK_H

#include "worker/media/av.h"

enum { MR_LOOK_BYTES = 256 };

/* The parameters that came last. Zero-initialise. */
struct mr_video_look {
    uint8_t parameters[MR_LOOK_BYTES];
    int size;
};

enum mr_sight {
    MR_SIGHT_SOUND,
    MR_SIGHT_NEW,    /* only a decoder can tell what the new parameters mean */
    MR_SIGHT_DAMAGED /* or a form that is not known here: only a decoder can tell */
};

/* True of H.264, HEVC, VP8 and VP9. */
bool mr_video_look_is_known(enum AVCodecID codec);
enum mr_sight mr_video_look(struct mr_video_look *look, const AVCodecParameters *params,
                            const AVPacket *packet);

#endif
