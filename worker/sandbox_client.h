/*
 * The child's side of protocol.h: what the entry function of a sandbox says to its parent. Blocking; used by
 * the child's only thread, inside the sandbox (they only read and write). All return false once the parent
 * has closed the channel or an argument is out of range: the child can then only end.
 */
#ifndef MR_WORKER_SANDBOX_CLIENT_H
#define MR_WORKER_SANDBOX_CLIENT_H

#include "shared/base/err.h"
#include "shared/base/json.h"
#include "worker/sandbox.h"

/* Up to len bytes (at most MR_RANGE_MAX are asked for) of a source (enum mr_source_index) at offset. *ret_len
 * is 0 past its end. */
MR_MUST_CHECK bool mr_client_read(const struct mr_sandbox_fds *fds, uint32_t source, int64_t offset,
                                  void *buf, size_t len, size_t *ret_len);

/* len bytes of an output (0 … MR_OUTPUTS_MAX - 1) at offset, in as many frames as it takes. The parent
 * demands the order that protocol.h promises, within an output and of the outputs. */
MR_MUST_CHECK bool mr_client_write(const struct mr_sandbox_fds *fds, uint32_t output, int64_t offset,
                                   const void *data, size_t len);

MR_MUST_CHECK bool mr_client_progress(const struct mr_sandbox_fds *fds, int permille);

/* The last word: the receipt (not consumed), or a failure's code and message. */
MR_MUST_CHECK bool mr_client_result(const struct mr_sandbox_fds *fds, const json_t *receipt);
MR_MUST_CHECK bool mr_client_failure(const struct mr_sandbox_fds *fds, const struct mr_err *cause);

#endif
