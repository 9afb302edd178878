/*
 * The child's side of protocol.h: how the entry function of a sandbox talks to its parent. The calls block;
 * they are made by the child's only thread, inside the sandbox (they only read and write). All return false
 * once the parent has closed the channel or if an argument is out of range: then the child can only exit.
 */
#ifndef MR_WORKER_SANDBOX_CLIENT_H
#define MR_WORKER_SANDBOX_CLIENT_H

#include "shared/base/err.h"
#include "shared/base/json.h"
#include "worker/sandbox.h"

#include <stdint.h>

/* Reads up to len bytes, at most MR_RANGE_MAX, of a source (enum mr_source_index) at offset. *ret_len is 0
 * past the end. */
MR_MUST_CHECK bool mr_client_read(const struct mr_sandbox_fds *fds, uint32_t source, int64_t offset,
                                  void *buf, size_t len, size_t *ret_len);

/* Writes len bytes of an output (0 … MR_OUTPUTS_MAX - 1) at offset, in as many frames as needed. The parent
 * demands the order of protocol.h, both of the bytes of an output and of the outputs. */
MR_MUST_CHECK bool mr_client_write(const struct mr_sandbox_fds *fds, uint32_t output, int64_t offset,
                                   const void *data, size_t len);

/* permille: 0 … MR_PROGRESS_DONE. */
MR_MUST_CHECK bool mr_client_progress(const struct mr_sandbox_fds *fds, int permille);

/* The last record: the receipt (not consumed), or the code and message of a failure. A code that no child may
 * report becomes "resource_limit" (MR_EXHAUSTED) or "converter_fault". */
MR_MUST_CHECK bool mr_client_result(const struct mr_sandbox_fds *fds, const json_t *receipt);
MR_MUST_CHECK bool mr_client_failure(const struct mr_sandbox_fds *fds, const struct mr_err *cause);

/* The failure "copy_impossible". encode_audio: the tracks to encode when the job is run again, a bit for each (and parts.h). */
MR_MUST_CHECK bool mr_client_copy_impossible(const struct mr_sandbox_fds *fds, uint32_t encode_audio);

#endif
