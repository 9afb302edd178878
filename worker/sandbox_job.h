/*
 * One job in the sandbox, seen from the parent: starts a child, serves it on the calling thread until it is
 * dead and reaped, and returns how it went. Every return path kills the child and waits for it; no descriptor
 * stays open.
 *
 * Memory: one range and one frame (protocol.h), however large the file is. Any number of threads may run
 * jobs.
 */
#ifndef MR_WORKER_SANDBOX_JOB_H
#define MR_WORKER_SANDBOX_JOB_H

#include "shared/base/err.h"
#include "shared/base/json.h"
#include "worker/sandbox.h"

/* What the parent does for its child. All are called on the thread of mr_sandbox_run, with the same ctx. */
struct mr_sandbox_callbacks {
    /*
     * Reads up to len bytes of a source (enum mr_source_index, checked before the call) at offset. *ret_len
     * may be short; 0 means that the file ends before offset. A failure ends the job, and mr_sandbox_run
     * returns it unchanged.
     */
    enum mr_status (*read_range)(void *ctx, uint32_t source, int64_t offset, void *buf, size_t len,
                                 size_t *ret_len, struct mr_err *err);
    /*
     * Takes output. The order is checked before the call: first the body, from an offset H (0 … MR_HEAD_MAX)
     * upwards without a gap; then, if H > 0, the head, from 0 to H. A small output may be all head (or, where
     * the container needs no patching, all body with H = 0). Outputs follow one another, numbered from 0; the
     * first bytes of an output mean that the previous one is complete. A failure ends the job and is returned
     * unchanged.
     */
    enum mr_status (*write_output)(void *ctx, uint32_t output, int64_t offset, const void *data, size_t len,
                                   struct mr_err *err);
    /*
     * Drops all output. The child has found out, far into the file, that a track of audio cannot be copied, or that a
     * copy must be decoded: the job is run again, with what the child wants as "encode_audio" in its spec: first for this
     * track, and in the last run for all. The limits of time hold for all runs together. A failure ends the job and is
     * returned unchanged.
     */
    enum mr_status (*restart)(void *ctx, struct mr_err *err);
    /* Progress in thousandths as reported by the child; it never falls in a run. May be NULL. */
    void (*progress)(void *ctx, int permille);
    /* Called about every 200 ms while the job waits, and after each record; true ends the job. May be NULL. */
    bool (*canceled)(void *ctx);
};

/*
 * Runs one job. spec is a JSON object (not consumed) that the entry function reads; for the worker's
 * mr_media_run see worker/media/convert.h. On success the caller owns *ret_receipt, an object, and every
 * output that was begun is complete; the caller knows how many outputs there must be (a probe has none).
 *
 * Failures caused by the input, which a retry cannot cure, by code (all of them verdicts, codes.def):
 *   MR_INVALID      invalid_media, no_audio, no_video, truncated, bad_option (an option that does not fit
 *                   this file), decoder_crashed, sandbox_violation, sandbox_protocol
 *   MR_UNSUPPORTED  unsupported_codec, unsupported_format
 *   MR_TOO_LARGE    resource_limit (memory, processor time, size, output), too_many_parts, output_too_large,
 *                   timed_out (total or stall time)
 *   MR_INTERNAL     converter_fault (a bug in the child)
 * Other failures: MR_CANCELED; MR_UNAVAILABLE, "sandbox_unavailable" (the zygote has died); MR_EXHAUSTED (no
 * fork, no descriptors; killed from outside: "child_killed" or, near the memory limit, "child_killed_full");
 * and what a callback returned.
 */
MR_MUST_CHECK enum mr_status mr_sandbox_run(struct mr_sandbox *sandbox, const json_t *spec,
                                            const struct mr_sandbox_callbacks *callbacks, void *ctx,
                                            const struct mr_sandbox_limits *limits, json_t **ret_receipt,
                                            struct mr_err *err);

#endif
