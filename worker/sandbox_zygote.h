/*
 * The zygote: the process between the worker and the children of its jobs (sandbox.h describes the model).
 * Private to sandbox*.c.
 *
 * A request is one SOCK_SEQPACKET message per job: a mr_spawn_request, the bytes of the spec after it, and
 * the four descriptors of the job. The only answer is the exit record on the job's lifeline.
 */
#ifndef MR_WORKER_SANDBOX_ZYGOTE_H
#define MR_WORKER_SANDBOX_ZYGOTE_H

#include "worker/sandbox.h"

#include <sys/types.h>

enum { MR_SPAWN_FDS = 4 }; /* input, output, status, lifeline: in this order */

struct mr_spawn_request {
    int64_t memory_mib;
    int64_t cpu_seconds;
    int64_t threads; /* as in struct mr_sandbox_limits */
};

/* Serves `control` until its other end is closed, then kills the remaining children and exits. Never returns.
 * parent is the process whose death must end this one. */
_Noreturn void mr_zygote_main(int control, pid_t parent, mr_sandbox_entry *entry);

#endif
