#include "worker/slots.h"

#include "shared/base/clock.h"

enum {
    PERCENT = 100,
    SECOND_US = 1000000,
    ROOM_PER_SLOT = 32, /* for tiny tasks: what a slot runs until more are recalled */
};

static int share_of(int whole, int percent)
{
    int share = whole * percent / PERCENT;
    return share > 1 ? share : 1;
}

void mr_slots_init(struct mr_slots *slots, const int counts[MR_LANES], int waiting_max, int user_percent,
                   int unit_percent)
{
    *slots = (struct mr_slots){
        .waiting_max = waiting_max, .user_percent = user_percent, .unit_percent = unit_percent};
    atomic_init(&slots->stopping, false);
    for (int lane = 0; lane < MR_LANES; lane++) {
        slots->lanes[lane].slots = counts[lane];
        TAILQ_INIT(&slots->lanes[lane].queue);
        TAILQ_INIT(&slots->lanes[lane].running);
        pthread_cond_init(&slots->lanes[lane].changed, NULL);
    }
    pthread_mutex_init(&slots->lock, NULL);
}

void mr_slots_destroy(struct mr_slots *slots)
{
    for (int lane = 0; lane < MR_LANES; lane++)
        pthread_cond_destroy(&slots->lanes[lane].changed);
    pthread_mutex_destroy(&slots->lock);
}

/* The user's tickets in a list, up to `end` or with NULL all. Those that yield do not count. */
static int count_user(const struct mr_tickets *list, int64_t user, const struct mr_ticket *end)
{
    int count = 0;
    const struct mr_ticket *ticket;
    TAILQ_FOREACH(ticket, list, entry)
    {
        if (ticket == end)
            break;
        count += ticket->user == user && !atomic_load(&ticket->yields);
    }
    return count;
}

/* How many slots of the pool the user may still take without exceeding the share. */
static int left_locked(const struct mr_slots *slots, enum mr_lane pool, int64_t user)
{
    if (user == 0)
        return slots->lanes[pool].slots;
    return share_of(slots->lanes[pool].slots, slots->user_percent) -
           count_user(&slots->lanes[pool].running, user, NULL);
}

/* How many slots of the pool the task of this unit may still take without exceeding the share; of other tickets, all. */
static int units_left_locked(const struct mr_slots *slots, enum mr_lane pool, const struct mr_ticket *unit)
{
    int left = share_of(slots->lanes[pool].slots, slots->unit_percent);
    const struct mr_ticket *ticket;
    if (unit->task == 0)
        return slots->lanes[pool].slots;
    TAILQ_FOREACH(ticket, &slots->lanes[pool].running, entry)
    {
        left -= ticket->task == unit->task && !atomic_load(&ticket->yields);
    }
    return left;
}

/* Where the share is less than a slot, units of a task take turns with other tickets. */
static bool is_out_of_turn_locked(const struct mr_slots *slots, enum mr_lane pool,
                                  const struct mr_ticket *ticket)
{
    return ticket->task && slots->lanes[pool].last_task == ticket->task &&
           slots->lanes[pool].slots * slots->unit_percent < PERCENT;
}

/* 0: the ticket goes first; RANK_USER: its user has a full share; RANK_UNIT and above: so has the task of the unit. */
enum { RANK_USER = 1, RANK_UNIT = 2 };

static int rank_locked(const struct mr_slots *slots, enum mr_lane pool, const struct mr_ticket *ticket)
{
    bool unit_waits =
        units_left_locked(slots, pool, ticket) <= 0 || is_out_of_turn_locked(slots, pool, ticket);
    return unit_waits * RANK_UNIT + (left_locked(slots, pool, ticket->user) <= 0) * RANK_USER;
}

static bool serves(enum mr_lane pool, enum mr_lane lane)
{
    return pool == lane || (pool == MR_LANE_NORMAL && lane == MR_LANE_HIGH);
}

/* The first ticket that a free slot of the pool is for: high priority first, but users and tasks below their share before
 * all others. */
