/*
 * Audio that stays as it is: packets with time stamps that rise. Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_AUDIO_COPY_H
#define MR_WORKER_MEDIA_AUDIO_COPY_H

#include "worker/media/parts.h"

struct mr_audio_copy {
    struct mr_parts *parts; /* not owned */
    bool is_open;           /* the output knows the stream */
    bool has_packets;
    int64_t last;  /* time stamp of the last packet; this and the next are valid once there was one */
    int64_t until; /* where the next packet belongs if it has no time stamp */
};

/* Opens the stream in the output, if it is not open. */
MR_MUST_CHECK enum mr_status mr_audio_copy_open(struct mr_audio_copy *copy, struct mr_err *err);
/* Takes over the packet's data. */
MR_MUST_CHECK enum mr_status mr_audio_copy_packet(struct mr_audio_copy *copy, AVPacket *packet,
                                                  struct mr_err *err);
/* There are no more packets; the stream was decoded to decoded_us. */
MR_MUST_CHECK enum mr_status mr_audio_copy_finish(struct mr_audio_copy *copy, int64_t decoded_us,
                                                  struct mr_err *err);

#endif
