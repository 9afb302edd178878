/*
 * Files of frames that were joined (cat a.mp3 b.mp3): the tags between them, and what stands before the frames of a joined
 * FLAC file, hold pictures, in which a demuxer finds frames that are none. So it reads zeros instead of them, which every
 * demuxer of frames passes over.
 */
#ifndef MR_WORKER_MEDIA_JOINTS_H
#define MR_WORKER_MEDIA_JOINTS_H

#include "worker/media/source.h"

/* Looks for joints from now on, if the file is one of frames without a container: MP3, ADTS, AC-3, FLAC. The tags of
 * its beginning stay. */
void mr_joints_watch(struct mr_source *source);

#endif
