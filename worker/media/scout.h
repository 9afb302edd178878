/*
 * Looks for audio that begins late. Some containers (MPEG) say nothing of a stream but that it exists, or not even
 * that, before its first packet, and libav looks for it only at the beginning of the file. A scout reads on, skipping
 * all else, until it has met what is missing: the demuxer is then opened again with a window that reaches so far. Costs
 * a pass over the beginning of such a file, and nothing for any other. Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_SCOUT_H
#define MR_WORKER_MEDIA_SCOUT_H

#include "worker/media/container.h"

struct mr_scouted {
    bool is_met;    /* all that was missing was met within the window that follows */
    bool is_at_end; /* the file was read to its end: what was not met is not there */
    struct mr_window window;
};

/* True if there is audio of which the container has said too little, or an MPEG program stream without any. */
bool mr_scout_is_needed(const AVFormatContext *format);

/* Code: resource_limit, internal. */
MR_MUST_CHECK enum mr_status mr_scout(const struct mr_demuxer *input, const char *name,
                                      struct mr_scouted *ret, struct mr_err *err);

#endif
