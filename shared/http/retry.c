#include "shared/http/retry.h"

#include "shared/base/clock.h"
#include "shared/base/random.h"

#include <errno.h>

static void wait_ms(int64_t ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    while (nanosleep(&left, &left) < 0 && errno == EINTR)
        continue;
}

/* Callers that failed together must not come back together. */
static int64_t jittered(int64_t bound_ms)
{
    uint64_t random = 0;
    if (mr_random_bytes(&random, sizeof random, NULL) != MR_OK)
        return bound_ms;
    return (int64_t)(random % ((uint64_t)bound_ms + 1));
}

bool mr_retry_again(const struct mr_retry *policy, struct mr_retry_state *state)
{
    int64_t now_us = mr_time_monotonic_us();
    if (!state->started_us)
        state->started_us = now_us;
    state->failures++;
    if (state->failures >= policy->attempts)
        return false;
    int64_t bound_ms = policy->base_ms;
    for (int i = 1; i < state->failures && bound_ms < policy->cap_ms; i++)
        bound_ms *= 2;
    int64_t delay_ms = jittered(bound_ms < policy->cap_ms ? bound_ms : policy->cap_ms);
    if (now_us - state->started_us + delay_ms * 1000 > policy->total_ms * 1000)
        return false;
    wait_ms(delay_ms);
    return true;
}
