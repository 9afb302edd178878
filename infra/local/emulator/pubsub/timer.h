/*
 * A binary min-heap of deadlines. The timer is embedded in what it belongs to and knows its place, so that
 * it can be removed before it is due. Not thread-safe: the store's lock guards it.
 */
#ifndef MR_EMULATOR_PUBSUB_TIMER_H
#define MR_EMULATOR_PUBSUB_TIMER_H

#include "shared/base/err.h"

#include <stdint.h>

enum mr_timer_kind { MR_TIMER_DELIVERY, MR_TIMER_SUBSCRIPTION };

struct mr_timer {
    int64_t due_us; /* monotonic */
    size_t place;   /* 1-based position in the heap; 0: not set */
    enum mr_timer_kind kind;
};

/* Zero-initialise. */
struct mr_timers {
    struct mr_timer **heap;
    size_t count;
    size_t capacity;
    size_t reserved; /* timers that may be set without memory */
};

/* Promises room for one more timer: mr_timers_set cannot fail for as many timers as were reserved. Each
 * reservation is given back with mr_timers_release. MR_EXHAUSTED. */
MR_MUST_CHECK enum mr_status mr_timers_reserve(struct mr_timers *timers, struct mr_err *err);
void mr_timers_release(struct mr_timers *timers);

/* Sets (or moves) timer to due_us; needs a reservation. */
void mr_timers_set(struct mr_timers *timers, struct mr_timer *timer, int64_t due_us);
/* Takes timer out; nothing happens if it is not set. */
void mr_timers_cancel(struct mr_timers *timers, struct mr_timer *timer);
/* The timer that is due first; NULL if none is set. */
struct mr_timer *mr_timers_first(const struct mr_timers *timers);

/* Frees the heap, not the timers. */
void mr_timers_free(struct mr_timers *timers);

#endif
