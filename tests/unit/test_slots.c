/* The pools of slots: what each lane may take, who waits, who goes first, and who is refused. */
#include "worker/slots.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { NO_WAIT = 0, SHORT_WAIT_MS = 10, LONG_WAIT_MS = 20000 };

static const enum mr_lane NORMAL = MR_LANE_NORMAL, HIGH = MR_LANE_HIGH, DELIVERIES = MR_LANE_DELIVERIES;

static struct mr_slots slots;

static void begin(int normal, int high, int deliveries)
{
    mr_slots_init(&slots, (const int[MR_LANES]){normal, high, deliveries});
}

/* The pool that a slot came from, or MR_LANES. */
static enum mr_lane take(enum mr_lane lane, int wait_ms)
{
    enum mr_lane pool = MR_LANES;
    return mr_slots_take(&slots, lane, wait_ms, &pool) ? pool : MR_LANES;
}

/* A thread that waits for a slot of a lane. */
struct waiter {
    pthread_t thread;
    enum mr_lane lane;
    enum mr_lane pool;
};

static void *wait_for_slot(void *arg)
{
    struct waiter *waiter = arg;
    waiter->pool = take(waiter->lane, LONG_WAIT_MS);
    return NULL;
}

/* Returns once the thread waits, as the count'th of its lane. */
static void start(struct waiter *waiter, enum mr_lane lane, int count)
{
    waiter->lane = lane;
    assert_int_equal(pthread_create(&waiter->thread, NULL, wait_for_slot, waiter), 0);
    for (bool waiting = false; !waiting; sched_yield()) {
        pthread_mutex_lock(&slots.lock);
        waiting = slots.lanes[lane].waiting == count;
        pthread_mutex_unlock(&slots.lock);
    }
}

static enum mr_lane result_of(struct waiter *waiter)
{
    pthread_join(waiter->thread, NULL);
    return waiter->pool;
}

/* Each letter takes without waiting: n(ormal), h(igh), d(elivery). Expected: the pool each slot comes from,
 * or
 * '-'. */
static void lanes_take_what_is_theirs(void **state)
{
    (void)state;
    static const struct {
        int normal, high, deliveries;
        const char *takes, *expected;
    } table[] = {
        {2, 1, 1, "nnn", "nn-"},         {2, 1, 1, "nnh", "nnh"},   {2, 1, 1, "nnhh", "nnh-"},
        {2, 1, 1, "hhhh", "nnh-"},       {2, 1, 1, "hn", "nn"},     {2, 1, 1, "hhn", "nn-"},
        {1, 0, 1, "nh", "n-"},           {1, 0, 1, "h", "n"},       {1, 1, 2, "ddd", "dd-"},
        {1, 1, 2, "nhddnhd", "nhdd---"}, {1, 1, 2, "ddnh", "ddnh"},
    };
    static const char letters[] = {
        [MR_LANE_NORMAL] = 'n', [MR_LANE_HIGH] = 'h', [MR_LANE_DELIVERIES] = 'd', [MR_LANES] = '-'};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        begin(table[i].normal, table[i].high, table[i].deliveries);
        for (size_t n = 0; table[i].takes[n]; n++) {
            char wanted = table[i].takes[n];
            enum mr_lane lane = wanted == 'n' ? NORMAL : wanted == 'h' ? HIGH : DELIVERIES;
            assert_int_equal(letters[take(lane, NO_WAIT)], table[i].expected[n]);
        }
        mr_slots_destroy(&slots);
    }
}

static void a_slot_goes_back_to_its_pool(void **state)
{
    (void)state;
    begin(1, 1, 1);
    assert_int_equal(take(NORMAL, NO_WAIT), NORMAL);
    assert_int_equal(take(HIGH, NO_WAIT), HIGH);
    mr_slots_give_back(&slots, HIGH);
    assert_int_equal(take(NORMAL, SHORT_WAIT_MS), MR_LANES);
    assert_int_equal(take(HIGH, NO_WAIT), HIGH);
    mr_slots_give_back(&slots, NORMAL);
    assert_int_equal(take(NORMAL, NO_WAIT), NORMAL);
    mr_slots_destroy(&slots);
}

/* With one slot one may wait; the next is refused at once, and the one who waits gets the slot. */
static void one_waits_and_the_next_is_refused(void **state)
{
    (void)state;
    for (enum mr_lane lane = NORMAL; lane < MR_LANES; lane++) {
        struct waiter waiter;
        begin(1, 0, 1);
        enum mr_lane pool = take(lane, NO_WAIT);
        start(&waiter, lane, 1);
        assert_int_equal(take(lane, LONG_WAIT_MS), MR_LANES);
        mr_slots_give_back(&slots, pool);
        assert_int_equal(result_of(&waiter), pool);
        mr_slots_destroy(&slots);
    }
}

/* Normal work that has waited longer lets high work go first, and is not forgotten. */
static void high_work_goes_first(void **state)
{
    (void)state;
    struct waiter normal, high;
    begin(1, 0, 1);
    assert_int_equal(take(NORMAL, NO_WAIT), NORMAL);
    start(&normal, NORMAL, 1);
    start(&high, HIGH, 1);
    mr_slots_give_back(&slots, NORMAL);
    assert_int_equal(result_of(&high), NORMAL);
    mr_slots_give_back(&slots, NORMAL);
    assert_int_equal(result_of(&normal), NORMAL);
    mr_slots_destroy(&slots);
}

/* A slot of one pool wakes who can use it, whoever else waits. */
static void lanes_wait_side_by_side(void **state)
{
    (void)state;
    struct waiter normal, high, delivery;
    begin(1, 1, 1);
    assert_int_equal(take(NORMAL, NO_WAIT), NORMAL);
    assert_int_equal(take(HIGH, NO_WAIT), HIGH);
    assert_int_equal(take(DELIVERIES, NO_WAIT), DELIVERIES);
    start(&normal, NORMAL, 1);
    start(&delivery, DELIVERIES, 1);
    start(&high, HIGH, 1);
    mr_slots_give_back(&slots, DELIVERIES);
    assert_int_equal(result_of(&delivery), DELIVERIES);
    mr_slots_give_back(&slots, HIGH);
    assert_int_equal(result_of(&high), HIGH);
    mr_slots_give_back(&slots, NORMAL);
    assert_int_equal(result_of(&normal), NORMAL);
    mr_slots_destroy(&slots);
}

static void stopping_wakes_who_waits(void **state)
{
    (void)state;
    struct waiter waiters[MR_LANES];
    begin(1, 1, 1);
    for (enum mr_lane lane = NORMAL; lane < MR_LANES; lane++)
        assert_int_equal(take(lane, NO_WAIT), lane);
    for (enum mr_lane lane = NORMAL; lane < MR_LANES; lane++)
        start(&waiters[lane], lane, 1);
    assert_false(mr_slots_stopping(&slots));
    mr_slots_stop(&slots);
    for (enum mr_lane lane = NORMAL; lane < MR_LANES; lane++)
        assert_int_equal(result_of(&waiters[lane]), MR_LANES);
    mr_slots_give_back(&slots, NORMAL);
    assert_true(mr_slots_stopping(&slots));
    assert_int_equal(take(NORMAL, LONG_WAIT_MS), MR_LANES);
    mr_slots_destroy(&slots);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lanes_take_what_is_theirs),         cmocka_unit_test(a_slot_goes_back_to_its_pool),
        cmocka_unit_test(one_waits_and_the_next_is_refused), cmocka_unit_test(high_work_goes_first),
        cmocka_unit_test(lanes_wait_side_by_side),           cmocka_unit_test(stopping_wakes_who_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
