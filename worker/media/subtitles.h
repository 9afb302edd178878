/*
 * The track of text subtitles: decoded, and written in the target's format. It waits for no other track, and none
 * waits for it. Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_SUBTITLES_H
#define MR_WORKER_MEDIA_SUBTITLES_H

#include "worker/media/track.h"

struct mr_subtitles {
    struct mr_track track;   /* the first member: ops get its address */
    AVCodecContext *encoder; /* NULL: they are not carried over */
    uint8_t *buffer;
};

/* Opens the track in the first output, if the target holds text subtitles and the options do not cut the clip.
 * Else the track takes packets and drops them. mr_track_free(&subtitles->track) frees it, after a failure too.
 * Codes: resource_limit, internal. */
MR_MUST_CHECK enum mr_status mr_subtitles_init(struct mr_subtitles *subtitles, struct mr_parts *parts,
                                               struct mr_err *err);

#endif
