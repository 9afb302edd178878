/*
 * Retries with exponential backoff and full jitter. The caller decides what may be repeated; a policy says how
 * often and for how long. A state belongs to one thread.
 */
#ifndef MR_HTTP_RETRY_H
#define MR_HTTP_RETRY_H

#include <stdbool.h>
#include <stdint.h>

/* The wait before attempt n + 1 is random, between 0 and min(cap_ms, base_ms * 2^(n-1)). */
struct mr_retry {
    int attempts; /* in all, at least 1 */
    int base_ms;  /* at least 1 */
    int cap_ms;
    int64_t total_ms; /* no attempt begins later than this after the first failure (or started_us) */
};

/* One retried operation; zero-initialise. */
struct mr_retry_state {
    int failures;       /* attempts that failed so far */
    int64_t started_us; /* CLOCK_MONOTONIC; 0: set at the first failure */
};

/* Call after an attempt failed and may be repeated: waits and returns true if another one is due. */
bool mr_retry_again(const struct mr_retry *policy, struct mr_retry_state *state);

#endif
