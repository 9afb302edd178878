/* How a job's end is told to Pub/Sub: only what a retry can cure is refused. Source: DESIGN's table of the
 * push handler. */
#include "worker/push.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void every_end_has_its_answer(void **state)
{
    (void)state;
    static const struct {
        enum mr_job_end end;
        int http_status;
    } table[] = {
        {MR_JOB_COMMITTED, 204}, {MR_JOB_FAILED, 204}, {MR_JOB_EXHAUSTED, 204}, {MR_JOB_STALE, 204},
        {MR_JOB_ELSEWHERE, 204}, {MR_JOB_LOST, 204},   {MR_JOB_RELEASED, 503},  {MR_JOB_STOPPED, 429},
    };
    assert_int_equal(sizeof table / sizeof *table, MR_JOB_ENDS);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        assert_int_equal(mr_push_answer(table[i].end), table[i].http_status);
        assert_true(strlen(mr_job_end_name(table[i].end)) > 0);
    }
}

enum { NO_WAIT = 0, LONG_WAIT_MS = 20000 };

static void slots_are_taken_and_given_back(void **state)
{
    (void)state;
    struct mr_slots slots;
    mr_slots_init(&slots, 2);
    assert_true(mr_slots_take(&slots, NO_WAIT));
    assert_true(mr_slots_take(&slots, NO_WAIT));
    assert_false(mr_slots_take(&slots, NO_WAIT));
    assert_false(mr_slots_take(&slots, 10));
    mr_slots_give_back(&slots);
    assert_true(mr_slots_take(&slots, NO_WAIT));
    mr_slots_give_back(&slots);
    mr_slots_stop(&slots);
    assert_true(mr_slots_stopping(&slots));
    assert_false(mr_slots_take(&slots, LONG_WAIT_MS));
    mr_slots_destroy(&slots);
}

static void *take_with_patience(void *arg)
{
    return mr_slots_take(arg, LONG_WAIT_MS) ? arg : NULL;
}

/* With one slot one may wait; whoever comes then is refused at once, and the one who waits gets the slot. */
static void one_waits_and_the_next_is_refused(void **state)
{
    (void)state;
    struct mr_slots slots;
    pthread_t waiter;
    void *taken = NULL;
    mr_slots_init(&slots, 1);
    assert_true(mr_slots_take(&slots, NO_WAIT));
    assert_int_equal(pthread_create(&waiter, NULL, take_with_patience, &slots), 0);
    for (bool waiting = false; !waiting;) {
        pthread_mutex_lock(&slots.lock);
        waiting = slots.waiting == 1;
        pthread_mutex_unlock(&slots.lock);
        sched_yield();
    }
    assert_false(mr_slots_take(&slots, LONG_WAIT_MS));
    mr_slots_give_back(&slots);
    pthread_join(waiter, &taken);
    assert_ptr_equal(taken, &slots);
    mr_slots_destroy(&slots);
}

static void stopping_wakes_who_waits(void **state)
{
    (void)state;
    struct mr_slots slots;
    pthread_t waiter;
    void *taken = &slots;
    mr_slots_init(&slots, 1);
    assert_true(mr_slots_take(&slots, NO_WAIT));
    assert_int_equal(pthread_create(&waiter, NULL, take_with_patience, &slots), 0);
    mr_slots_stop(&slots);
    pthread_join(waiter, &taken);
    assert_null(taken);
    mr_slots_destroy(&slots);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_end_has_its_answer),
        cmocka_unit_test(slots_are_taken_and_given_back),
        cmocka_unit_test(one_waits_and_the_next_is_refused),
        cmocka_unit_test(stopping_wakes_who_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
