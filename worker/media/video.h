/*
 * The track of pictures: decoder → filters → encoder, or packets as they are.
 *
 * Time stamps are kept: what comes irregularly leaves so, but where the container counts frames or the task
 * asks for a rate. A moment is shown by the last frame before it, at the beginning of a clip or a part as
 * well. Of a copy only the key frames are decoded, as witnesses: all of them would cost what copying saves;
 * whether packets are missing is told by the container's own lengths. A few frames in memory, whatever the
 * file. Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_VIDEO_H
#define MR_WORKER_MEDIA_VIDEO_H

#include "worker/media/decoder.h"
#include "worker/media/filters.h"
#include "worker/media/geometry.h"
#include "worker/media/parts.h"
#include "worker/media/video_copy.h"
#include "worker/media/video_encoder.h"

struct mr_video {
    struct mr_parts *parts; /* not owned; nor is the next */
    const AVFrame *logo;    /* as decoded; NULL: none */
    struct mr_decoder decoder;
    struct mr_filters filters;
    AVFrame *filtered;
    bool copies;
    bool is_done; /* no more packets are needed */

    bool is_planned;
    struct mr_video_plan plan;
    struct mr_geometry geometry; /* of the first frame */
    bool deinterlaces;           /* the filters do, since a frame of two fields was met */
    bool sizes_changed;          /* in mid-stream */
    AVFrame *before;             /* the last one decoded before the clip begins; NULL: none */
    AVFrame *last;               /* the last one on the clip, filtered; NULL: none */
    AVFrame *fitted_logo;
    int64_t next_us; /* where a frame without a time stamp belongs, on the clip */
    int64_t last_us; /* of the last frame that went into the filters */
    int64_t end_us;  /* where the last frame ends */

    AVCodecContext *encoder; /* of the present part */
    int64_t part;
    int64_t sent; /* time stamp of the part's last frame, in the plan's time base; -1: none yet */
    int64_t frames;
    int64_t late;       /* frames that came at the time of another and were dropped */
    int64_t length;     /* the last frame's length, known when the part ends; 0: not yet */
    AVFrame *thumbnail; /* the frame that the option asks for, as far as it is known */

    struct mr_video_copy copy; /* if it copies */
};

MR_MUST_CHECK enum mr_status mr_video_init(struct mr_video *video, struct mr_parts *parts,
                                           const AVFrame *logo, struct mr_err *err);
void mr_video_free(struct mr_video *video);

MR_MUST_CHECK enum mr_status mr_video_packet(struct mr_video *video, AVPacket *packet, struct mr_err *err);
/* The last frame goes on, up to a moment of the clip, where the file has no other to offer. */
MR_MUST_CHECK enum mr_status mr_video_pad(struct mr_video *video, int64_t until_us, struct mr_err *err);
/* No more packets: drains decoder and filters. */
MR_MUST_CHECK enum mr_status mr_video_drain(struct mr_video *video, struct mr_err *err);
MR_MUST_CHECK enum mr_status mr_video_finish(struct mr_video *video, struct mr_err *err);

/* After the last part is written: the thumbnail, if one is asked for. */
MR_MUST_CHECK enum mr_status mr_video_write_thumbnail(struct mr_video *video, struct mr_err *err);

/* How far the track is on the clip. */
int64_t mr_video_position_us(const struct mr_video *video);

#endif
