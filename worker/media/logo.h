/*
 * The logo: a PNG, the job's second source, decoded once. Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_LOGO_H
#define MR_WORKER_MEDIA_LOGO_H

#include "worker/media/source.h"

/* The picture as decoded, transparent parts black. "internal" if it cannot be read: it is ours. The caller owns
 * *ret (av_frame_free). */
MR_MUST_CHECK enum mr_status mr_logo_read(const struct mr_sandbox_fds *fds, int64_t size, AVFrame **ret,
                                          struct mr_err *err);

#endif
