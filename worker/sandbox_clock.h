/*
 * How long a job runs, and how long its child has been silent, by the monotonic clock less the time in which this
 * process did not run: a frozen instance (SIGSTOP, a suspended machine) freezes the child as well, so its silence
 * is nobody's fault. Private to sandbox*.c; plain values, owned by the thread of the job.
 */
#ifndef MR_WORKER_SANDBOX_CLOCK_H
#define MR_WORKER_SANDBOX_CLOCK_H

#include <stdint.h>

/* In microseconds of CLOCK_MONOTONIC. */
struct mr_sandbox_clock {
    int64_t started;
    int64_t alive; /* when the child last sent something, or a callback last returned */
};

/* Notes that a wait of at most planned_us lasted from `before` to `after`. What it lasted longer is not counted,
 * from one second on: less is the scheduler of a busy machine. */
void mr_sandbox_clock_waited(struct mr_sandbox_clock *clock, int64_t before, int64_t after,
                             int64_t planned_us);

#endif
