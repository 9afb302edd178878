/* The slots of each lane: whose turn it is, what one user may hold while others wait, and who gives a slot back. */
#include "worker/slots.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { MAX = 32, ROOMY = 1000, HALF = 50, DELIVERER = 0 };

static const enum mr_lane NORMAL = MR_LANE_NORMAL, HIGH = MR_LANE_HIGH, DELIVERIES = MR_LANE_DELIVERIES;

static struct mr_slots slots;
static struct mr_ticket tickets[MAX];

static void begin(int normal, int high, int deliveries, int waiting_max, int share)
{
    memset(tickets, 0, sizeof tickets);
    mr_slots_init(&slots, (const int[MR_LANES]){normal, high, deliveries}, waiting_max, share, HALF);
}

static bool join(int n, enum mr_lane lane, int64_t user)
{
    tickets[n].lane = lane;
    tickets[n].user = user;
    return mr_slots_join(&slots, &tickets[n]);
}

static bool join_unit(int n, int64_t user, int64_t task)
{
    tickets[n].task = task;
    return join(n, NORMAL, user);
}

static size_t count(struct mr_tickets *list)
{
    size_t n = 0;
    struct mr_ticket *ticket;
    TAILQ_FOREACH(ticket, list, entry)
    {
        n++;
    }
    return n;
}

/* The number of the ticket that a slot of the pool goes to; there must be one. */
static int next(enum mr_lane pool)
{
    return (int)(mr_slots_next(&slots, pool) - tickets);
}

static void leave(int n)
{
    mr_slots_leave(&slots, &tickets[n]);
}

/* Each letter of `users` is a ticket of a lane (capital: high) for its user; expected: the order in which slots of
 * the normal pool go to them, one after the other, while all before are held (hold) or given back. */
static void turns(void **state)
{
    (void)state;
    static const struct {
        int normal;
        bool hold;
        const char *users, *expected;
    } table[] = {
        {4, true, "aaaa", "aaaa"},   /* alone: everything */
        {4, true, "aaab", "aaba"},   /* the share is two */
        {4, true, "aaaabb", "aabb"}, /* */
        {2, true, "aaab", "ab"},     /* the share is one */
        {1, true, "ab", "a"},        /* one slot is nobody's share */
        {2, false, "aaab", "aaab"},  /* who gave the slot back is below the share again */
        {2, false, "aB", "Ba"},      /* high priority first */
        {4, true, "aAAA", "AAAa"},   /* within one user as well */
        {4, true, "AAAb", "AAbA"},   /* but not beyond a share */
        {3, true, "aab", "aba"},     /* half of three is one */
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char got[MAX + 1] = "";
        begin(table[i].normal, 1, 1, ROOMY, HALF);
        for (int n = 0; table[i].users[n]; n++) {
            char user = table[i].users[n];
            assert_true(join(n, user < 'a' ? HIGH : NORMAL, user | ' '));
        }
        for (size_t n = 0; n < strlen(table[i].expected); n++) {
            int taken = next(NORMAL);
            got[n] = table[i].users[taken];
            if (!table[i].hold)
                leave(taken);
        }
        assert_string_equal(got, table[i].expected);
        mr_slots_destroy(&slots);
    }
}

static void the_share_is_a_percentage(void **state)
{
    (void)state;
    static const struct {
        int slots, percent, share;
    } table[] = {{10, 50, 5}, {10, 10, 1}, {10, 1, 1}, {10, 99, 9}, {10, 100, 10}, {3, 67, 2}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        begin(table[i].slots, 0, 1, ROOMY, table[i].percent);
        for (int n = 0; n < 10; n++)
            assert_true(join(n, NORMAL, 1));
        assert_true(join(10, NORMAL, 2));
        int before = 0;
        while (before < table[i].slots && next(NORMAL) != 10)
            before++;
        assert_int_equal(before, table[i].share);
        mr_slots_destroy(&slots);
    }
}

