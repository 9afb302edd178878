#include "infra/local/emulator/pubsub/timer.h"

#include <stdlib.h>

static void put(struct em_timers *timers, size_t place, struct em_timer *timer)
{
    timers->heap[place - 1] = timer;
    timer->place = place;
}

static struct em_timer *at(const struct em_timers *timers, size_t place)
{
    return timers->heap[place - 1];
}

static void sift_up(struct em_timers *timers, struct em_timer *timer)
{
    size_t place = timer->place;
    while (place > 1 && at(timers, place / 2)->due_us > timer->due_us) {
        put(timers, place, at(timers, place / 2));
        place /= 2;
    }
    put(timers, place, timer);
}

static void sift_down(struct em_timers *timers, struct em_timer *timer)
{
    size_t place = timer->place;
    for (;;) {
        size_t child = place * 2;
        if (child > timers->count)
            break;
        if (child < timers->count && at(timers, child + 1)->due_us < at(timers, child)->due_us)
            child++;
        if (at(timers, child)->due_us >= timer->due_us)
            break;
        put(timers, place, at(timers, child));
        place = child;
    }
    put(timers, place, timer);
}

enum mr_status em_timers_reserve(struct em_timers *timers, struct mr_err *err)
{
    if (timers->reserved == timers->capacity) {
        size_t capacity = timers->capacity ? timers->capacity * 2 : 64;
        struct em_timer **heap = reallocarray(timers->heap, capacity, sizeof *heap);
        if (!heap)
            return mr_fail_oom(err);
        timers->heap = heap;
        timers->capacity = capacity;
    }
    timers->reserved++;
    return MR_OK;
}

void em_timers_release(struct em_timers *timers)
{
    timers->reserved--;
}

void em_timers_set(struct em_timers *timers, struct em_timer *timer, int64_t due_us)
{
    timer->due_us = due_us;
    if (timer->place == 0)
        put(timers, ++timers->count, timer);
    sift_up(timers, timer);
    sift_down(timers, timer);
}

void em_timers_cancel(struct em_timers *timers, struct em_timer *timer)
{
    if (timer->place == 0)
        return;
    struct em_timer *last = at(timers, timers->count--);
    if (last != timer) {
        put(timers, timer->place, last);
        sift_up(timers, last);
        sift_down(timers, last);
    }
    timer->place = 0;
}

struct em_timer *em_timers_first(const struct em_timers *timers)
{
    return timers->count ? timers->heap[0] : NULL;
}

void em_timers_free(struct em_timers *timers)
{
    free(timers->heap);
    *timers = (struct em_timers){0};
}
