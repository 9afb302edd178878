/*
 * The intermediate object of a unit (docs/decisions/0010-units.md): the packets of one encoder with their time stamps, as the
 * join reads them back. Both ends are children of one release; what is read is checked as any other input, since another
 * child, which decoded hostile bytes, has written it.
 *
 *   struct mr_packets_head, then the encoder's header (extradata)
 *   struct mr_packets_packet, then its bytes, for each packet in the order of decoding
 *   struct mr_packets_packet with size -1; its pts is the number of packets
 *
 * Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_PACKETS_H
#define MR_WORKER_MEDIA_PACKETS_H

#include "worker/media/source.h"

#include <stdint.h>

/* Writes the packets of a unit, as output 0: one stream, or several, one behind the other. */
struct mr_packets_writer {
    const struct mr_sandbox_fds *fds;
    int64_t offset; /* of the output, */
    int64_t begin;  /* and where the present stream begins */
    uint8_t *buffer;
    size_t buffered;
    int64_t count;
    int64_t last_pts; /* the latest; INT64_MIN: none */
};
/* Begins a stream. The encoder is of video or of audio. */
MR_MUST_CHECK enum mr_status mr_packets_begin(struct mr_packets_writer *writer,
                                              const struct mr_sandbox_fds *fds, const AVCodecContext *encoder,
                                              struct mr_err *err);
MR_MUST_CHECK enum mr_status mr_packets_write(struct mr_packets_writer *writer, const AVPacket *packet,
                                              struct mr_err *err);
/* Ends it. */
MR_MUST_CHECK enum mr_status mr_packets_end(struct mr_packets_writer *writer, struct mr_err *err);
void mr_packets_writer_free(struct mr_packets_writer *writer);
MR_DEFINE_VALUE_CLEANUP(mr_packets_writer, mr_packets_writer_free)

/* What a join is told of an intermediate object. */
struct mr_packets_part {
    int64_t size; /* bytes */
    int64_t count;
    int64_t last_pts;
    int64_t samples; /* of audio: where the encoder's input ended, counted from the beginning of the output */
    int64_t output;  /* which part of a split clip it belongs to, from 0 */
    /* of video: packets of frames that the input has not: logos, and a part's repeated first frame */
    int64_t added;
};

/* Reads those of several units, one behind the other in the source MR_SOURCE_UNITS. */
struct mr_packets_reader {
    const struct mr_sandbox_fds *fds; /* set by the caller, as the next three; not owned */
    const struct mr_packets_part *parts;
    size_t part_count;
    int64_t base; /* where the first part begins; then, where the next one does */

    const AVCodecContext *encoder; /* one with the same settings, whose header all parts must have */
    int64_t frame; /* of video at a constant rate: how long a frame is; 0: frames may be of any length */
    size_t part;   /* the next to open */
    size_t end;    /* the first that is of a later output */
    bool is_open;
    struct mr_source source; /* of the part before, if it is open */
    int64_t left;            /* packets of the open part */
    int64_t floor;           /* the latest time stamp of the parts before */
    AVPacket *last;          /* of Vorbis: the last packet of the part before, */
    bool is_found;           /* which was found in the open part */
    int64_t last_dts;
    int64_t taken;    /* of the output's parts, */
    int64_t count;    /* of all of them, */
    int64_t last_pts; /* and the latest of them */
    AVPacket *next;   /* read ahead; NULL: not yet, or the end */
};
/* Goes on with the parts of the next output, which follow those of the one before. The encoder is borrowed until then. frame: as
 * the field. Of Vorbis each part but the first begins with packets of the part before, and goes on behind the one that is the
 * last of that, bit for bit. Code: unit_impossible, if there are none, or packets of the one before are left. */
MR_MUST_CHECK enum mr_status mr_packets_reader_begin(struct mr_packets_reader *reader,
                                                     const AVCodecContext *encoder, int64_t output,
                                                     int64_t frame, struct mr_err *err);
/* Whether units have made a part of this output, which was not begun. */
bool mr_packets_reader_has(const struct mr_packets_reader *reader, int64_t output);
/* Packets of frames that the input has, in all parts of all outputs. */
int64_t mr_packets_reader_frames(const struct mr_packets_reader *reader);
void mr_packets_reader_free(struct mr_packets_reader *reader);
MR_DEFINE_VALUE_CLEANUP(mr_packets_reader, mr_packets_reader_free)

/* The next packet, which stays the reader's; *ret NULL: there are no more. Code: unit_impossible, if the units do not fit
 * together. */
MR_MUST_CHECK enum mr_status mr_packets_peek(struct mr_packets_reader *reader, const AVPacket **ret,
                                             struct mr_err *err);
/* Hands the peeked packet over; the caller frees it. */
AVPacket *mr_packets_take(struct mr_packets_reader *reader);

#endif
