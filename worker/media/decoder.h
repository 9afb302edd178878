/*
 * A decoder that counts damage: packets in, frames out. A damaged packet is no error; too many of them are. Samples
 * that are no numbers are repaired. Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_DECODER_H
#define MR_WORKER_MEDIA_DECODER_H

#include "worker/media/av.h"
#include "worker/media/notes.h"

struct mr_decoder {
    AVCodecContext *context; /* the input's, not owned, or the next */
    AVCodecContext *of_link; /* of the present link of a chain (chain.h); NULL: the first; owned */
    const AVStream *stream;  /* that may be a chain; NULL: it is none; not owned */
    int64_t links;           /* that followed the first */
    AVFrame *frame;
    bool is_bare;    /* its stream has no container: what is behind the last frame comes as a packet */
    int64_t packets; /* without the next but one */
    int64_t bad_packets;
    int64_t flawed_packets; /* damaged as well, but the decoder made something of them */
    int64_t tail_packets;   /* the last ones, if they are no frames: damage only if a frame follows */
    int64_t bad_samples;    /* repaired: samples.h */
    bool last_is_bad;
    int64_t last_position; /* of the last packet in the file; -1: not known */
    struct {
        int smallest, largest; /* of all packets but the last; valid once there were two */
        int last;
    } packet_size;
};

/* Takes a frame. It is unreferenced afterwards. */
typedef enum mr_status mr_frame_fn(void *ctx, AVFrame *frame, struct mr_err *err);

MR_MUST_CHECK enum mr_status mr_decoder_init(struct mr_decoder *decoder, AVCodecContext *context,
                                             struct mr_err *err);
void mr_decoder_free(struct mr_decoder *decoder);

/* packet NULL: drain. Fails only if take fails, without memory, or for a link that cannot be opened. Codes: resource_limit,
 * invalid_media. */
MR_MUST_CHECK enum mr_status mr_decoder_push(struct mr_decoder *decoder, const AVPacket *packet,
                                             mr_frame_fn *take, void *ctx, struct mr_err *err);

/* True if any damage was met. */
bool mr_decoder_is_damaged(const struct mr_decoder *decoder);
/* Counts a packet that nobody has decoded, and that looks whole. */
void mr_decoder_count_unseen(struct mr_decoder *decoder, const AVPacket *packet);
/* Counts a last packet that the demuxer could not read whole. */
void mr_decoder_count_cut(struct mr_decoder *decoder);
/* Fails if too many packets are damaged, with the code invalid_media; warns of a few, and of bad samples. */
MR_MUST_CHECK enum mr_status mr_decoder_check_damage(const struct mr_decoder *decoder, struct mr_notes *notes,
                                                     struct mr_err *err);
/* True if the last packet was damaged or, at a constant bit rate, short. */
bool mr_decoder_ends_badly(const struct mr_decoder *decoder);

#endif
