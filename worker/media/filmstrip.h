/*
 * The filmstrip: frames of the first part at equal intervals, as one JPEG picture of rows of ten, and a WebVTT file whose cues
 * are the intervals and whose texts are places in the picture, such as "name.jpg#xywh=160,0,160,90". How long the video is shows
 * at its end, so the interval is short at first, and whenever there are too many frames each second one goes. Memory is
 * bounded by the number of frames. Used by one thread.
 *
 * Sources: https://www.w3.org/TR/webvtt1/, https://www.w3.org/TR/media-frags/#naming-space
 */
#ifndef MR_WORKER_MEDIA_FILMSTRIP_H
#define MR_WORKER_MEDIA_FILMSTRIP_H

#include "worker/media/geometry.h"
#include "worker/media/parts.h"

struct mr_filmstrip {
    int frames;          /* at most so many; 0: no filmstrip is asked for */
    int width;           /* of one, in pixels, even; 0: the default */
    unsigned background; /* under what is transparent, RGB */

    struct mr_frame_size size; /* of one; both sides are even */
    int64_t interval_us;
    AVFrame **tiles; /* one for each interval, shown at its beginning; owned */
    int count;
    AVFrame *shown;   /* the last frame that was offered; owned */
    AVFrame *scaled;  /* the same in `size`; NULL: not made yet; owned */
    const char *turn; /* of that frame; not owned */
};

void mr_filmstrip_free(struct mr_filmstrip *strip);

/* The next frame, shown from at_us of the first part on. turn: filters of its rotation, a constant. Code: internal. */
MR_MUST_CHECK enum mr_status mr_filmstrip_offer(struct mr_filmstrip *strip, const AVFrame *frame,
                                                const char *turn, int64_t at_us, struct mr_err *err);

/* Writes the filmstrip, if there is one, as the next two outputs, and adds them to the descriptions. end_us: where the
 * first part ends; name: the input's file name, or NULL. After all parts are finished. Code: internal. */
MR_MUST_CHECK enum mr_status mr_filmstrip_write(struct mr_filmstrip *strip, struct mr_parts *parts,
                                                int64_t end_us, const char *name, struct mr_err *err);

#endif
