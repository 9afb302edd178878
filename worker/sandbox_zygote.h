/*
 * The zygote: the process between the worker and its jobs' children (sandbox.h has the model). Private to
 * sandbox*.c.
 *
 * It is asked by one SOCK_SEQPACKET message per job: a mr_spawn_request, the spec's bytes after it, and the
 * job's four descriptors. There is no answer but the exit record on the job's lifeline.
 */
#ifndef MR_WORKER_SANDBOX_ZYGOTE_H
#define MR_WORKER_SANDBOX_ZYGOTE_H

#include "worker/sandbox.h"

#include <sys/types.h>

enum { MR_SPAWN_FDS = 4 }; /* input, output, status, lifeline: in this order */

struct mr_spawn_request {
    int64_t memory_mib;
    int64_t cpu_seconds;
};

/* Serves `control` until its other end is closed, then kills what is left and ends the process. Never
 * returns. parent is the process whose death must end this one. */
_Noreturn void mr_zygote_main(int control, pid_t parent, mr_sandbox_entry *entry);

#endif
