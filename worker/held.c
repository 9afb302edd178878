#include "worker/held.h"

void mr_held_init(struct mr_held *held, int max)
{
    *held = (struct mr_held){.max = max};
    TAILQ_INIT(&held->tickets);
    pthread_mutex_init(&held->lock, NULL);
}

void mr_held_destroy(struct mr_held *held)
{
    pthread_mutex_destroy(&held->lock);
}

enum mr_held_outcome mr_held_add(struct mr_held *held, struct mr_ticket *ticket)
{
    enum mr_held_outcome outcome = MR_HELD;
    pthread_mutex_lock(&held->lock);
    if (held->stopped) {
        outcome = MR_HELD_STOPPED;
    } else if (held->count >= held->max) {
        outcome = MR_HELD_FULL;
    } else {
        TAILQ_INSERT_TAIL(&held->tickets, ticket, entry);
        held->count++;
    }
    pthread_mutex_unlock(&held->lock);
    return outcome;
}

void mr_held_take(struct mr_held *held, struct mr_tickets *ret)
{
    pthread_mutex_lock(&held->lock);
    TAILQ_CONCAT(ret, &held->tickets, entry);
    held->count = 0;
    pthread_mutex_unlock(&held->lock);
}

void mr_held_stop(struct mr_held *held)
{
    pthread_mutex_lock(&held->lock);
    held->stopped = true;
    pthread_mutex_unlock(&held->lock);
}

int mr_held_count(struct mr_held *held)
{
    pthread_mutex_lock(&held->lock);
    const int count = held->count;
    pthread_mutex_unlock(&held->lock);
    return count;
}
