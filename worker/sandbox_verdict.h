/*
 * How a job in the sandbox went: what the child reported on its status channel, and how its process ended.
 * The child decodes hostile bytes, so nothing it reports is believed without a check. Private to sandbox*.c;
 * used by the thread of the job.
 */
#ifndef MR_WORKER_SANDBOX_VERDICT_H
#define MR_WORKER_SANDBOX_VERDICT_H

#include "shared/base/cleanup.h"
#include "shared/base/err.h"
#include "shared/base/json.h"
#include "worker/protocol.h"
#include "worker/sandbox.h"

#include <stdbool.h>

/* Zero-initialise; free in every case. */
struct mr_verdict {
    int permille;          /* the highest progress reported */
    json_t *receipt;       /* the result of the child, or … */
    struct mr_err failure; /* … its failure; status MR_OK without one */
    uint32_t encode_audio; /* of the failure "copy_impossible": the tracks, a bit for each */
    bool is_cut;           /* the child closed a channel within a record */
    bool has_exit;
    struct mr_exit_record exit; /* how the process ended, once has_exit is set */
};
void mr_verdict_free(struct mr_verdict *verdict);

/* MR_INVALID with code "sandbox_protocol": the child broke the protocol. what: "invalid range". */
MR_MUST_CHECK enum mr_status mr_sandbox_broken_protocol(struct mr_err *err, const char *what);

/* Takes a record of the status channel with its text. Code "sandbox_protocol" for an invalid one. */
MR_MUST_CHECK enum mr_status mr_verdict_take(struct mr_verdict *verdict,
                                             const struct mr_status_record *record, const char *text,
                                             struct mr_err *err);

/*
 * The outcome, once the exit record is there and all channels are read to their end. is_output_complete: no
 * output lacks a part. On success the caller owns *ret_receipt. A killed process, a reported failure, an exit
 * code and a broken protocol are failures, in this order; sandbox_job.h lists their codes.
 */
MR_MUST_CHECK enum mr_status mr_verdict_decide(struct mr_verdict *verdict,
                                               const struct mr_sandbox_limits *limits,
                                               bool is_output_complete, json_t **ret_receipt,
                                               struct mr_err *err);

#endif
