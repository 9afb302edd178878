/*
 * The clip's sound, in the form that the encoder wants. Frames are laid onto the clip where they belong:
 * holes become silence, what comes twice is dropped. From there they go, cut at the sample, into the parts:
 * an encoder for each, with silence under the logos. What waits for the picture is kept in memory, for two
 * minutes of sound at most. Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_AUDIO_CLIP_H
#define MR_WORKER_MEDIA_AUDIO_CLIP_H

#include "worker/media/monitor.h"
#include "worker/media/parts.h"

#include <libavutil/audio_fifo.h>

struct mr_audio_clip {
    struct mr_parts *parts;  /* not owned */
    AVFrame *shape;          /* without data: like the first decoded frame */
    AVCodecContext *encoder; /* of the present part; NULL: nothing was opened yet */
    AVAudioFifo *line;       /* samples of the clip, from `head` to `next` */
    AVAudioFifo *block;      /* those that go to the encoder: logos' silence as well */
    int64_t head, next;      /* in samples of the encoder's rate since the clip's beginning */
    int64_t part;
    int64_t encoded; /* of this part, samples given to the encoder, */
    int64_t lead_in; /* of which these are silence before the first */

    bool differs;              /* from what was decoded, by more than how samples are written down */
    struct mr_meter out;       /* of what is written; only where it differs */
    struct mr_monitor monitor; /* of the present part, where the loudness behind a lossy codec counts */

    bool has_sound; /* more than silence of ours */
    bool is_done;   /* no more of it is needed */
    bool is_full;   /* the sound went on without a picture, and was left there */
};

void mr_audio_clip_init(struct mr_audio_clip *clip, struct mr_parts *parts);
void mr_audio_clip_free(struct mr_audio_clip *clip);

/* Opens the first part with an encoder for frames like this one; all else needs an open clip. */
MR_MUST_CHECK enum mr_status mr_audio_clip_open(struct mr_audio_clip *clip, const AVFrame *frame,
                                                struct mr_err *err);
/* A frame in the encoder's form that begins at a sample of the clip; may be cropped. */
MR_MUST_CHECK enum mr_status mr_audio_clip_append(struct mr_audio_clip *clip, int64_t at, AVFrame *frame,
                                                  struct mr_err *err);
/* Silence up to a moment of the clip. */
MR_MUST_CHECK enum mr_status mr_audio_clip_pad(struct mr_audio_clip *clip, int64_t until_us,
                                               struct mr_err *err);
/* Encodes what need not wait for the picture any longer. */
MR_MUST_CHECK enum mr_status mr_audio_clip_advance(struct mr_audio_clip *clip, struct mr_err *err);
/* The last part ends at end_us of the clip; INT64_MAX: where the sound does. */
MR_MUST_CHECK enum mr_status mr_audio_clip_finish(struct mr_audio_clip *clip, int64_t end_us,
                                                  struct mr_err *err);

int64_t mr_audio_clip_position_us(const struct mr_audio_clip *clip);

#endif
