/*
 * Files that no demuxer takes: what they are all the same, and why that helps nobody, for the message to their owner.
 */
#ifndef MR_WORKER_MEDIA_FOREIGN_H
#define MR_WORKER_MEDIA_FOREIGN_H

#include "worker/media/source.h"

#include "shared/base/err.h"

/* Fails: "unsupported_input" and the name for a format that is known and not taken, "not_media" for what is no media at
 * all, "truncated" for an MP4 without its index, else "invalid_media". */
enum mr_status mr_foreign_refuse(struct mr_source *source, struct mr_err *err);

/* True for an MP4 or MOV that ends without an index: its recorder was stopped before it finished the file. */
bool mr_foreign_lacks_index(struct mr_source *source);

#endif
