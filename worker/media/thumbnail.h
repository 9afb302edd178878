/*
 * The thumbnail: one frame as a JPEG file, the last output of a job. Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_THUMBNAIL_H
#define MR_WORKER_MEDIA_THUMBNAIL_H

#include "shared/base/json.h"
#include "worker/media/av.h"
#include "worker/sandbox.h"

/*
 * Scales the frame to so many pixels of width (0: as wide as it is shown), writes it as output `index`, and
 * says in *ret what it is, as the receipt has it of the other outputs. turn: filters of its rotation, each
 * with a comma behind it, or "".
 */
MR_MUST_CHECK enum mr_status mr_thumbnail_write(const struct mr_sandbox_fds *fds, uint32_t index,
                                                const AVFrame *frame, const char *turn, int width,
                                                json_t **ret, struct mr_err *err);

#endif
