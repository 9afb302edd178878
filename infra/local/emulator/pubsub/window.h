/*
 * How fast to push to one subscription: the window of outstanding pushes, and the push backoff. Sources:
 * https://cloud.google.com/pubsub/docs/push#push_backoff, …#flow_control
 *
 * The window starts at 4. It doubles when a window's worth of answers has more than 99 % acks, with an average
 * latency below a second; a nack halves it (never below 1). The limit of 256 is ours, for a machine with few
 * cores. A nack also pauses the whole subscription for 100 ms, doubled by each further nack up to 60 s; an ack
 * halves the next pause.
 *
 * Pushes that were in progress when a nack came in say nothing new. So only a nack of a push that started after
 * the last nack counts (`round`); otherwise one failure with 100 pushes outstanding would mean a minute's pause.
 *
 * Pure; protected by the lock of em_pubsub.
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
    int64_t backoff_us;    /* length of the last pause, halved by each ack since; 0: none */
    int64_t not_before_us; /* monotonic; no push starts before */
    uint64_t round;        /* counts the nacks that counted */
    int answers;           /* since the last change of the window: answers, acks, and the latencies of acks */
    int acks;
    int64_t latency_us;
};

/* Start state: the first window, no backoff. */
void em_push_window_init(struct em_push_window *window);

/* Record the outcome of a push. `round` is the window's round when the push started, latency_us its duration. */
void em_push_window_acked(struct em_push_window *window, int64_t latency_us);
void em_push_window_nacked(struct em_push_window *window, uint64_t round, int64_t now_us);

/* The delay of a retry policy before the attempt after `attempt` (1, 2, …): min_us, doubled by each attempt, at most
 * max_us. */
int64_t em_retry_policy_delay(int64_t min_us, int64_t max_us, int64_t attempt);

#endif
