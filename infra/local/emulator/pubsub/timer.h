/*
 * A binary min-heap of deadlines. A timer is embedded in the thing it belongs to and knows its position, so that it
 * can be removed before it is due. Not thread-safe: the lock of em_pubsub protects it.
 */
#ifndef EM_PUBSUB_TIMER_H
#define EM_PUBSUB_TIMER_H

#include "shared/base/err.h"

#include <stdint.h>

enum em_timer_kind { EM_TIMER_DELIVERY, EM_TIMER_SUBSCRIPTION };

struct em_timer {
    int64_t due_us; /* monotonic */
    size_t place;   /* 1-based position in the heap; 0: not set */
    enum em_timer_kind kind;
};

/* Zero-initialise. */
struct em_timers {
    struct em_timer **heap;
    size_t count;
    size_t capacity;
    size_t reserved; /* timers that can be set without allocating */
};

/* Reserves room for one more timer, so that em_timers_set cannot fail; em_timers_release gives it back.
 * MR_EXHAUSTED without memory. */
MR_MUST_CHECK enum mr_status em_timers_reserve(struct em_timers *timers, struct mr_err *err);
void em_timers_release(struct em_timers *timers);

/* Sets the timer to due_us, or moves it there; needs a reservation. */
void em_timers_set(struct em_timers *timers, struct em_timer *timer, int64_t due_us);
/* Removes the timer; does nothing if it is not set. */
void em_timers_cancel(struct em_timers *timers, struct em_timer *timer);
/* The timer that is due first; NULL if none is set. */
struct em_timer *em_timers_first(const struct em_timers *timers);

/* Frees the heap, not the timers. */
void em_timers_free(struct em_timers *timers);

#endif
