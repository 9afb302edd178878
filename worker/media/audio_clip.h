/*
 * The clip's audio, in the form that the encoder takes. Frames are placed on the clip where they belong: holes
 * become silence, what comes twice is dropped. From there they go, cut exactly to the sample, into the parts
 * (audio_part.h). Audio that waits for video is kept in memory, within the limit of sync.h. Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_AUDIO_CLIP_H
#define MR_WORKER_MEDIA_AUDIO_CLIP_H

#include "worker/media/audio_part.h"
#include "worker/media/sync.h"
#include "worker/media/waveform.h"

struct mr_audio_clip {
    const struct mr_sync *sync; /* says how far the audio may go; not owned */
    struct mr_audio_part part;  /* the present one */
    AVAudioFifo *waiting;       /* samples of the clip, from `head` to `next` */
    int64_t head, next;         /* in samples of the encoder's rate since the beginning of the clip */
    int64_t padded;             /* samples of silence behind the last audio; a hole if more audio comes */
    int64_t holes;              /* in the audio, */
    int64_t hole_samples;       /* and how long they are together */
    bool has_audio;             /* more than added silence */
    bool is_done;               /* no more of it is needed */
    bool is_full;               /* too much audio waited for video, and the rest was left out */
    /* hears the clip, or, of a copy, what is decoded beside it; NULL: none; not owned */
    struct mr_waveform *waveform;
};

/* sync is borrowed, as the stream of the input. */
void mr_audio_clip_init(struct mr_audio_clip *clip, struct mr_parts *parts, const struct mr_sync *sync,
                        enum mr_slot slot, const AVStream *source);
void mr_audio_clip_free(struct mr_audio_clip *clip);

/* Opens the first part, with an encoder for frames like this one. The functions below need an open clip. */
MR_MUST_CHECK enum mr_status mr_audio_clip_open(struct mr_audio_clip *clip, const AVFrame *frame,
                                                struct mr_err *err);
bool mr_audio_clip_is_open(const struct mr_audio_clip *clip);

/* Takes a frame in the encoder's form that begins at a sample of the clip. May crop it. */
MR_MUST_CHECK enum mr_status mr_audio_clip_append(struct mr_audio_clip *clip, int64_t at, AVFrame *frame,
                                                  struct mr_err *err);
/* Adds silence up to a time of the clip. */
MR_MUST_CHECK enum mr_status mr_audio_clip_pad(struct mr_audio_clip *clip, int64_t until_us,
                                               struct mr_err *err);
/* Encodes what need not wait for the video any longer. */
MR_MUST_CHECK enum mr_status mr_audio_clip_advance(struct mr_audio_clip *clip, struct mr_err *err);
/* Ends the last part at end_us of the clip; INT64_MAX: where the audio ends. Code: resource_limit, where audio
 * was left out. */
MR_MUST_CHECK enum mr_status mr_audio_clip_finish(struct mr_audio_clip *clip, int64_t end_us,
                                                  struct mr_err *err);

/* How far the audio is on the clip, in microseconds. */
int64_t mr_audio_clip_position_us(const struct mr_audio_clip *clip);

#endif
