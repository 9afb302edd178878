/*
 * Audio that units encode (docs/decisions/0010-units.md). A unit decodes the clip from its beginning, as one run would, and gives
 * its encoder what lies in its slice, with some seconds before it, so that the encoder is as far as that of one run, and some
 * frames behind it, which the encoder looks at; of the packets it keeps those of its slice. Slices begin where a frame of
 * the encoder begins. Frames of Vorbis are of two lengths, and where they begin depends on the audio before: a slice also
 * keeps some packets from before it, and goes on behind the one that is, bit for bit, the last of the slice before. Of a
 * split clip a unit makes some of the parts, each as one run makes it. The join decodes and measures all of the audio once
 * more, and takes the packets from the units instead of from an encoder. Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_AUDIO_UNIT_H
#define MR_WORKER_MEDIA_AUDIO_UNIT_H

#include "worker/media/encoder.h"
#include "worker/media/packets.h"

/* The encoders whose audio may be units of its own. */
struct mr_audio_cost {
    const char *encoder;
    double speed; /* seconds of stereo at 44.1 kHz that a core encodes in a second, roughly */
    int lead_s; /* how long it takes until an encoder that began later makes the packets of one that began before */
    int head; /* samples: a slice keeps packets from so long before it, among which the join finds the last one of
               * the slice before. 0: frames are equally long, so slices meet where they are cut */
};
/* NULL: none of them. */
const struct mr_audio_cost *mr_audio_cost_of(const char *encoder);

/* What a unit makes of the encoder's packets. */
struct mr_audio_slice {
    int64_t from_us, to_us; /* of the clip; 0 and INT64_MAX: all of it */
    struct mr_packets_writer *writer;
    bool is_measured; /* what a decoder makes of its packets is measured, for the option loudness */
    int64_t first_part, end_part; /* of a split clip: the parts that it makes; 0 and INT64_MAX: all */
    /* of a split clip: takes [bytes, packets, last_pts, samples, output, added] of each part; borrowed */
    json_t *streams;

    const AVCodecContext *encoder;
    /* the packets of frames that begin from here to there, in samples of the clip; once begun */
    int64_t first, end;
    int64_t begin; /* the first sample that the encoder gets */
    int64_t head;  /* packets of so many samples before the slice are kept, too */
    int64_t tail;  /* so many samples behind the slice are encoded, too */
    bool is_over;  /* it has all packets */
};
bool mr_audio_slice_is_part(const struct mr_audio_slice *slice);
/* Of a clip that is split: the range is one of whole parts. */
void mr_audio_slice_split(struct mr_audio_slice *slice, int64_t split_us, json_t *streams);
/* Whether a part of a split clip is another unit's. */
bool mr_audio_slice_leaves_out(const struct mr_audio_slice *slice, int64_t part);
/* The encoder is open, and borrowed. */
MR_MUST_CHECK enum mr_status mr_audio_slice_begin(struct mr_audio_slice *slice,
                                                  const struct mr_sandbox_fds *fds,
                                                  const AVCodecContext *encoder, struct mr_err *err);
/* The encoder is drained, after so many samples: of the whole clip, or of a part. */
MR_MUST_CHECK enum mr_status mr_audio_slice_end(struct mr_audio_slice *slice, int64_t part, int64_t samples,
                                                struct mr_err *err);
/* Keeps a packet of the encoder, if it is of the slice. */
MR_MUST_CHECK enum mr_status mr_audio_slice_take(struct mr_audio_slice *slice, const AVPacket *packet,
                                                 struct mr_err *err);

/* The next packet of units, if one run would have it once its encoder got `encoded` samples; INT64_MAX: all. *ret NULL: none.
 * The caller owns *ret. Code: unit_impossible. */
MR_MUST_CHECK enum mr_status mr_audio_joined_take(struct mr_packets_reader *joined, int64_t encoded,
                                                  AVPacket **ret, struct mr_err *err);
/* All of the output's were taken; the encoder would have got so many samples. Code: unit_impossible. */
MR_MUST_CHECK enum mr_status mr_audio_joined_end(struct mr_packets_reader *joined, int64_t encoded,
                                                 struct mr_err *err);

#endif