static struct mr_ticket *choose_locked(struct mr_slots *slots, enum mr_lane pool)
{
    static const enum mr_lane order[] = {MR_LANE_HIGH, MR_LANE_NORMAL, MR_LANE_DELIVERIES};
    struct mr_ticket *first = NULL, *ticket;
    int rank, best = RANK_USER + RANK_UNIT + 1;
    for (size_t i = 0; i < MR_LANES; i++) {
        if (!serves(pool, order[i]))
            continue;
        TAILQ_FOREACH(ticket, &slots->lanes[order[i]].queue, entry)
        {
            if ((rank = rank_locked(slots, pool, ticket)) == 0)
                return ticket;
            if (rank < best)
                first = ticket, best = rank;
        }
    }
    return first;
}

/* High-priority work prefers a normal slot, which keeps the reserved ones for when all normal slots are busy. */
static bool may_take_locked(const struct mr_slots *slots, enum mr_lane pool)
{
    return pool != MR_LANE_HIGH || slots->lanes[MR_LANE_HIGH].waiting > slots->lanes[MR_LANE_NORMAL].idle;
}

typedef bool are_alike(const struct mr_ticket *ticket, const struct mr_ticket *other);

static bool are_of_one_user(const struct mr_ticket *ticket, const struct mr_ticket *other)
{
    return ticket->user == other->user;
}

static bool are_of_one_task(const struct mr_ticket *ticket, const struct mr_ticket *other)
{
    return ticket->task == other->task;
}

/* True if fewer than max tickets that are alike stand before this one. */
static bool is_among_first(const struct mr_tickets *list, const struct mr_ticket *ticket, are_alike *alike,
                           int max)
{
    const struct mr_ticket *before;
    TAILQ_FOREACH(before, list, entry)
    {
        if (max <= 0 || before == ticket)
            break;
        max -= alike(ticket, before);
    }
    return max > 0;
}

/* A ticket that may take a slot from a unit of a task above its share: everyone but units of such a task. */
static bool precedes_units_locked(const struct mr_slots *slots, enum mr_lane pool,
                                  const struct mr_ticket *ticket)
{
    return ticket->task == 0 || is_among_first(&slots->lanes[ticket->lane].queue, ticket, are_of_one_task,
                                               units_left_locked(slots, pool, ticket));
}

/* A ticket that may take a slot from a job of a user above the share as well. */
static bool precedes_users_locked(const struct mr_slots *slots, enum mr_lane pool,
                                  const struct mr_ticket *ticket)
{
    return precedes_units_locked(slots, pool, ticket) && ticket->user != 0 &&
           is_among_first(&slots->lanes[ticket->lane].queue, ticket, are_of_one_user,
                          left_locked(slots, pool, ticket->user));
}

typedef bool precedes(const struct mr_slots *slots, enum mr_lane pool, const struct mr_ticket *ticket);

/* Tickets that a slot of the pool is for and that go before those above their share; counts no further than the pool
 * has slots, as the queue can be long. */
static int entitled_locked(const struct mr_slots *slots, enum mr_lane pool, precedes *is_entitled)
{
    int count = 0;
    for (enum mr_lane lane = MR_LANE_NORMAL; lane < MR_LANES; lane++) {
        const struct mr_tickets *queue = &slots->lanes[lane].queue;
        const struct mr_ticket *ticket;
        if (!serves(pool, lane))
            continue;
        TAILQ_FOREACH(ticket, queue, entry)
        {
            if (count == slots->lanes[pool].slots)
                return count;
            count += is_entitled(slots, pool, ticket);
        }
    }
    return count;
}

/* The newest job of a user above the share; NULL: there is none. */
static struct mr_ticket *excess_locked(struct mr_slots *slots, enum mr_lane pool)
{
    struct mr_ticket *ticket;
    TAILQ_FOREACH_REVERSE(ticket, &slots->lanes[pool].running, mr_tickets, entry)
    {
        if (!atomic_load(&ticket->yields) && left_locked(slots, pool, ticket->user) < 0)
            return ticket;
    }
    return NULL;
}

/* The newest unit of a task above the share. */
static struct mr_ticket *excess_unit_locked(struct mr_slots *slots, enum mr_lane pool)
{
    struct mr_ticket *ticket;
    TAILQ_FOREACH_REVERSE(ticket, &slots->lanes[pool].running, mr_tickets, entry)
    {
        if (!atomic_load(&ticket->yields) && units_left_locked(slots, pool, ticket) < 0)
            return ticket;
    }
    return NULL;
}

