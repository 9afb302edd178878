/*
 * The input as libav reads it: an AVIOContext over the parent's byte ranges (sandbox_client.h). One buffer,
 * whatever the file. Used by the child's only thread.
 */
#ifndef MR_WORKER_MEDIA_SOURCE_H
#define MR_WORKER_MEDIA_SOURCE_H

#include "worker/media/av.h"
#include "worker/sandbox.h"

/* What is read as zeros: see joints.h. */
struct mr_joints {
    int64_t from;       /* the first byte that may be in one; 0: none is looked for */
    int64_t begin, end; /* of the one met last */
    bool is_flac;       /* its first bytes become those of a block of padding */
};

struct mr_source;
/* May change len bytes (at least 1) that libav is about to get, and says how many of them it gets now; 0: the
 * file ends here. */
typedef size_t mr_source_pass_fn(struct mr_source *source, int64_t offset, uint8_t *buf, size_t len);

struct mr_source {
    const struct mr_sandbox_fds *fds;
    uint32_t index; /* enum mr_source_index */
    int64_t base; /* of the file's first byte among those of the parent: not 0 of a file behind another one */
    int64_t size;
    int64_t at;
    bool failed; /* the parent hung up: nothing that libav says afterwards is about the file */
    AVIOContext *io;
    mr_source_pass_fn *pass; /* of each read; NULL: none */
    struct mr_joints joints;
    int64_t joined_bytes; /* behind the end of the file, those of another one: see joined.h */
};

MR_MUST_CHECK enum mr_status mr_source_open(struct mr_source *source, const struct mr_sandbox_fds *fds,
                                            uint32_t index, int64_t size, struct mr_err *err);
/* Back to the first byte, for a demuxer that is opened again. */
MR_MUST_CHECK enum mr_status mr_source_rewind(struct mr_source *source, struct mr_err *err);
void mr_source_close(struct mr_source *source);
MR_DEFINE_VALUE_CLEANUP(mr_source, mr_source_close)

/* Reads exactly len bytes at offset, past libav's buffer. False if the file is shorter or the parent is gone.
 */
bool mr_source_peek(struct mr_source *source, int64_t offset, void *buf, size_t len);

#endif