/* With all slots taken by one user, each that comes gets one back, the newest, until that user has just a share. */
static void excess_is_given_back(void **state)
{
    (void)state;
    begin(4, 0, 1, ROOMY, HALF);
    for (int n = 0; n < 6; n++)
        assert_true(join(n, NORMAL, 1));
    for (int n = 0; n < 4; n++)
        assert_int_equal(next(NORMAL), n);
    for (int n = 0; n < 4; n++)
        assert_false(tickets[n].yields);
    assert_true(join(10, NORMAL, 2));
    assert_true(tickets[3].yields);
    assert_false(tickets[2].yields);
    assert_true(join(11, NORMAL, 2));
    assert_true(tickets[2].yields);
    assert_true(join(12, NORMAL, 2)); /* above its own share */
    assert_true(join(13, NORMAL, 3)); /* nobody is above the share any more */
    assert_false(tickets[0].yields || tickets[1].yields);
    leave(3);
    assert_int_equal(next(NORMAL), 10);
    assert_false(tickets[0].yields || tickets[1].yields);
    leave(2);
    assert_int_equal(next(NORMAL), 11);
    leave(11);
    assert_int_equal(next(NORMAL), 12); /* first come, first: both are below the share */
    mr_slots_destroy(&slots);
}

/* Each letter of `tickets` is a waiting ticket, all of one user but those with a mark: a to c units of three tasks, x another
 * task. The order in which slots of the normal pool go to them. */
static void units_have_a_share_of_their_own(void **state)
{
    (void)state;
    static const struct {
        int normal;
        bool hold;
        const char *waiting, *expected;
    } table[] = {
        {4, true, "aaaa", "aaaa"},    /* nothing else waits */
        {4, true, "aaaax", "aaxa"},   /* the share is two */
        {4, true, "aaaabb", "aabb"},  /* of each task */
        {2, true, "aaxx", "ax"},      /* */
        {4, true, "aaaaxx", "aaxx"},  /* */
        {2, false, "aaaxx", "aaaxx"}, /* who gave the slot back is below the share again */
        {1, false, "aaaxx", "axaxa"}, /* less than a slot: in turns */
        {1, false, "aab", "aba"},     {1, false, "aaa", "aaa"},
        {4, true, "aaaX", "Xaaa"}, /* high priority first */
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char got[MAX + 1] = "";
        begin(table[i].normal, 1, 1, ROOMY, 100);
        for (int n = 0; table[i].waiting[n]; n++) {
            char letter = table[i].waiting[n];
            tickets[n].task = letter < 'x' && letter >= 'a' ? letter : 0;
            assert_true(join(n, letter < 'a' ? HIGH : NORMAL, 1));
        }
        for (size_t n = 0; n < strlen(table[i].expected); n++) {
            int taken = next(NORMAL);
            got[n] = table[i].waiting[taken];
            if (!table[i].hold)
                leave(taken);
        }
        assert_string_equal(got, table[i].expected);
        mr_slots_destroy(&slots);
    }
}

/* Units hold all slots: other tasks of the user get theirs back, the newest first, but not those within the share. */
static void units_above_their_share_are_given_back(void **state)
{
    (void)state;
    begin(4, 0, 1, ROOMY, HALF);
    for (int n = 0; n < 6; n++)
        assert_true(join_unit(n, 1, 7));
    for (int n = 0; n < 4; n++)
        assert_int_equal(next(NORMAL), n);
    assert_false(tickets[3].yields); /* for units of the same task nothing is given back */
    assert_true(join(10, NORMAL, 1));
    assert_true(tickets[3].yields);
    assert_false(tickets[2].yields);
    leave(3);
    assert_true(join_unit(3, 1, 7));
    assert_int_equal(next(NORMAL), 10);
    assert_false(tickets[2].yields);
    assert_true(join(11, NORMAL, 2));
    assert_true(tickets[2].yields);
    leave(2);
    assert_int_equal(next(NORMAL), 11);
    assert_true(join(12, NORMAL, 1)); /* no task is above the share any more */
    assert_false(tickets[0].yields || tickets[1].yields || tickets[10].yields);
    leave(10);
    assert_int_equal(next(NORMAL), 12); /* before the units that have waited for longer */
    mr_slots_destroy(&slots);
    begin(1, 0, 1, ROOMY, HALF);
    assert_true(join_unit(0, 1, 7));
    assert_int_equal(next(NORMAL), 0);
    assert_true(join(1, NORMAL, 2) && join(2, NORMAL, 1));
    assert_false(tickets[0].yields); /* one slot is nobody's share */
    mr_slots_destroy(&slots);
}

