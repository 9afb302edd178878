/*
 * The output as libav writes it: an AVIOContext over the parent's output frames (sandbox_client.h).
 *
 * Muxers that patch their head at the end (sizes, frame counts, seek tables) get one: the first bytes stay in
 * memory until mr_sink_finish, the rest leaves at once. The head is what had been written when the first
 * audio was in, at least HEAD_MIN, at most MR_HEAD_MAX. Patching behind the head fails. Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_SINK_H
#define MR_WORKER_MEDIA_SINK_H

#include "worker/media/av.h"
#include "worker/sandbox.h"

struct mr_sink {
    const struct mr_sandbox_fds *fds;
    AVIOContext *io;
    bool patches_head;
    bool may_seal; /* the head is complete: no more than HEAD_MIN needs to be kept */
    bool sealed;   /* bytes behind the head have left */
    uint8_t *head;
    size_t head_len;
    size_t head_capacity;
    int64_t at;
    int64_t end; /* bytes of output so far */
};

MR_MUST_CHECK enum mr_status mr_sink_open(struct mr_sink *sink, const struct mr_sandbox_fds *fds,
                                          bool patches_head, struct mr_err *err);
void mr_sink_close(struct mr_sink *sink);
MR_DEFINE_VALUE_CLEANUP(mr_sink, mr_sink_close)

/* Says that the muxer has written its header and the first audio. */
void mr_sink_seal(struct mr_sink *sink);

/* After the trailer: flushes, sends the head. Fails for anything that was not written, now or before. */
MR_MUST_CHECK enum mr_status mr_sink_finish(struct mr_sink *sink, struct mr_err *err);

#endif