static int yielding_locked(const struct mr_slots *slots, enum mr_lane pool)
{
    int count = 0;
    const struct mr_ticket *ticket;
    TAILQ_FOREACH(ticket, &slots->lanes[pool].running, entry)
    {
        count += atomic_load(&ticket->yields);
    }
    return count;
}

/* Slots without a job; their threads ask for one, or are about to. */
static int free_locked(const struct mr_slots *slots, enum mr_lane pool)
{
    int count = slots->lanes[pool].slots;
    const struct mr_ticket *ticket;
    TAILQ_FOREACH(ticket, &slots->lanes[pool].running, entry)
    {
        count--;
    }
    return count;
}

/* Asks for as many slots back as entitled tickets wait for. A ticket of the high lane that gets a normal slot needs
 * none of its own. */
static void reclaim_locked(struct mr_slots *slots)
{
    int coming = 0;
    for (enum mr_lane pool = MR_LANE_NORMAL; pool <= MR_LANE_HIGH; pool++) {
        int wanted = entitled_locked(slots, pool, precedes_users_locked);
        int wanted_of_units = entitled_locked(slots, pool, precedes_units_locked);
        struct mr_ticket *excess = NULL;
        coming += free_locked(slots, pool) + yielding_locked(slots, pool);
        for (; coming < wanted_of_units && (excess = excess_unit_locked(slots, pool)); coming++)
            atomic_store(&excess->yields, true);
        for (; coming < wanted && (excess = excess_locked(slots, pool)); coming++)
            atomic_store(&excess->yields, true);
    }
}

static bool join_locked(struct mr_slots *slots, struct mr_ticket *ticket)
{
    enum mr_lane lane = ticket->lane;
    const struct mr_tickets *queue = &slots->lanes[lane].queue;
    if (atomic_load(&slots->stopping) || slots->lanes[lane].waiting >= slots->waiting_max)
        return false;
    if (ticket->user &&
        count_user(queue, ticket->user, NULL) >= share_of(slots->waiting_max, slots->user_percent))
        return false;
    atomic_store(&ticket->yields, false);
    if (!ticket->since_us)
        ticket->since_us = mr_time_monotonic_us();
    TAILQ_INSERT_TAIL(&slots->lanes[lane].queue, ticket, entry);
    slots->lanes[lane].waiting++;
    reclaim_locked(slots);
    for (enum mr_lane pool = MR_LANE_NORMAL; pool < MR_LANES; pool++)
        if (serves(pool, lane))
            pthread_cond_signal(&slots->lanes[pool].changed);
    return true;
}

bool mr_slots_join(struct mr_slots *slots, struct mr_ticket *ticket)
{
    pthread_mutex_lock(&slots->lock);
    bool joined = join_locked(slots, ticket);
    pthread_mutex_unlock(&slots->lock);
    return joined;
}

static struct mr_ticket *take_locked(struct mr_slots *slots, enum mr_lane pool)
{
    struct mr_ticket *ticket = may_take_locked(slots, pool) ? choose_locked(slots, pool) : NULL;
    if (!ticket)
        return NULL;
    TAILQ_REMOVE(&slots->lanes[ticket->lane].queue, ticket, entry);
    slots->lanes[ticket->lane].waiting--;
    TAILQ_INSERT_TAIL(&slots->lanes[pool].running, ticket, entry);
    slots->lanes[pool].last_task = ticket->task;
    ticket->pool = pool;
    ticket->since_us = 0;
    return ticket;
}

struct mr_ticket *mr_slots_next(struct mr_slots *slots, enum mr_lane pool)
{
    struct mr_ticket *ticket = NULL;
    pthread_mutex_lock(&slots->lock);
    slots->lanes[pool].idle++;
    while (!atomic_load(&slots->stopping) && !(ticket = take_locked(slots, pool)))
        pthread_cond_wait(&slots->lanes[pool].changed, &slots->lock);
    slots->lanes[pool].idle--;
    if (ticket)
        reclaim_locked(slots);
    if (slots->lanes[MR_LANE_HIGH].waiting) /* its own slots may be asked now: may_take_locked */
        pthread_cond_signal(&slots->lanes[MR_LANE_HIGH].changed);
    pthread_mutex_unlock(&slots->lock);
    return ticket;
}

