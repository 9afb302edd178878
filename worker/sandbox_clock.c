#include "worker/sandbox_clock.h"

enum { GAP_MIN_US = 1000000 };

void mr_sandbox_clock_waited(struct mr_sandbox_clock *clock, int64_t before, int64_t after,
                             int64_t planned_us)
{
    int64_t gap = after - before - planned_us;
    if (gap < GAP_MIN_US)
        return;
    clock->started += gap;
    clock->alive += gap;
}
