/*
 * Frames that stay as they are: packets with their time stamps corrected. A copy begins with a key frame; what
 * comes before it, or is shown before it, cannot be decoded by anybody. Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_VIDEO_COPY_H
#define MR_WORKER_MEDIA_VIDEO_COPY_H

#include "worker/media/parts.h"

struct mr_video_copy {
    int64_t packets;
    int64_t left_out;  /* packets that need a key frame that is not there */
    int64_t first_pts; /* of the first packet; this and the next are valid once there was one */
    int64_t last_dts;
    int64_t end_us;     /* where the last frame ends, on the clip */
    bool sizes_changed; /* in mid-stream */
};

/* A frame that was decoded beside the copy. */
void mr_video_copy_witness(struct mr_video_copy *copy, const struct mr_parts *parts, const AVFrame *frame);
/* Takes the packet's data over. */
MR_MUST_CHECK enum mr_status mr_video_copy_packet(struct mr_video_copy *copy, struct mr_parts *parts,
                                                  AVPacket *packet, struct mr_err *err);
/* What the receipt says of it. */
void mr_video_copy_note(const struct mr_video_copy *copy, struct mr_notes *notes);

#endif
