/*
 * A track of subtitles. Text is decoded, and written in the target's format; pictures are copied. Texts are placed on the
 * clip: one that is shown across the beginning of a part is in both, and those that belong to later parts wait, within a
 * cap. A part waits for its texts until the video is a little beyond it. Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_SUBTITLES_H
#define MR_WORKER_MEDIA_SUBTITLES_H

#include "worker/media/track.h"

/* A text, or a picture, in the target's format. Times on the clip. */
struct mr_text {
    int64_t from_us, until_us;
    uint8_t *data; /* owned */
    int size;
};

struct mr_subtitles {
    struct mr_track track;   /* the first member: ops get its address */
    AVCodecContext *decoder; /* not owned; NULL: pictures, which are copied as if they were texts */
    AVCodecContext *encoder; /* NULL: they are not carried over */
    uint8_t *buffer;
    int64_t part;         /* the present one, from 0; open in its output */
    int64_t last_ms;      /* where the part's last text begins */
    struct mr_text *wait; /* for later parts, in the order of the file */
    size_t waiting, capacity;
    int64_t waiting_bytes;
    int64_t left_out; /* for which there was no room */
};

/* Opens the track of input->texts[index] in the first output. mr_track_free(&subtitles->track) frees it, after a
 * failure too. Codes: resource_limit, internal. */
MR_MUST_CHECK enum mr_status mr_subtitles_init(struct mr_subtitles *subtitles, struct mr_parts *parts,
                                               size_t index, struct mr_err *err);

#endif
