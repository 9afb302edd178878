/*
 * Is what was read of the input all that it should hold, and undamaged? A file that is cut often still plays to
 * its new end without an error: what was decoded is compared with what the container declares. Used by one
 * thread.
 */
#ifndef MR_WORKER_MEDIA_COMPLETENESS_H
#define MR_WORKER_MEDIA_COMPLETENESS_H

#include "worker/media/track.h"

/* Decides what the demuxer's last result (rc of av_read_frame) means. The input ends only with AVERROR_EOF from a
 * parent that still answers, or where the file ends within a packet. Codes: invalid_media, resource_limit,
 * internal. */
MR_MUST_CHECK enum mr_status mr_completeness_judge_end(struct mr_track *const tracks[MR_SLOTS],
                                                       struct mr_source *source, int rc, struct mr_err *err);

/* After the tracks are drained: fails for what is empty, damaged or cut, and warns of less than that. is_whole:
 * all of the input was asked for. Codes: invalid_media, truncated, bad_option. */
MR_MUST_CHECK enum mr_status mr_completeness_check(struct mr_track *const tracks[MR_SLOTS],
                                                   const struct mr_parts *parts, bool is_whole,
                                                   struct mr_err *err);

#endif
