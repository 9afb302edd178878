/*
 * How a child confines itself before it reads hostile bytes: resource limits, no privileges, and a seccomp
 * allow-list that forbids every system call that transcoding does not need. Private to sandbox*.c.
 * Sources: seccomp(2), seccomp_rule_add(3), setrlimit(2), prctl(2).
 */
#ifndef MR_WORKER_SANDBOX_CONFINE_H
#define MR_WORKER_SANDBOX_CONFINE_H

#include <stdbool.h>
#include <stdint.h>

/* 1 in a build with ASan or TSan, whose run-time library needs more system calls and all of the address
 * space. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MR_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define MR_SANITIZED 1
#endif
#endif
#ifndef MR_SANITIZED
#define MR_SANITIZED 0
#endif

/* Confines the calling single-threaded process for good. A forbidden call then kills it with SIGSYS. False
 * (errno set) if any part fails: the process must then exit. Limits as in struct mr_sandbox_limits. */
bool mr_confine(int64_t memory_mib, int64_t cpu_seconds, int64_t threads);

#endif
