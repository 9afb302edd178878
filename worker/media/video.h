/*
 * The video track: decoder → filters → encoder, or packets as they are.
 *
 * Time stamps are kept: an irregular frame rate stays irregular, unless the container counts frames or the task
 * asks for a rate. The frame that is shown where the clip begins may have come before it. Of a copy the first key
 * frame is decoded, to see that it can be, and those that bring other parameters; the rest is looked at (video_look.h).
 * A packet that looks damaged ends the run, and in the next one all key frames are decoded, as they are of codecs that
 * cannot be looked at. The option verify has all frames decoded. The container's own lengths show whether packets are
 * missing. Holds a few frames in memory, whatever the length of the file. Used
 * by one thread.
 */
#ifndef MR_WORKER_MEDIA_VIDEO_H
#define MR_WORKER_MEDIA_VIDEO_H

#include "worker/media/filters.h"
#include "worker/media/track.h"
#include "worker/media/video_clip.h"
#include "worker/media/video_copy.h"
#include "worker/media/video_look.h"

struct mr_video {
    struct mr_track track; /* the first member: ops get its address */
    struct mr_filters filters;
    AVFrame *filtered;
    struct mr_stills *stills; /* are offered frames; not owned */

    bool is_planned;
    struct mr_geometry geometry; /* of the first frame; once is_planned */
    bool is_interlaced;          /* the container says so of the stream */
    bool deinterlaces;           /* the filters do, since a frame of two fields was met */
    bool is_transparent;         /* some frame is, in part */
    bool sizes_changed;          /* in mid-stream */
    AVFrame *before;             /* the last frame decoded before the clip begins; NULL: none */
    int64_t last_us;             /* of the last frame that went into the filters, on the clip; -1: none yet */

    int64_t joined_packets; /* of the input, whose frames units have encoded */
    int64_t joined_us;      /* where the first of them is shown */
    bool joins_before;      /* there is one before the clip begins */

    bool copies;
    bool keeps_lead;  /* of a copy: packets before the first shown one, which refers to them */
    bool has_shown;   /* of a copy: a packet that is shown was copied */
    bool looks;       /* of a copy: packets are looked at, and not decoded, once a key frame was decoded */
    bool has_decoded; /* a key frame */
    struct mr_video_look look; /* if it looks */
    struct mr_video_copy copy; /* if it copies */
    struct mr_video_clip clip; /* else: where the filters' frames go */
};

/* logo (NULL: none) and stills are borrowed. mr_track_free(&video->track) frees it, after a failure too. Code:
 * internal. */
MR_MUST_CHECK enum mr_status mr_video_init(struct mr_video *video, struct mr_parts *parts,
                                           const AVFrame *logo, struct mr_stills *stills, struct mr_err *err);

#endif
