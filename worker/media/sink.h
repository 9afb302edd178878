/*
 * The output as libav writes it: an AVIOContext over the parent's output frames (sandbox_client.h).
 *
 * Muxers patch what they have written: the head (sizes, frame counts, seek tables) once all is known, and the
 * trailer while it is made (MP4's index is boxes within boxes, each begins with its size). And what a finished file
 * says of itself is read back (readback.h). So the first and the last bytes stay in memory until mr_sink_finish; what lies
 * between leaves at once, and patching it fails. The head is what had been written when the first packet was in, at least
 * HEAD_MIN bytes; the tail begins where the trailer does. Both are bounded. Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_SINK_H
#define MR_WORKER_MEDIA_SINK_H

#include "worker/media/av.h"
#include "worker/sandbox.h"

/* Bytes of the output that are still here. */
struct mr_sink_part {
    uint8_t *data;
    size_t len;
    size_t capacity;
    size_t max;
};

struct mr_sink {
    const struct mr_sandbox_fds *fds;
    uint32_t index; /* of the output */
    AVIOContext *io;
    bool index_first; /* MP4: the index goes from the tail into the head (faststart.h) */
    bool may_seal;    /* the head is complete: no more than HEAD_MIN needs to be kept */
    size_t seal_at;   /* the length that the head must have before bytes leave */
    bool sealed;      /* bytes behind the head have left */
    bool in_tail;
    struct mr_sink_part head; /* from offset 0 */
    struct mr_sink_part tail; /* from tail_start */
    int64_t tail_start;
    int64_t head_grown; /* by the index, after bytes behind the head had left */
    int64_t at;
    int64_t end; /* bytes of output so far */
};

/* patches: the muxer seeks back. */
MR_MUST_CHECK enum mr_status mr_sink_open(struct mr_sink *sink, const struct mr_sandbox_fds *fds,
                                          uint32_t index, bool patches, bool index_first, struct mr_err *err);
void mr_sink_close(struct mr_sink *sink);
MR_DEFINE_VALUE_CLEANUP(mr_sink, mr_sink_close)

/* Says that the muxer has written its header and the first packet. */
void mr_sink_begin_body(struct mr_sink *sink);
/* Says that all packets have been given to the muxer. */
void mr_sink_begin_tail(struct mr_sink *sink);

/* After the trailer: brings head and tail into their last form. Fails for anything that was not written before. */
MR_MUST_CHECK enum mr_status mr_sink_settle(struct mr_sink *sink, struct mr_err *err);

/* Then: reads up to len bytes of the finished file at `at`. 0: past its end, or they have left. */
int mr_sink_peek(const struct mr_sink *sink, int64_t at, uint8_t *buf, int len);

/* Sends what was kept. */
MR_MUST_CHECK enum mr_status mr_sink_finish(struct mr_sink *sink, struct mr_err *err);

#endif
