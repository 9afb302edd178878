/*
 * A stream's decoder as a witness: packets in, frames out, and what was wrong with the packets is counted. A
 * damaged packet is no error; too many of them are. Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_DECODER_H
#define MR_WORKER_MEDIA_DECODER_H

#include "worker/media/av.h"
#include "worker/media/notes.h"

struct mr_decoder {
    AVCodecContext *context; /* the input's, not owned */
    AVFrame *frame;
    int64_t packets;
    int64_t bad_packets;
    bool last_is_bad;
    struct {
        int smallest, largest; /* of all packets but the last; valid once there were two */
        int last;
    } packet_size;
};

/* Takes a frame; what is left of it is dropped. */
typedef enum mr_status mr_frame_fn(void *ctx, AVFrame *frame, struct mr_err *err);

MR_MUST_CHECK enum mr_status mr_decoder_init(struct mr_decoder *decoder, AVCodecContext *context,
                                             struct mr_err *err);
void mr_decoder_free(struct mr_decoder *decoder);

/* packet NULL: drain. Fails only where take fails, or for want of memory. */
MR_MUST_CHECK enum mr_status mr_decoder_push(struct mr_decoder *decoder, const AVPacket *packet,
                                             mr_frame_fn *take, void *ctx, struct mr_err *err);

/* The demuxer could not read its last packet whole. */
void mr_decoder_count_cut(struct mr_decoder *decoder);
/* "invalid_media" if too much is damaged; a warning if a little is. */
MR_MUST_CHECK enum mr_status mr_decoder_check_damage(const struct mr_decoder *decoder, struct mr_notes *notes,
                                                     struct mr_err *err);
/* True if the last packet was damaged or, at a constant bit rate, short. */
bool mr_decoder_ends_badly(const struct mr_decoder *decoder);

#endif
