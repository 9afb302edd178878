/*
 * A binary min-heap of deadlines. The timer is embedded in what it belongs to and knows its place, so that
 * it can be removed before it is due. Not thread-safe: the store's lock guards it.
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
    size_t reserved; /* timers that may be set without memory */
};

/* Promises room for one more timer: em_timers_set cannot fail for as many timers as were reserved. Each
 * reservation is given back with em_timers_release. MR_EXHAUSTED. */
MR_MUST_CHECK enum mr_status em_timers_reserve(struct em_timers *timers, struct mr_err *err);
void em_timers_release(struct em_timers *timers);

/* Sets (or moves) timer to due_us; needs a reservation. */
void em_timers_set(struct em_timers *timers, struct em_timer *timer, int64_t due_us);
/* Takes timer out; nothing happens if it is not set. */
void em_timers_cancel(struct em_timers *timers, struct em_timer *timer);
/* The timer that is due first; NULL if none is set. */
struct em_timer *em_timers_first(const struct em_timers *timers);

/* Frees the heap, not the timers. */
void em_timers_free(struct em_timers *timers);

#endif
