/*
 * Slots: how many jobs run at once, which pushes wait for them, and whose turn it is.
 *
 * Every lane has its own pool of slots, so that a flood in one lane does not delay the others. High-priority work
 * takes a slot of the normal pool while one is free, and otherwise one that is reserved for it. A push without a
 * slot waits in its lane's queue as a ticket, without a thread; each slot is a thread that asks for the next
 * ticket.
 *
 * Fair share: a slot goes to the first ticket whose user has less than a share of the pool; only when there is none
 * does a user get more. A job above its user's share is asked to give its slot back as soon as a ticket of a user
 * below the share waits: the newest first, as it loses the least work. So one user can use every slot, but not
 * while others wait. A user also has no more than a share of the queue's places, and with a full share of the slots
 * no more than a reserve of them while others wait: what the slots get through in a second or so, which is none where
 * jobs are long. What waits longer keeps Pub/Sub from pushing other users' tasks.
 *
 * Units of one task have a share as well, against all other tickets, also of the same user: a free slot goes to a unit of a
 * task above it only when nothing else waits, and such a unit is asked for its slot when something does. In a pool whose
 * share is less than a slot, units of a task and other tickets take turns. Within their shares, units give nothing back.
 *
 * Any thread may call.
 */
#ifndef MR_WORKER_SLOTS_H
#define MR_WORKER_SLOTS_H

#include "shared/data/publisher.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/queue.h>

/* A push that waits for a slot or holds one; embedded in what the caller knows of the push. */
struct mr_ticket {
    enum mr_lane lane;
    int64_t user;       /* 0: without a share (deliveries) */
    int64_t task;       /* of a unit; 0: it is none */
    atomic_bool yields; /* its job is asked to end early and to give the slot back */
    /* The fields below belong to the slots while the ticket waits or holds a slot. */
    TAILQ_ENTRY(mr_ticket) entry;
    enum mr_lane pool; /* of the slot that it holds */
    int64_t since_us;  /* when it began to wait, in the queue or taken out of it; 0: it does not */
};
TAILQ_HEAD(mr_tickets, mr_ticket);

struct mr_slots {
    atomic_bool stopping;
    int waiting_max;      /* tickets of each lane */
    int user_percent;     /* of a pool's slots, and of waiting_max, for each user */
    int unit_percent;     /* of a pool's slots, for the units of one task */
    pthread_mutex_t lock; /* protects all fields below */
    struct {
        pthread_cond_t changed; /* there may be a ticket for an idle thread of the pool */
        int slots;
        int idle;                  /* threads that wait for a ticket */
        int waiting;               /* length of the queue */
        int64_t last_task;         /* of the last ticket that got a slot of the pool */
        int64_t second;            /* of the clock, in which a job of the lane ended last */
        int ended, ended_before;   /* jobs, in that second and in the one before */
        struct mr_tickets queue;   /* of the lane; first come, first */
        struct mr_tickets running; /* on slots of the pool; newest last */
    } lanes[MR_LANES];
};

/* counts[lane] slots of each lane; normal must have one. waiting_max tickets, at least 1, wait in each lane. */
void mr_slots_init(struct mr_slots *slots, const int counts[MR_LANES], int waiting_max, int user_percent,
                   int unit_percent);
void mr_slots_destroy(struct mr_slots *slots);

/* Lets a ticket wait for its slot. False if its lane's queue is full or has enough of this user, or if the worker
 * is stopping. */
bool mr_slots_join(struct mr_slots *slots, struct mr_ticket *ticket);

/* The next ticket for a slot of this pool, which it then holds; waits for one. NULL once the worker is stopping. */
struct mr_ticket *mr_slots_next(struct mr_slots *slots, enum mr_lane pool);
/* Gives the ticket's slot back. */
void mr_slots_leave(struct mr_slots *slots, struct mr_ticket *ticket);

/* Moves the waiting tickets for which `wanted` is true to the end of *ret. `wanted` must not call these
 * functions. */
typedef bool mr_ticket_test(const struct mr_ticket *ticket, void *ctx);
void mr_slots_take_out(struct mr_slots *slots, mr_ticket_test *wanted, void *ctx, struct mr_tickets *ret);

/* The same for those for which mr_slots_has_share is true. */
void mr_slots_take_out_excess(struct mr_slots *slots, struct mr_tickets *ret);

/* The same for units that have waited for wait_us in a lane where nothing but units waits. */
void mr_slots_take_out_units(struct mr_slots *slots, int64_t wait_us, struct mr_tickets *ret);

/* True if the ticket's user holds a full share, or more, of each pool that would serve it, and the
 * reserve before it in the queue; of a unit, if its task holds a full share. */
bool mr_slots_has_share(struct mr_slots *slots, const struct mr_ticket *ticket);

/* Slots that tickets of the lane could have at once: they are idle, and no ticket of the lane waits. */
int mr_slots_idle(struct mr_slots *slots, enum mr_lane lane);
/* Tickets that the lane's queue could hold beyond those that wait, so that its slots stay busy for a while. */
int mr_slots_room(struct mr_slots *slots, enum mr_lane lane);

/* For those who watch: slots of the pool, those that hold a job, and tickets that wait in the lane. */
struct mr_slots_load {
    int slots, busy, waiting;
};
struct mr_slots_load mr_slots_load_of(struct mr_slots *slots, enum mr_lane lane);

/* How many of the normal slots a job may use as if it were alone on each of them: those there are, divided by the jobs
 * that run or wait, at least 1. Jobs that come later get theirs back (sandbox.h). */
int mr_slots_portion(struct mr_slots *slots);

/* No ticket gets a slot any more, and running jobs end early. Tickets that wait stay where they are. */
void mr_slots_stop(struct mr_slots *slots);
bool mr_slots_stopping(const struct mr_slots *slots);

#endif
