/*
 * Files that were joined (cat a.mp4 b.mp4) where the container does not provide for it. A demuxer ends with the first of them,
 * or reads on and takes the second for a part of the first. Joined Matroska files of the same streams are read on: their clock
 * is corrected (discontinuity.h). So are AVI, MPEG streams and frames without a container (joints.h).
 */
#ifndef MR_WORKER_MEDIA_JOINED_H
#define MR_WORKER_MEDIA_JOINED_H

#include "worker/media/source.h"

/* Where the second file begins, if it cannot be a part of the result; 0: there is none. MP4, QuickTime, Matroska, ASF, FLV,
 * WAV, W64, AIFF, CAF, AU and TTA. Before the file is opened. Code: internal. */
MR_MUST_CHECK enum mr_status mr_joined_at(struct mr_source *source, int64_t *ret_at, struct mr_err *err);

/* The same of FLV and WavPack, where no header may tell it: behind the last packet that was read. */
int64_t mr_joined_behind(struct mr_source *source, int64_t last_packet);

/* A live recording in Matroska states no sizes: from now on looks at all that is read, and ends the file where another one
 * begins that has other streams (source->joined_bytes). */
void mr_joined_watch(struct mr_source *source);

#endif
