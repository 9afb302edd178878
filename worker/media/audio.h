/*
 * The audio track: decoder → filters → encoder, or, where the codec stays, packets as they are. Packets that tell
 * enough of themselves are counted (counter.h), not decoded, unless the option verify asks for it; a packet that looks
 * damaged ends the run, and in the next one all are decoded. Copies of other codecs are always decoded.
 *
 * Without video, audio is a row of samples. With video its time stamps count: holes are filled with silence, what
 * comes twice is dropped, and cuts are exact to the sample. Holds a few frames in memory, whatever the length of
 * the file. Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_AUDIO_H
#define MR_WORKER_MEDIA_AUDIO_H

#include "worker/media/audio_clip.h"
#include "worker/media/audio_copy.h"
#include "worker/media/counter.h"
#include "worker/media/filters.h"
#include "worker/media/gaps.h"
#include "worker/media/loudness.h"
#include "worker/media/track.h"

struct mr_audio {
    struct mr_track track; /* the first member: ops get its address */
    struct mr_filters filters;
    AVFrame *filtered;
    const struct mr_gain *gain; /* for the option loudness; not owned */
    struct mr_meter in;         /* of the clip, as decoded */
    int64_t filtered_count;     /* samples that came out of the filters */

    int rate; /* Hz, of the frames decoded last, */
    int channels;
    int64_t samples;    /* and how many samples of that rate */
    int64_t earlier_us; /* what was decoded at other rates before */
    bool is_mp3_file;   /* whose packets may hold junk */
    int block;          /* bytes of a sample of each channel of PCM in a file of nothing else; else 0 */
    struct mr_gaps gaps;
    int64_t stated;    /* with video: the last frame's time stamp, as the file has it, */
    int64_t end_us;    /* and where it ends on the clip */
    int64_t filled_us; /* silence for holes in the time stamps */

    bool copies;
    bool has_shown;            /* of a copy: a packet that an edit list does not hide was copied */
    int64_t lead;              /* samples of a copy that the input hides before the first one that is heard */
    struct mr_counter counter; /* of a copy that is not decoded */
    struct mr_audio_copy copy; /* if it copies */
    struct mr_audio_clip clip; /* else: where the filters' frames go */
};

/* The audio of input->audios[index]. sync and gain are borrowed. mr_track_free(&audio->track) frees it, after a
 * failure too. Code: internal. */
MR_MUST_CHECK enum mr_status mr_audio_init(struct mr_audio *audio, struct mr_parts *parts, size_t index,
                                           const struct mr_sync *sync, const struct mr_gain *gain,
                                           struct mr_err *err);

/* False: it was copied, and not decoded. */
bool mr_audio_is_measured(const struct mr_audio *audio);
/* Measures what was written; valid as long as the track. */
const struct mr_meter *mr_audio_meter_out(const struct mr_audio *audio);

#endif
