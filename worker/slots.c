#include "worker/slots.h"

#include <errno.h>

void mr_slots_init(struct mr_slots *slots, int count)
{
    atomic_init(&slots->stopping, false);
    slots->free = slots->waiting_max = count;
    slots->waiting = 0;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&slots->freed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&slots->lock, NULL);
}

void mr_slots_destroy(struct mr_slots *slots)
{
    pthread_cond_destroy(&slots->freed);
    pthread_mutex_destroy(&slots->lock);
}

static struct timespec in_ms(int ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    return until;
}

static bool wait_locked(struct mr_slots *slots, int wait_ms)
{
    if (slots->free == 0 && slots->waiting >= slots->waiting_max)
        return false;
    struct timespec until = in_ms(wait_ms);
    slots->waiting++;
    while (slots->free == 0 && !atomic_load(&slots->stopping))
        if (pthread_cond_timedwait(&slots->freed, &slots->lock, &until) == ETIMEDOUT)
            break;
    slots->waiting--;
    return slots->free > 0 && !atomic_load(&slots->stopping);
}

bool mr_slots_take(struct mr_slots *slots, int wait_ms)
{
    pthread_mutex_lock(&slots->lock);
    bool taken = wait_locked(slots, wait_ms);
    slots->free -= taken;
    pthread_mutex_unlock(&slots->lock);
    return taken;
}

void mr_slots_give_back(struct mr_slots *slots)
{
    pthread_mutex_lock(&slots->lock);
    slots->free++;
    pthread_cond_signal(&slots->freed);
    pthread_mutex_unlock(&slots->lock);
}

void mr_slots_stop(struct mr_slots *slots)
{
    pthread_mutex_lock(&slots->lock);
    atomic_store(&slots->stopping, true);
    pthread_cond_broadcast(&slots->freed);
    pthread_mutex_unlock(&slots->lock);
}

bool mr_slots_stopping(const struct mr_slots *slots)
{
    return atomic_load(&slots->stopping);
}
