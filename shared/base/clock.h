/* The wall clock, for what people read, and the monotonic clock, for deadlines. Any thread may call these. */
#ifndef MR_BASE_CLOCK_H
#define MR_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define MR_TIME_TEXT_MAX 32
/* Microseconds since 1970, UTC; and of CLOCK_MONOTONIC, for deadlines. */
int64_t mr_time_now_us(void);
int64_t mr_time_monotonic_us(void);
/* That many milliseconds from now on CLOCK_MONOTONIC, as pthread_cond_timedwait takes it. */
struct timespec mr_time_deadline(int ms);
/* ISO 8601 / RFC 3339 in UTC with microseconds: 2026-01-31T23:59:59.123456Z. */
void mr_time_format(int64_t us, char out[MR_TIME_TEXT_MAX]);

#endif
