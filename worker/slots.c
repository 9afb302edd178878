#include "worker/slots.h"

#include "shared/base/clock.h"

#include <errno.h>

void mr_slots_init(struct mr_slots *slots, const int counts[MR_LANES])
{
    atomic_init(&slots->stopping, false);
    for (int lane = 0; lane < MR_LANES; lane++) {
        slots->lanes[lane].free = counts[lane];
        slots->lanes[lane].waiting = 0;
        slots->lanes[lane].waiting_max = counts[lane] > 0 ? counts[lane] : 1;
    }
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

static bool take_from_locked(struct mr_slots *slots, enum mr_lane pool, enum mr_lane *ret_pool)
{
    if (slots->lanes[pool].free == 0)
        return false;
    slots->lanes[pool].free--;
    *ret_pool = pool;
    return true;
}

/* High-priority work prefers a normal slot, which keeps the reserved ones for when all normal slots are busy.
 * Normal work lets waiting high-priority work go first. */
static bool take_free_locked(struct mr_slots *slots, enum mr_lane lane, enum mr_lane *ret_pool)
{
    if (atomic_load(&slots->stopping))
        return false;
    if (lane == MR_LANE_HIGH && take_from_locked(slots, MR_LANE_NORMAL, ret_pool))
        return true;
    if (lane == MR_LANE_NORMAL && slots->lanes[MR_LANE_NORMAL].free <= slots->lanes[MR_LANE_HIGH].waiting)
        return false;
    return take_from_locked(slots, lane, ret_pool);
}

static bool take_locked(struct mr_slots *slots, enum mr_lane lane, int wait_ms, enum mr_lane *ret_pool)
{
    if (take_free_locked(slots, lane, ret_pool))
        return true;
    if (slots->lanes[lane].waiting >= slots->lanes[lane].waiting_max)
        return false;
    const struct timespec until = mr_time_deadline(wait_ms);
    int waited = 0;
    bool taken = false;
    slots->lanes[lane].waiting++;
    while (!taken && waited != ETIMEDOUT && !atomic_load(&slots->stopping)) {
        waited = pthread_cond_timedwait(&slots->freed, &slots->lock, &until);
        taken = take_free_locked(slots, lane, ret_pool);
    }
    slots->lanes[lane].waiting--;
    return taken;
}

bool mr_slots_take(struct mr_slots *slots, enum mr_lane lane, int wait_ms, enum mr_lane *ret_pool)
{
    pthread_mutex_lock(&slots->lock);
    bool taken = take_locked(slots, lane, wait_ms, ret_pool);
    pthread_mutex_unlock(&slots->lock);
    return taken;
}

/* Wakes all waiters: a single one could be of a lane that this pool does not serve. */
void mr_slots_give_back(struct mr_slots *slots, enum mr_lane pool)
{
    pthread_mutex_lock(&slots->lock);
    slots->lanes[pool].free++;
    pthread_cond_broadcast(&slots->freed);
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