/* Units of a task with a full share of the slots leave the places to other tasks. */
static void units_leave_room(void **state)
{
    (void)state;
    struct mr_tickets excess = TAILQ_HEAD_INITIALIZER(excess);
    begin(2, 0, 1, ROOMY, 100);
    for (int n = 0; n < 4; n++)
        assert_true(join_unit(n, 1, 7));
    assert_true(join_unit(4, 1, 8) && join(5, NORMAL, 1));
    assert_false(mr_slots_has_share(&slots, &tickets[3]));
    assert_int_equal(next(NORMAL), 0);
    assert_true(mr_slots_has_share(&slots, &tickets[3]));
    assert_false(mr_slots_has_share(&slots, &tickets[4]) || mr_slots_has_share(&slots, &tickets[5]));
    mr_slots_take_out_excess(&slots, &excess);
    assert_int_equal(count(&excess), 3);
    assert_ptr_equal(TAILQ_FIRST(&excess), &tickets[1]);
    mr_slots_destroy(&slots);
}

/* A job that gave its slot back joins again and is not asked at once. */
static void yielding_ends_with_the_slot(void **state)
{
    (void)state;
    begin(2, 0, 1, ROOMY, HALF);
    assert_true(join(0, NORMAL, 1) && join(1, NORMAL, 1));
    assert_int_equal(next(NORMAL), 0);
    assert_int_equal(next(NORMAL), 1);
    assert_true(join(2, NORMAL, 2));
    assert_true(tickets[1].yields);
    leave(1);
    assert_true(join(1, NORMAL, 1));
    assert_false(tickets[1].yields);
    assert_int_equal(next(NORMAL), 2);
    leave(2);
    assert_int_equal(next(NORMAL), 1);
    assert_false(tickets[0].yields || tickets[1].yields);
    mr_slots_destroy(&slots);
}

/* A ticket of high priority needs one slot, not one of each pool; deliveries take none from anybody. */
static void one_slot_is_asked_for(void **state)
{
    (void)state;
    begin(2, 2, 1, ROOMY, HALF);
    for (int n = 0; n < 4; n++)
        assert_true(join(n, HIGH, 1));
    for (int n = 0; n < 4; n++)
        assert_int_equal(next(n < 2 ? NORMAL : HIGH), n);
    assert_true(join(5, DELIVERIES, DELIVERER));
    for (int n = 0; n < 4; n++)
        assert_false(tickets[n].yields);
    assert_true(join(4, HIGH, 2));
    assert_true(tickets[1].yields);
    assert_false(tickets[3].yields);
    assert_true(join(6, HIGH, 3));
    assert_true(tickets[3].yields);
    mr_slots_destroy(&slots);
}

static void lanes_are_served_by_their_pools(void **state)
{
    (void)state;
    begin(1, 1, 2, ROOMY, HALF);
    assert_true(join(0, NORMAL, 1) && join(1, DELIVERIES, DELIVERER) && join(2, HIGH, 1));
    assert_true(join(3, DELIVERIES, DELIVERER));
    assert_int_equal(next(HIGH), 2);
    assert_int_equal(next(DELIVERIES), 1);
    assert_int_equal(next(DELIVERIES), 3); /* there is no share */
    assert_int_equal(next(NORMAL), 0);
    mr_slots_destroy(&slots);
}

static void queues_are_bounded(void **state)
{
    (void)state;
    begin(1, 0, 1, 4, HALF);
    assert_true(join(0, NORMAL, 1) && join(1, NORMAL, 1));
    assert_false(join(2, NORMAL, 1)); /* half of the places */
    assert_true(join(3, NORMAL, 2) && join(4, NORMAL, 3));
    assert_false(join(5, NORMAL, 4));
    assert_true(join(6, HIGH, 1));
    for (int n = 7; n < 11; n++)
        assert_true(join(n, DELIVERIES, DELIVERER));
    assert_false(join(11, DELIVERIES, DELIVERER));
    mr_slots_destroy(&slots);
    begin(1, 0, 1, 1, HALF);
    assert_true(join(0, NORMAL, 1));
    assert_false(join(1, NORMAL, 2));
    mr_slots_destroy(&slots);
}

static bool is_of_user(const struct mr_ticket *ticket, void *ctx)
{
    return ticket->user == *(const int64_t *)ctx;
}

