/*
 * Keeps audio and video in step: the only place that knows how far one track may be behind the other, when one
 * is late, and when it is padded. Video leads. Audio enters a part after the video; where it must end with the
 * video (in parts, between logos) it does not run ahead of it. Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_SYNC_H
#define MR_WORKER_MEDIA_SYNC_H

#include "worker/media/parts.h"

struct mr_track;

struct mr_sync {
    /* knows how far the video was after the last step; not owned; nor are the tracks */
    struct mr_parts *parts;
    struct mr_track *const *tracks; /* by slot; NULL where there is none */
};

/* After each packet: opens what is late, encodes what has waited, pads what lags behind. */
MR_MUST_CHECK enum mr_status mr_sync_step(struct mr_sync *sync, struct mr_err *err);

/* No track needs more of the input. */
bool mr_sync_is_over(const struct mr_sync *sync);

/* Where on the clip the audio ends, in microseconds; INT64_MAX: where its stream ends. After the video is
 * finished. */
int64_t mr_sync_audio_end_us(const struct mr_sync *sync);

/* How far audio may be encoded now, in microseconds of the clip. */
int64_t mr_sync_audio_limit_us(const struct mr_sync *sync);

/* True if audio may leave this part; has_more: there is audio after it. */
bool mr_sync_audio_may_leave(const struct mr_sync *sync, int64_t part, bool has_more);

/* True if more audio waits for the video than can be kept. */
bool mr_sync_audio_is_far_ahead(const struct mr_sync *sync, int64_t waiting_us);

#endif
