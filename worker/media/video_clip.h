/*
 * The clip's video, as it comes out of the filters: frames go into the parts, an encoder for each, with the logo
 * before and after. A time is shown by the last frame before it, at the beginning of a part as well. Used by one
 * thread.
 */
#ifndef MR_WORKER_MEDIA_VIDEO_CLIP_H
#define MR_WORKER_MEDIA_VIDEO_CLIP_H

#include "worker/media/geometry.h"
#include "worker/media/parts.h"
#include "worker/media/stills.h"
#include "worker/media/video_encoder.h"

struct mr_video_clip {
    struct mr_parts *parts;   /* not owned; nor are the next two */
    const AVFrame *logo;      /* as decoded; NULL: none */
    struct mr_stills *stills; /* are offered the frames of the first part */
    struct mr_video_plan plan;
    AVPacket *held;               /* the last packet, until its length is known; NULL: none */
    int64_t first_pts, first_dts; /* of the part's first packet; AV_NOPTS_VALUE: none was written */
    struct mr_frame_size size;    /* of the frames; set before the first, as is the next */
    double weight;                /* of the encoder: work.h */

    AVCodecContext *encoder; /* of the present part; NULL: none is open */
    AVFrame *fitted_logo;
    AVFrame *last; /* the last frame on the clip, or before the unit's range; NULL: none */
    int64_t part;  /* the present one, from 0 */
    int64_t sent;  /* time stamp of the part's last frame, in the plan's time base; -1: none yet */
    /* of a part that units have made: time stamp of the last frame that was decoded of it; -1: none yet */
    int64_t shown;
    int64_t length;  /* of the part's last frame, known when the part ends; 0: not yet */
    int64_t end_us;  /* where the last frame ends on the clip */
    int64_t frames;  /* all that were encoded and kept, */
    int64_t dropped; /* and those that came at the time of another */
    bool is_done;    /* no more frames are needed */
    bool leads;      /* of a unit: the present frame is before its range, for its encoder to settle; */
    int64_t kept;    /* the time stamp of the first packet behind such frames; INT64_MAX: none yet */
};

/* All three are borrowed. */
void mr_video_clip_init(struct mr_video_clip *clip, struct mr_parts *parts, const AVFrame *logo,
                        struct mr_stills *stills);
void mr_video_clip_free(struct mr_video_clip *clip);

/* Takes a frame that is shown from `at` on, in the plan's time base, on the clip. Codes: unsupported_codec,
 * too_many_parts, resource_limit, internal; of the next two as well. */
MR_MUST_CHECK enum mr_status mr_video_clip_put(struct mr_video_clip *clip, const AVFrame *frame, int64_t at,
                                               struct mr_err *err);
/* Keeps a frame as the last one: of a unit, one that comes before its range. */
MR_MUST_CHECK enum mr_status mr_video_clip_keep(struct mr_video_clip *clip, const AVFrame *frame,
                                                struct mr_err *err);
/* Once a frame was put, and the video was encoded by units: writes their packets up to a time of the clip. The last ones
 * wait for the end. */
MR_MUST_CHECK enum mr_status mr_video_clip_join(struct mr_video_clip *clip, int64_t until_us,
                                                struct mr_err *err);
/* Shows the last frame up to a time of the clip, where the stream has no other. */
MR_MUST_CHECK enum mr_status mr_video_clip_pad(struct mr_video_clip *clip, int64_t until_us,
                                               struct mr_err *err);
/* Ends the last part where the last frame ends. */
MR_MUST_CHECK enum mr_status mr_video_clip_finish(struct mr_video_clip *clip, struct mr_err *err);

/* The usual length of a frame, in microseconds. Needs the plan. */
int64_t mr_video_clip_usual_us(const struct mr_video_clip *clip);

/* True if a frame at this time of the clip, to a tick of the encoder's clock, is not on it any more. Needs the plan. */
bool mr_video_clip_is_behind(const struct mr_video_clip *clip, int64_t at_us);

/* True if a clip of length_us ends at this time, or before it. */
bool mr_video_clip_ends_by(int64_t length_us, int64_t at_us);

#endif
