/*
 * The track of subtitles, those that are text: decoded and written in the form that the target holds them in.
 * It waits for nobody, and nobody waits for it. Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_SUBTITLES_H
#define MR_WORKER_MEDIA_SUBTITLES_H

#include "worker/media/parts.h"

struct mr_subtitles {
    struct mr_parts *parts;  /* not owned */
    AVCodecContext *encoder; /* NULL: they are not carried over */
    uint8_t *buffer;
    int64_t written;
};

/* Opens the track in the first output, if input and target have subtitles and the options leave the clip
 * whole. What cannot be carried over is noted in the receipt, not an error. */
MR_MUST_CHECK enum mr_status mr_subtitles_init(struct mr_subtitles *subtitles, struct mr_parts *parts,
                                               struct mr_err *err);
void mr_subtitles_free(struct mr_subtitles *subtitles);
MR_MUST_CHECK enum mr_status mr_subtitles_packet(struct mr_subtitles *subtitles, const AVPacket *packet,
                                                 struct mr_err *err);

#endif
