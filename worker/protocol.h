/*
 * What a job's child and its parent send each other. Both ends are the same binary on the same machine, so
 * the records are plain structs in host byte order. The child decodes hostile bytes, so the parent
 * (sandbox_job.c) checks everything: every length has a bound here, and a child that breaks a rule loses only
 * its own job.
 *
 *   input     (stream socket)   child → parent: mr_range_request
 *                               parent → child: mr_range_reply, then reply.len bytes
 *             One request at a time. len 0 is the end of the file. A parent that cannot read does not answer
 *             but kills, so for the child a closed socket is its own end. A request names its source: the
 *             input, the logo, or the units.
 *   output    (pipe)            child → parent: mr_output_frame, then frame.len bytes
 *             The body first: from some offset H upwards without a gap. Then, if H > 0, the head: from 0 to
 *             H without a gap. (Muxers patch their head at the end; the child keeps it until then.) A head
 *             may have grown to more than H, up to MR_HEAD_MAX: then the body follows it, and its offsets
 *             shift. A job may have several outputs, numbered from 0: each is complete before the first
 *             frame of the next.
 *   status    (pipe)            child → parent: mr_status_record, then record.len bytes
 *             Any number of progress records, then one result or one failure, then nothing.
 *   lifeline  (stream socket)   zygote → parent: one mr_exit_record when the child is reaped
 *             The child does not hold it, so it cannot forge a record. When the parent shuts down its half,
 *             the zygote kills the child.
 */
#ifndef MR_WORKER_PROTOCOL_H
#define MR_WORKER_PROTOCOL_H

#include "shared/media/options.h"

#include <stdint.h>

enum {
    MR_SPEC_MAX = 64 * 1024,         /* bytes of a job's spec */
    MR_RANGE_MAX = 256 * 1024,       /* bytes of one range */
    MR_FRAME_MAX = 256 * 1024,       /* bytes of one output frame */
    MR_HEAD_MAX = 20 * 1024 * 1024,  /* bytes of the head: an ID3v2 tag with a large cover picture fits */
    MR_STATUS_TEXT_MAX = 256 * 1024, /* bytes of a result or failure */
    MR_PROGRESS_DONE = 1000,         /* progress is counted in thousandths */
    MR_OUTPUTS_MAX = MR_PARTS_MAX,   /* outputs of one job */
};

enum mr_source_index {
    MR_SOURCE_INPUT,
    MR_SOURCE_LOGO,
    MR_SOURCE_UNITS, /* of a join: the intermediate objects, one behind the other */
    MR_SOURCES_MAX
};

struct mr_range_request {
    int64_t offset;  /* >= 0 */
    uint32_t len;    /* 1 … MR_RANGE_MAX */
    uint32_t source; /* enum mr_source_index */
};

struct mr_range_reply {
    uint32_t len; /* 1 … request.len; 0: the file ends before offset */
    uint32_t zero;
};

struct mr_output_frame {
    int64_t offset;  /* >= 0 */
    uint32_t len;    /* 1 … MR_FRAME_MAX */
    uint32_t output; /* 0 … MR_OUTPUTS_MAX - 1 */
};

enum mr_status_type {
    MR_STATUS_PROGRESS = 1, /* value: 0 … MR_PROGRESS_DONE; len 0 */
    MR_STATUS_RESULT,       /* text: the receipt, a JSON object */
    MR_STATUS_FAILURE /* text: {"code":"…","detail":"…"}; of "copy_impossible" also "encode_audio" */
};

struct mr_status_record {
    uint32_t type;  /* enum mr_status_type */
    uint32_t value; /* of progress; else 0 */
    uint32_t len;   /* <= MR_STATUS_TEXT_MAX */
    uint32_t zero;
};

enum mr_exit_type {
    MR_EXIT_WAITED = 1, /* value: the wait status of waitpid(2) */
    MR_EXIT_NOT_FORKED  /* value: errno */
};

struct mr_exit_record {
    uint32_t type; /* enum mr_exit_type */
    int32_t value;
    int64_t peak_kib; /* most memory that was resident */
    int64_t cpu_ms;   /* processor time, user and system */
};

#endif