/* Jobs of the lane that ended in this second of the clock and in the one before. */
static int ended_locked(const struct mr_slots *slots, enum mr_lane lane)
{
    int64_t since = mr_time_monotonic_us() / SECOND_US - slots->lanes[lane].second;
    return since == 0   ? slots->lanes[lane].ended + slots->lanes[lane].ended_before
           : since == 1 ? slots->lanes[lane].ended
                        : 0;
}

static void note_end_locked(struct mr_slots *slots, enum mr_lane lane)
{
    int64_t second = mr_time_monotonic_us() / SECOND_US;
    if (second != slots->lanes[lane].second) {
        slots->lanes[lane].ended_before =
            second == slots->lanes[lane].second + 1 ? slots->lanes[lane].ended : 0;
        slots->lanes[lane].ended = 0;
        slots->lanes[lane].second = second;
    }
    slots->lanes[lane].ended++;
}

/* Tickets that will have a slot within a second or so: none where jobs are long. */
static int reserve_locked(const struct mr_slots *slots, enum mr_lane lane)
{
    return ended_locked(slots, lane) / 4; /* half of a second's, as two users at least wait */
}

void mr_slots_leave(struct mr_slots *slots, struct mr_ticket *ticket)
{
    pthread_mutex_lock(&slots->lock);
    TAILQ_REMOVE(&slots->lanes[ticket->pool].running, ticket, entry);
    note_end_locked(slots, ticket->lane);
    pthread_mutex_unlock(&slots->lock);
}

/* Of a unit: its task holds a full share of each pool that would serve it. */
static bool has_unit_share_locked(const struct mr_slots *slots, const struct mr_ticket *unit)
{
    for (enum mr_lane pool = MR_LANE_NORMAL; pool < MR_LANES; pool++)
        if (serves(pool, unit->lane) && slots->lanes[pool].slots && units_left_locked(slots, pool, unit) > 0)
            return false;
    return true;
}

static bool has_share_locked(const struct mr_slots *slots, const struct mr_ticket *ticket)
{
    if (ticket->task)
        return has_unit_share_locked(slots, ticket);
    if (ticket->user == 0)
        return false;
    for (enum mr_lane pool = MR_LANE_NORMAL; pool < MR_LANES; pool++)
        if (serves(pool, ticket->lane) && slots->lanes[pool].slots &&
            left_locked(slots, pool, ticket->user) > 0)
            return false;
    return !is_among_first(&slots->lanes[ticket->lane].queue, ticket, are_of_one_user,
                           reserve_locked(slots, ticket->lane));
}

bool mr_slots_has_share(struct mr_slots *slots, const struct mr_ticket *ticket)
{
    pthread_mutex_lock(&slots->lock);
    bool has_share = has_share_locked(slots, ticket);
    pthread_mutex_unlock(&slots->lock);
    return has_share;
}

int mr_slots_idle(struct mr_slots *slots, enum mr_lane lane)
{
    int idle = 0;
    pthread_mutex_lock(&slots->lock);
    for (enum mr_lane pool = MR_LANE_NORMAL; pool < MR_LANES; pool++)
        idle += serves(pool, lane) ? slots->lanes[pool].idle : 0;
    if (slots->lanes[lane].waiting)
        idle = 0;
    pthread_mutex_unlock(&slots->lock);
    return idle;
}

int mr_slots_room(struct mr_slots *slots, enum mr_lane lane)
{
    int room = 0;
    pthread_mutex_lock(&slots->lock);
    for (enum mr_lane pool = MR_LANE_NORMAL; pool < MR_LANES; pool++)
        room += serves(pool, lane) ? slots->lanes[pool].slots * ROOM_PER_SLOT : 0;
    room -= slots->lanes[lane].waiting;
    pthread_mutex_unlock(&slots->lock);
    return room > 0 ? room : 0;
}

