/*
 * How fast to push to one subscription: the window of outstanding pushes and the push backoff. Source:
 * https://cloud.google.com/pubsub/docs/push#push_backoff, …#flow_control
 *
 * The window starts at 4 and doubles each time that a window's worth of answers came in with more than 99 %
 * acked in less than a second on average; a nack halves it (never below 1). The cap of 256 is ours, for a
 * machine with few cores. A nack also stops the whole subscription for 100 ms, doubled with each further
 * nack up to 60 s; an ack halves the next stop.
 *
 * Pushes that were under way when a nack came in tell nothing new: only a nack of a push begun after the
 * last one counts (`round`), else one bad moment with 100 pushes outstanding would mean a minute's silence.
 *
 * Pure; guarded by the store's lock.
 */
#ifndef EM_PUBSUB_WINDOW_H
#define EM_PUBSUB_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

enum {
    EM_WINDOW_START = 4,
    EM_WINDOW_MAX = 256,
};
#define EM_PUSH_BACKOFF_MIN_US INT64_C(100000)
#define EM_PUSH_BACKOFF_MAX_US INT64_C(60000000)

struct em_push_window {
    int size;              /* pushes that may be outstanding */
    int64_t backoff_us;    /* length of the last stop, halved by each ack since; 0: none */
    int64_t not_before_us; /* monotonic: no push begins before */
    uint64_t round;        /* counts the nacks that mattered */
    int answers;           /* since the window last changed: answers, acks, and the acks' latencies */
    int acks;
    int64_t latency_us;
};

void em_push_window_init(struct em_push_window *window);

/* Records the outcome of a push: `round` is the window's at its begin, latency_us how long it took. */
void em_push_window_acked(struct em_push_window *window, int64_t latency_us);
void em_push_window_nacked(struct em_push_window *window, uint64_t round, int64_t now_us);

/* The wait before message number `attempt`'s (1, 2, …) next try by a retry policy: min doubled each time, at
 * most max. */
int64_t em_retry_policy_delay(int64_t min_us, int64_t max_us, int64_t attempt);

#endif
