/*
 * Audio that stays as it is: packets with time stamps that rise. What a container of milliseconds rounds is counted in
 * samples. What cannot be copied to the sample is refused; the conversion then begins again, and encodes. Used by one
 * thread.
 */
#ifndef MR_WORKER_MEDIA_AUDIO_COPY_H
#define MR_WORKER_MEDIA_AUDIO_COPY_H

#include "worker/media/parts.h"

struct mr_audio_copy {
    struct mr_parts *parts; /* not owned; nor is the next */
    const AVStream *source; /* of the input */
    enum mr_slot slot;      /* of the output */
    bool is_open;           /* the output knows the stream */
    bool has_packets;
    bool counts;     /* samples: each packet begins where what was decoded before it ends */
    AVRational base; /* of the time stamps below and of the packets written; once is_open */
    int64_t stated;  /* the input's time stamp of the last packet; this and the next two once has_packets */
    int64_t last;    /* the output's */
    int64_t until;   /* where the next packet belongs if it has no time stamp */
};

/* Fails, and notes in parts->encode_audio that this track must be encoded. Code: copy_impossible. */
enum mr_status mr_audio_copy_refuse(const struct mr_audio_copy *copy, const char *why, struct mr_err *err);

/* Opens the stream in the output, if it is not open. */
MR_MUST_CHECK enum mr_status mr_audio_copy_open(struct mr_audio_copy *copy, struct mr_err *err);
/* Takes over the packet's data. before, after: how many samples of `rate` were decoded until the packet, and with it.
 * Code: copy_impossible, and those of mr_muxer_write. */
MR_MUST_CHECK enum mr_status mr_audio_copy_packet(struct mr_audio_copy *copy, AVPacket *packet,
                                                  int64_t before, int64_t after, int rate,
                                                  struct mr_err *err);
/* There are no more packets; `samples` are in those that were copied, and the stream was decoded to decoded_us. */
MR_MUST_CHECK enum mr_status mr_audio_copy_finish(struct mr_audio_copy *copy, int64_t samples,
                                                  int64_t decoded_us, struct mr_err *err);

#endif
