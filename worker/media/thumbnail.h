/*
 * The thumbnail: a frame of the video as a JPEG file, the first output after the parts. Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_THUMBNAIL_H
#define MR_WORKER_MEDIA_THUMBNAIL_H

#include "worker/media/geometry.h"
#include "worker/media/parts.h"

struct mr_thumbnail {
    int64_t at_us;       /* the time of the first part that it shows; -1: none is asked for */
    int width;           /* in pixels; 0: as wide as the frame is shown */
    unsigned background; /* under what is transparent, RGB */
    AVFrame *frame;      /* the last frame up to that time so far, or the first one after it; owned */
    bool is_found;       /* no later frame is needed */
    const char *turn;    /* filters of the frame's rotation, each followed by a comma, or ""; not owned */
};

/* Of a picture of the frame. width 0: as wide as the frame is shown; its pixels are square. */
struct mr_frame_size mr_thumbnail_size(const AVFrame *frame, const char *turn, int width);

void mr_thumbnail_free(struct mr_thumbnail *thumbnail);

/* Keeps a reference to the frame, shown at at_us of the first part, if it is the one asked for. turn: a
 * constant, as above. */
MR_MUST_CHECK enum mr_status mr_thumbnail_offer(struct mr_thumbnail *thumbnail, const AVFrame *frame,
                                                const char *turn, int64_t at_us, struct mr_err *err);

/* Writes the thumbnail, if there is one, as the output after the parts, and adds it to their descriptions. After
 * all parts are finished. Code: internal. */
MR_MUST_CHECK enum mr_status mr_thumbnail_write(const struct mr_thumbnail *thumbnail, struct mr_parts *parts,
                                                struct mr_err *err);

#endif