static void tickets_are_taken_out(void **state)
{
    (void)state;
    struct mr_tickets out = TAILQ_HEAD_INITIALIZER(out), excess = TAILQ_HEAD_INITIALIZER(excess);
    int64_t user = 2;
    begin(2, 0, 1, ROOMY, HALF);
    for (int n = 0; n < 4; n++)
        assert_true(join(n, NORMAL, 1));
    assert_true(join(4, NORMAL, 2) && join(5, HIGH, 2) && join(6, DELIVERIES, DELIVERER));
    assert_false(mr_slots_has_share(&slots, &tickets[0]));
    assert_int_equal(next(NORMAL), 5);
    assert_true(mr_slots_has_share(&slots, &tickets[4]));
    assert_int_equal(next(NORMAL), 0);
    mr_slots_take_out(&slots, is_of_user, &user, &out);
    assert_int_equal(count(&out), 1);
    mr_slots_take_out_excess(&slots, &excess);
    assert_int_equal(count(&excess), 3);
    assert_ptr_equal(TAILQ_FIRST(&excess), &tickets[1]);
    assert_int_equal(next(DELIVERIES), 6);
    assert_true(join(1, NORMAL, 1));
    leave(0);
    assert_int_equal(next(NORMAL), 1);
    mr_slots_destroy(&slots);
}

/* Units that wait for longer than they should are for other workers, unless other tickets of the lane wait. */
static void units_are_taken_out(void **state)
{
    (void)state;
    struct mr_tickets out = TAILQ_HEAD_INITIALIZER(out);
    begin(2, 0, 1, ROOMY, HALF);
    for (int n = 0; n < 3; n++)
        assert_true(join_unit(n, 1, 7));
    mr_slots_take_out_units(&slots, INT64_C(60000000), &out);
    assert_int_equal(count(&out), 0);
    tickets[2].since_us -= INT64_C(70000000);
    for (int i = 0; i < 2; i++) { /* it waits on while it is taken out */
        mr_slots_take_out_units(&slots, INT64_C(60000000), &out);
        assert_ptr_equal(TAILQ_FIRST(&out), &tickets[2]);
        TAILQ_REMOVE(&out, &tickets[2], entry);
        assert_true(join_unit(2, 1, 7));
    }
    assert_true(join(3, HIGH, 1)); /* another lane */
    assert_int_equal(next(NORMAL), 3);
    assert_true(join(4, NORMAL, 2));
    mr_slots_take_out_units(&slots, 0, &out);
    assert_int_equal(count(&out), 0);
    assert_int_equal(next(NORMAL), 4);
    leave(3);
    assert_int_equal(next(NORMAL), 0);
    mr_slots_take_out_units(&slots, 0, &out);
    assert_int_equal(count(&out), 2);
    assert_ptr_equal(TAILQ_FIRST(&out), &tickets[1]);
    assert_int_equal(mr_slots_load_of(&slots, NORMAL).waiting, 0);
    mr_slots_destroy(&slots);
}

/* Where jobs are long, pushes of a user with a full share leave room for others'; where they are short, some wait. */
static void tickets_of_short_jobs_may_wait(void **state)
{
    (void)state;
    struct mr_tickets excess = TAILQ_HEAD_INITIALIZER(excess);
    begin(2, 0, 1, ROOMY, HALF);
    assert_true(join(0, NORMAL, 1));
    assert_int_equal(next(NORMAL), 0);
    assert_true(mr_slots_has_share(&slots, &tickets[0]));
    for (int ended = 0; ended < 12; ended++) {
        assert_true(join(1, NORMAL, 2));
        assert_int_equal(next(NORMAL), 1);
        leave(1);
    }
    for (int n = 2; n < 10; n++)
        assert_true(join(n, NORMAL, 1));
    assert_false(mr_slots_has_share(&slots, &tickets[2]));
    assert_true(mr_slots_has_share(&slots, &tickets[9]));
    mr_slots_take_out_excess(&slots, &excess);
    /* Three at most wait: a quarter of two seconds' jobs. */
    assert_true(count(&excess) >= 5 && count(&excess) < 8);
    assert_int_equal(mr_slots_room(&slots, NORMAL), 64 - 8 + (int)count(&excess));
    mr_slots_destroy(&slots);
}

/* A thread that waits for a ticket. */
struct waiter {
    pthread_t thread;
    enum mr_lane pool;
    struct mr_ticket *ticket;
};

static void *wait_for_ticket(void *arg)
{
    struct waiter *waiter = arg;
    waiter->ticket = mr_slots_next(&slots, waiter->pool);
    return NULL;
}

