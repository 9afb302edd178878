/*
 * What a packet of audio tells of itself without being decoded: how long it is, and whether it is a whole frame of its
 * codec, by the sizes it states, the fields that have few legal values, and its checksum where the codec has one. Reads
 * hostile bytes. Pure functions, any thread.
 */
#ifndef MR_WORKER_MEDIA_FRAME_HEADS_H
#define MR_WORKER_MEDIA_FRAME_HEADS_H

#include "worker/media/av.h"

struct mr_frame_head {
    int samples;        /* of each channel; 0: not stated, all packets of the stream are equally long */
    int rate, channels; /* Hz; 0: not stated */
};

/* True if hundreds of bytes in a row are the same one, as where a sector was wiped: no codec makes such data. */
bool mr_frame_is_overwritten(const uint8_t *data, int size);

/* True if the codec's checksum tells that the packet, which was decoded, is damaged. Decoders do not look at it. */
bool mr_frame_has_wrong_sum(enum AVCodecID codec, const AVPacket *packet);

/* True of codecs whose packets can be read. Not of Vorbis, whose packets depend on the ones before (counter.h). */
bool mr_frame_head_is_known(enum AVCodecID codec);

/* False for a packet that is no frame of the stream, or a damaged one. */
bool mr_frame_head_read(const AVCodecParameters *params, const AVPacket *packet, struct mr_frame_head *ret);

#endif
