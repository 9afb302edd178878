/*
 * Files that were joined: a chain of Ogg, or FLAC files one behind the other. Each link has a header of its own, which comes
 * as a packet, behind one, or with the stream. libav's decoders keep the first: they refuse longer blocks and other bits, or
 * decode for other channels. So each link gets a decoder of its own. Pure functions, any thread.
 */
#ifndef MR_WORKER_MEDIA_CHAIN_H
#define MR_WORKER_MEDIA_CHAIN_H

#include "worker/media/av.h"

struct mr_link {
    int at;                /* where in the packet the link begins */
    int audio;             /* and where its first frame does; the packet's size: in a later one */
    const uint8_t *header; /* for its decoder; within the packet or the stream */
    int header_len;
};

/* True if another link than the decoder's begins with, or within, this packet of the stream. */
bool mr_chain_begins(const AVCodecContext *decoder, const AVStream *stream, const AVPacket *packet,
                     struct mr_link *ret);

/* True for a packet of FLAC in a container that is part of a link's header: not all are the decoder's. */
bool mr_chain_is_header(const AVCodecContext *decoder, const AVPacket *packet);

/* A decoder for the link, which the caller frees. Codes: invalid_media, resource_limit. */
MR_MUST_CHECK enum mr_status mr_chain_open(const AVCodecContext *like, const struct mr_link *link,
                                           AVCodecContext **ret, struct mr_err *err);

#endif
