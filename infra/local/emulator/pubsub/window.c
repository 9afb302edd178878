#include "infra/local/emulator/pubsub/window.h"

#define FAST_US INT64_C(1000000)

void em_push_window_init(struct em_push_window *window)
{
    *window = (struct em_push_window){.size = EM_WINDOW_START};
}

static void begin_count(struct em_push_window *window)
{
    window->answers = 0;
    window->acks = 0;
    window->latency_us = 0;
}

static void consider_growth(struct em_push_window *window)
{
    if (window->answers < window->size)
        return;
    bool healthy = window->acks * 100 > window->answers * 99 && window->latency_us < FAST_US * window->acks;
    if (healthy)
        window->size = window->size * 2 < EM_WINDOW_MAX ? window->size * 2 : EM_WINDOW_MAX;
    begin_count(window);
}

void em_push_window_acked(struct em_push_window *window, int64_t latency_us)
{
    window->answers++;
    window->acks++;
    window->latency_us += latency_us;
    window->backoff_us = window->backoff_us / 2 >= EM_PUSH_BACKOFF_MIN_US ? window->backoff_us / 2 : 0;
    consider_growth(window);
}

void em_push_window_nacked(struct em_push_window *window, uint64_t round, int64_t now_us)
{
    if (round != window->round) {
        window->answers++;
        consider_growth(window);
        return;
    }
    window->round++;
    window->size = window->size > 1 ? window->size / 2 : 1;
    begin_count(window);
    int64_t backoff = window->backoff_us ? window->backoff_us * 2 : EM_PUSH_BACKOFF_MIN_US;
    window->backoff_us = backoff < EM_PUSH_BACKOFF_MAX_US ? backoff : EM_PUSH_BACKOFF_MAX_US;
    window->not_before_us = now_us + window->backoff_us;
}

int64_t em_retry_policy_delay(int64_t min_us, int64_t max_us, int64_t attempt)
{
    int64_t delay = min_us;
    for (int64_t i = 1; i < attempt && delay < max_us && delay > 0; i++)
        delay *= 2;
    return delay < max_us ? delay : max_us;
}
