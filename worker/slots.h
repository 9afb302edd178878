/*
 * Slots: how many jobs run at once, and the word to stop. A push that finds no free slot is refused at once
 * (429), so that Pub/Sub gives it to another worker. Any thread may call.
 */
#ifndef MR_WORKER_SLOTS_H
#define MR_WORKER_SLOTS_H

#include <stdatomic.h>
#include <stdbool.h>

struct mr_slots {
    atomic_int free;
    atomic_bool stopping;
};

static inline void mr_slots_init(struct mr_slots *slots, int count)
{
    atomic_init(&slots->free, count);
    atomic_init(&slots->stopping, false);
}

/* False when all are taken or the worker is stopping. */
static inline bool mr_slots_take(struct mr_slots *slots)
{
    if (atomic_load(&slots->stopping))
        return false;
    if (atomic_fetch_sub(&slots->free, 1) > 0)
        return true;
    atomic_fetch_add(&slots->free, 1);
    return false;
}

static inline void mr_slots_give_back(struct mr_slots *slots)
{
    atomic_fetch_add(&slots->free, 1);
}

/* From now on no slot is given, and the jobs that run end early. */
static inline void mr_slots_stop(struct mr_slots *slots)
{
    atomic_store(&slots->stopping, true);
}

static inline bool mr_slots_stopping(const struct mr_slots *slots)
{
    return atomic_load(&slots->stopping);
}

#endif