struct mr_slots_load mr_slots_load_of(struct mr_slots *slots, enum mr_lane lane)
{
    pthread_mutex_lock(&slots->lock);
    struct mr_slots_load load = {.slots = slots->lanes[lane].slots, .waiting = slots->lanes[lane].waiting};
    const struct mr_ticket *ticket;
    TAILQ_FOREACH(ticket, &slots->lanes[lane].running, entry)
    {
        load.busy++;
    }
    pthread_mutex_unlock(&slots->lock);
    return load;
}

int mr_slots_portion(struct mr_slots *slots)
{
    int jobs = 0;
    const struct mr_ticket *ticket;
    pthread_mutex_lock(&slots->lock);
    for (enum mr_lane lane = MR_LANE_NORMAL; lane <= MR_LANE_HIGH; lane++) {
        jobs += slots->lanes[lane].waiting;
        TAILQ_FOREACH(ticket, &slots->lanes[lane].running, entry)
        {
            jobs++;
        }
    }
    int portion = slots->lanes[MR_LANE_NORMAL].slots / (jobs > 1 ? jobs : 1);
    pthread_mutex_unlock(&slots->lock);
    return portion > 1 ? portion : 1;
}

static void take_out_locked(struct mr_slots *slots, struct mr_ticket *ticket, struct mr_tickets *ret)
{
    TAILQ_REMOVE(&slots->lanes[ticket->lane].queue, ticket, entry);
    slots->lanes[ticket->lane].waiting--;
    TAILQ_INSERT_TAIL(ret, ticket, entry);
}

/* wanted NULL: those whose users have a full share, and the reserve before them. */
static void move_waiting(struct mr_slots *slots, mr_ticket_test *wanted, void *ctx, struct mr_tickets *ret)
{
    pthread_mutex_lock(&slots->lock);
    for (enum mr_lane lane = MR_LANE_NORMAL; lane < MR_LANES; lane++) {
        struct mr_ticket *next;
        for (struct mr_ticket *ticket = TAILQ_FIRST(&slots->lanes[lane].queue); ticket; ticket = next) {
            next = TAILQ_NEXT(ticket, entry);
            if (wanted ? wanted(ticket, ctx) : has_share_locked(slots, ticket))
                take_out_locked(slots, ticket, ret);
        }
    }
    pthread_mutex_unlock(&slots->lock);
}

void mr_slots_take_out(struct mr_slots *slots, mr_ticket_test *wanted, void *ctx, struct mr_tickets *ret)
{
    move_waiting(slots, wanted, ctx, ret);
}

void mr_slots_take_out_excess(struct mr_slots *slots, struct mr_tickets *ret)
{
    move_waiting(slots, NULL, NULL, ret);
}

static bool are_all_units_locked(const struct mr_tickets *queue)
{
    const struct mr_ticket *ticket;
    TAILQ_FOREACH(ticket, queue, entry)
    {
        if (!ticket->task)
            return false;
    }
    return true;
}

void mr_slots_take_out_units(struct mr_slots *slots, int64_t wait_us, struct mr_tickets *ret)
{
    const int64_t before_us = mr_time_monotonic_us() - wait_us;
    pthread_mutex_lock(&slots->lock);
    for (enum mr_lane lane = MR_LANE_NORMAL; lane < MR_LANES; lane++) {
        const struct mr_tickets *queue = &slots->lanes[lane].queue;
        struct mr_ticket *next;
        if (!are_all_units_locked(queue))
            continue;
        for (struct mr_ticket *ticket = TAILQ_FIRST(queue); ticket; ticket = next) {
            next = TAILQ_NEXT(ticket, entry);
            if (ticket->since_us <= before_us)
                take_out_locked(slots, ticket, ret);
        }
    }
    pthread_mutex_unlock(&slots->lock);
}

void mr_slots_stop(struct mr_slots *slots)
{
    pthread_mutex_lock(&slots->lock);
    atomic_store(&slots->stopping, true);
    for (int lane = 0; lane < MR_LANES; lane++)
        pthread_cond_broadcast(&slots->lanes[lane].changed);
    pthread_mutex_unlock(&slots->lock);
}

bool mr_slots_stopping(const struct mr_slots *slots)
{
    return atomic_load(&slots->stopping);
}
