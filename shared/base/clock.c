#include "shared/base/clock.h"

#include <inttypes.h>
#include <stdio.h>

static int64_t clock_us(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t mr_time_now_us(void)
{
    return clock_us(CLOCK_REALTIME);
}

int64_t mr_time_monotonic_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

struct timespec mr_time_deadline(int ms)
{
    int64_t us = mr_time_monotonic_us() + (int64_t)ms * 1000;
    return (struct timespec){.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
}

void mr_time_format(int64_t us, char out[MR_TIME_TEXT_MAX])
{
    int64_t fraction = us % 1000000;
    time_t seconds = (time_t)(us / 1000000);
    if (fraction < 0) {
        fraction += 1000000;
        seconds--;
    }
    struct tm parts;
    gmtime_r(&seconds, &parts);
    size_t used = strftime(out, MR_TIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(out + used, MR_TIME_TEXT_MAX - used, ".%06" PRId64 "Z", fraction);
}
