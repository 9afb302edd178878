/*
 * Pushes that are held without a slot, because another worker runs their task: a bounded list of tickets. Any thread
 * may call.
 */
#ifndef MR_WORKER_HELD_H
#define MR_WORKER_HELD_H

#include "worker/slots.h"

struct mr_held {
    pthread_mutex_t lock; /* protects all fields below */
    struct mr_tickets tickets;
    int count, max;
    bool stopped;
};

enum mr_held_outcome { MR_HELD, MR_HELD_FULL, MR_HELD_STOPPED };

/* max: how many are held at once. */
void mr_held_init(struct mr_held *held, int max);
/* Of an empty list. */
void mr_held_destroy(struct mr_held *held);

/* Unless this returns MR_HELD, the ticket stays with the caller. */
enum mr_held_outcome mr_held_add(struct mr_held *held, struct mr_ticket *ticket);
/* Appends all tickets to *ret, and forgets them. */
void mr_held_take(struct mr_held *held, struct mr_tickets *ret);
/* How many are held. */
int mr_held_count(struct mr_held *held);
/* No more are taken. */
void mr_held_stop(struct mr_held *held);

#endif
