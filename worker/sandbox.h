/*
 * The sandbox: where hostile bytes are decoded.
 *
 * Model: before the program has a thread, a secret or a connection, mr_sandbox_start forks a single-threaded
 * zygote. It wipes its environment, closes every descriptor except its control socket, and from then on only
 * forks: one child per job (about a millisecond), which confines itself (sandbox_confine.h) and runs the
 * entry function with the descriptors below and nothing else. The zygote reaps every child and reports on the
 * job's lifeline how it ended. A child is killed when its lifeline is closed or the parent dies.
 *
 * Invariants: no child outlives its zygote, no zygote its parent; no descriptor of one job reaches another
 * job. The program must not wait for arbitrary children (waitpid(-1)): mr_sandbox_stop reads the exit of the
 * zygote. Works as root, as any other user, and as PID 1.
 */
#ifndef MR_WORKER_SANDBOX_H
#define MR_WORKER_SANDBOX_H

#include "shared/base/cleanup.h"
#include "shared/base/err.h"

#include <stdint.h>

/* The descriptors of a child; protocol.h describes what they carry. */
struct mr_sandbox_fds {
    int input;
    int output;
    int status;
};

/* What a child runs, confined. The return value is its exit code; spec lives as long as the call. */
typedef int mr_sandbox_entry(const void *spec, size_t len, const struct mr_sandbox_fds *fds);

struct mr_sandbox;

/* Forks the zygote. Call it first in main(), from the main thread (the kernel kills the zygote when that
 * thread ends), before any other thread exists and before secrets are in memory. MR_EXHAUSTED if the fork
 * fails. */
MR_MUST_CHECK enum mr_status mr_sandbox_start(mr_sandbox_entry *entry, struct mr_sandbox **ret,
                                              struct mr_err *err);
/* Ends the zygote with its children, waits for it, and frees. No job may be running. NULL is allowed. */
void mr_sandbox_stop(struct mr_sandbox *sandbox);
MR_DEFINE_CLEANUP(mr_sandbox, mr_sandbox_stop)

/* False once the zygote has died: no job can run any more, the program should end. Any thread. */
bool mr_sandbox_alive(const struct mr_sandbox *sandbox);

struct mr_sandbox_limits {
    int64_t memory_mib;  /* address space on top of the zygote's; 0: no limit (sanitizers need that) */
    int64_t cpu_seconds; /* processor time; 0: no limit */
    /* wall time of the whole job; 0: no limit. mr_sandbox_run enforces this and what follows */
    int64_t total_ms;
    int64_t stall_ms;   /* wall time without a byte from the child; 0: no limit */
    int64_t output_max; /* bytes of output; 0: no limit */
    int threads; /* that have work at once and weigh together as one of another job; 0: it may make none */
};

/* The parent's ends of one job. */
struct mr_sandbox_child {
    int input;    /* socket */
    int output;   /* read end */
    int status;   /* read end */
    int lifeline; /* socket: the exit record comes from here; shutdown(SHUT_WR) kills */
};
#define MR_SANDBOX_CHILD_NONE                                                                                \
    (struct mr_sandbox_child)                                                                                \
    {                                                                                                        \
        -1, -1, -1, -1                                                                                       \
    }

/*
 * Starts one child. All of the parent's ends are non-blocking and close-on-exec. Returns before the child
 * runs: a failed fork is reported on the lifeline (MR_EXIT_NOT_FORKED). MR_UNAVAILABLE if the zygote has
 * died, MR_EXHAUSTED without descriptors, MR_INVALID for a spec over MR_SPEC_MAX. Any thread. Most callers
 * want mr_sandbox_run (sandbox_job.h).
 */
MR_MUST_CHECK enum mr_status mr_sandbox_spawn(struct mr_sandbox *sandbox, const void *spec, size_t len,
                                              const struct mr_sandbox_limits *limits,
                                              struct mr_sandbox_child *ret, struct mr_err *err);
/* Kills the child if it is still alive, waits until it is reaped, and closes all ends. */
void mr_sandbox_child_end(struct mr_sandbox_child *child);
MR_DEFINE_VALUE_CLEANUP(mr_sandbox_child, mr_sandbox_child_end)

#endif
