/*
 * The track of sound: decoder → filters → encoder, or, where the codec stays, packets as they are with the
 * decoder beside them as a witness: a copy that cannot be decoded to its end is no result either.
 *
 * Alone, sound is a row of samples. With a picture its time stamps count: holes are filled with silence, what
 * comes twice is dropped, and cuts fall on the sample. A few frames in memory, whatever the file. Used by one
 * thread.
 */
#ifndef MR_WORKER_MEDIA_AUDIO_H
#define MR_WORKER_MEDIA_AUDIO_H

#include "worker/media/audio_clip.h"
#include "worker/media/decoder.h"
#include "worker/media/filters.h"
#include "worker/media/loudness.h"

struct mr_audio {
    struct mr_parts *parts; /* not owned */
    struct mr_decoder decoder;
    struct mr_filters filters;
    AVFrame *filtered;
    const struct mr_gain *gain; /* for an ordered loudness; not owned */
    struct mr_meter in;         /* of the clip, as decoded */
    struct mr_audio_clip clip;  /* where the filters' frames go; unused by a copy */
    int64_t filtered_count;     /* samples that came out of the filters */

    int rate; /* of the frames decoded last, and how many samples of that rate: */
    int channels;
    int64_t samples;
    int64_t earlier_us; /* what had been decoded at other rates before */

    bool copies;
    bool copy_open;
    bool copied_any;
    int64_t copied_last; /* time stamp of the last packet of a copy, */
    /* and where the next belongs if it does not say so; both valid once there was one */
    int64_t copied_until;
};

/* gain is borrowed. */
MR_MUST_CHECK enum mr_status mr_audio_init(struct mr_audio *audio, struct mr_parts *parts,
                                           const struct mr_gain *gain, struct mr_err *err);
void mr_audio_free(struct mr_audio *audio);

MR_MUST_CHECK enum mr_status mr_audio_packet(struct mr_audio *audio, AVPacket *packet, struct mr_err *err);
/* The picture has gone on without a word from the sound: makes the output's track from what the container
 * says of it, or gives it up, so that nobody waits. */
MR_MUST_CHECK enum mr_status mr_audio_begin_late(struct mr_audio *audio, struct mr_err *err);
/* Silence up to a moment of the clip, where the file has none to offer. */
MR_MUST_CHECK enum mr_status mr_audio_pad(struct mr_audio *audio, int64_t until_us, struct mr_err *err);
/* Goes on into the part that the picture has entered. */
MR_MUST_CHECK enum mr_status mr_audio_advance(struct mr_audio *audio, struct mr_err *err);
/* No more packets: drains decoder and filters. */
MR_MUST_CHECK enum mr_status mr_audio_drain(struct mr_audio *audio, struct mr_err *err);
/* The last part ends at end_us of the clip; INT64_MAX: where the sound does. */
MR_MUST_CHECK enum mr_status mr_audio_finish(struct mr_audio *audio, int64_t end_us, struct mr_err *err);

/* How loud the sound is that was written. */
const struct mr_meter *mr_audio_meter_out(const struct mr_audio *audio);

/* True as long as there was nothing to copy or to encode. */
bool mr_audio_is_empty(const struct mr_audio *audio);
/* How much was decoded, and how far the track is on the clip, in microseconds. */
int64_t mr_audio_decoded_us(const struct mr_audio *audio);
int64_t mr_audio_position_us(const struct mr_audio *audio);

#endif
