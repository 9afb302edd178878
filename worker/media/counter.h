/*
 * Counts the samples of a stream that is copied by what its packets tell (frame_heads.h), as a decoder would give them:
 * without those that are to be skipped. The first packets are decoded as well, and the counter learns from them what
 * packets do not tell; where decoder and counter disagree, it gives up, and decoding goes on. Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_COUNTER_H
#define MR_WORKER_MEDIA_COUNTER_H

#include "worker/media/frame_heads.h"

#include <libavcodec/vorbis_parser.h>

struct mr_counter {
    bool is_on;             /* else the rest is not valid, and all is decoded */
    bool is_learned;        /* packets need not be decoded any longer */
    const AVStream *stream; /* not owned */
    AVVorbisParseContext *vorbis;
    int packets;                 /* decoded to learn from, */
    int heard;                   /* of which these gave samples */
    int samples, rate, channels; /* of a packet, as the decoder had them */
    int64_t skip;                /* samples that are still to be left out */
    bool is_bare;                /* frames follow each other in the file: what is between two is damage */
    int64_t end;                 /* of the last packet in such a file, if nothing was between two */
    AVPacket *last;              /* of a codec without checksums; NULL: none; owned */
};

/* On for a codec whose packets can be read. is_bare: the file is nothing but frames. */
void mr_counter_init(struct mr_counter *counter, const AVStream *stream, bool is_bare);
void mr_counter_free(struct mr_counter *counter);

/* Reads a packet that was decoded, too, to so many samples of this form; is_sound: without a fault. Switches the counter off
 * if it would have counted otherwise. */
void mr_counter_learn(struct mr_counter *counter, const AVPacket *packet, const AVCodecContext *decoder,
                      int64_t samples, bool is_sound);

/* Once it has learned: fills in the length, form and time of the frame that a decoder would give for the packet, which has
 * no data; without samples: it would give none. False if the packet looks damaged: only a decoder can tell. */
bool mr_counter_read(struct mr_counter *counter, const AVPacket *packet, AVFrame *frame);

/* There are no more packets, and the file ends here: false if bytes between them were left out. */
bool mr_counter_fills(const struct mr_counter *counter, int64_t file_size);

#endif