static void start(struct waiter *waiter, enum mr_lane pool)
{
    waiter->pool = pool;
    assert_int_equal(pthread_create(&waiter->thread, NULL, wait_for_ticket, waiter), 0);
    for (bool waits = false; !waits; sched_yield()) {
        pthread_mutex_lock(&slots.lock);
        waits = slots.lanes[pool].idle > 0;
        pthread_mutex_unlock(&slots.lock);
    }
}

static struct mr_ticket *result_of(struct waiter *waiter)
{
    pthread_join(waiter->thread, NULL);
    return waiter->ticket;
}

/* High priority takes a normal slot while one is idle, and leaves the reserved one. */
static void normal_slots_first(void **state)
{
    (void)state;
    struct waiter normal, high;
    begin(1, 1, 1, ROOMY, HALF);
    start(&high, HIGH);
    start(&normal, NORMAL);
    assert_int_equal(mr_slots_idle(&slots, HIGH), 2);
    assert_int_equal(mr_slots_idle(&slots, NORMAL), 1);
    assert_true(join(0, HIGH, 1));
    assert_ptr_equal(result_of(&normal), &tickets[0]);
    assert_true(join(1, NORMAL, 1));
    assert_int_equal(mr_slots_idle(&slots, HIGH), 1);
    assert_int_equal(mr_slots_idle(&slots, NORMAL), 0); /* the slot that is idle is for the other lane */
    assert_true(join(2, HIGH, 1));
    assert_ptr_equal(result_of(&high), &tickets[2]);
    assert_int_equal(mr_slots_idle(&slots, HIGH), 0);
    mr_slots_destroy(&slots);
}

static void stopping_wakes_who_waits(void **state)
{
    (void)state;
    struct waiter waiters[MR_LANES];
    begin(1, 1, 1, ROOMY, HALF);
    for (enum mr_lane lane = NORMAL; lane < MR_LANES; lane++)
        start(&waiters[lane], lane);
    assert_false(mr_slots_stopping(&slots));
    mr_slots_stop(&slots);
    for (enum mr_lane lane = NORMAL; lane < MR_LANES; lane++)
        assert_null(result_of(&waiters[lane]));
    assert_true(mr_slots_stopping(&slots));
    assert_false(join(0, NORMAL, 1));
    assert_null(mr_slots_next(&slots, NORMAL));
    mr_slots_destroy(&slots);
}

/* How many a job may have as threads: n of the tickets run, then others wait, too. */
static void idle_slots_are_shared(void **state)
{
    (void)state;
    static const struct {
        int normal, running, waiting, expected;
    } table[] = {{1, 1, 0, 1}, {2, 1, 0, 2}, {2, 2, 0, 1}, {2, 1, 1, 1}, {8, 1, 0, 8},
                 {8, 2, 0, 4}, {8, 3, 0, 2}, {8, 1, 7, 1}, {2, 2, 5, 1}, {4, 0, 0, 4}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        int n = 0;
        begin(table[i].normal, 1, 1, ROOMY, 100);
        for (; n < table[i].running; n++) {
            assert_true(join(n, n == 0 ? HIGH : NORMAL, n + 1));
            next(NORMAL);
        }
        for (; n < table[i].running + table[i].waiting; n++)
            assert_true(join(n, NORMAL, n + 1));
        assert_true(join(n, DELIVERIES, DELIVERER)); /* needs no processor */
        assert_int_equal(mr_slots_portion(&slots), table[i].expected);
        mr_slots_destroy(&slots);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turns),
        cmocka_unit_test(the_share_is_a_percentage),
        cmocka_unit_test(excess_is_given_back),
        cmocka_unit_test(units_have_a_share_of_their_own),
        cmocka_unit_test(units_above_their_share_are_given_back),
        cmocka_unit_test(units_leave_room),
        cmocka_unit_test(yielding_ends_with_the_slot),
        cmocka_unit_test(one_slot_is_asked_for),
        cmocka_unit_test(lanes_are_served_by_their_pools),
        cmocka_unit_test(queues_are_bounded),
        cmocka_unit_test(tickets_are_taken_out),
        cmocka_unit_test(units_are_taken_out),
        cmocka_unit_test(tickets_of_short_jobs_may_wait),
        cmocka_unit_test(normal_slots_first),
        cmocka_unit_test(idle_slots_are_shared),
        cmocka_unit_test(stopping_wakes_who_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
