/* The bulkhead: who is slow gets a part, everybody else is free, and its memory is bounded. */
#include "worker/bulkhead.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

enum { SLOTS = 8, USER_MAX = 4, SLOW_MAX = 2, WAIT_MS = 20 };

static int setup(void **state)
{
    struct mr_bulkhead *bulkhead = NULL;
    struct mr_err err = {0};
    enum mr_status status = mr_bulkhead_new(SLOTS, WAIT_MS, &bulkhead, &err);
    *state = bulkhead;
    return status == MR_OK ? 0 : -1;
}

static int teardown(void **state)
{
    mr_bulkhead_free(*state);
    return 0;
}

static int enter_all(struct mr_bulkhead *bulkhead, int64_t user)
{
    int entered = 0;
    while (entered < SLOTS && mr_bulkhead_enter(bulkhead, user))
        entered++;
    return entered;
}

static void leave_all(struct mr_bulkhead *bulkhead, int64_t user, int count, bool slow)
{
    while (count--)
        mr_bulkhead_leave(bulkhead, user, slow);
}

static void nobody_gets_more_than_half(void **state)
{
    assert_int_equal(enter_all(*state, 1), USER_MAX); /* from the first one on, whether they hang or not */
    assert_int_equal(enter_all(*state, 2), USER_MAX);
    leave_all(*state, 1, USER_MAX, false);
    assert_int_equal(enter_all(*state, 1), USER_MAX);
}

static void slow_users_get_a_part_until_they_are_quick(void **state)
{
    assert_int_equal(enter_all(*state, 1), USER_MAX);
    leave_all(*state, 1, USER_MAX, true);
    assert_int_equal(enter_all(*state, 1), SLOW_MAX);
    assert_int_equal(enter_all(*state, 2), USER_MAX); /* nobody else's affair */
    mr_bulkhead_leave(*state, 1, true);
    assert_true(mr_bulkhead_enter(*state, 1));
    assert_false(mr_bulkhead_enter(*state, 1));
    mr_bulkhead_leave(*state, 1, false);
    assert_int_equal(enter_all(*state, 1), USER_MAX - 1); /* one still runs */
}

static void who_runs_is_not_forgotten(void **state)
{
    struct mr_bulkhead *bulkhead = *state;
    assert_int_equal(enter_all(bulkhead, 1), USER_MAX); /* however many others come by */
    for (int64_t user = 2; user < 5000; user++) {
        assert_true(mr_bulkhead_enter(bulkhead, user));
        mr_bulkhead_leave(bulkhead, user, true);
    }
    leave_all(bulkhead, 1, USER_MAX, true);
    assert_int_equal(enter_all(bulkhead, 1), SLOW_MAX);
}

static void *enter(void *bulkhead)
{
    static bool entered;
    entered = mr_bulkhead_enter(bulkhead, 1);
    return &entered;
}

/* A burst of quick webhooks flows: those that find no room get it as soon as there is some. */
static void quick_webhooks_wait_for_room(void **state)
{
    (void)state;
    struct mr_bulkhead *patient = NULL;
    struct mr_err err = {0};
    pthread_t thread;
    void *entered = NULL;
    assert_int_equal(mr_bulkhead_new(2, 30000, &patient, &err), MR_OK);
    assert_true(mr_bulkhead_enter(patient, 1));
    assert_int_equal(pthread_create(&thread, NULL, enter, patient), 0);
    mr_bulkhead_leave(patient, 1, false);
    pthread_join(thread, &entered);
    assert_true(*(bool *)entered);
    mr_bulkhead_free(patient);
}

static void one_slot_is_left_to_all(void **state)
{
    (void)state;
    struct mr_bulkhead *one = NULL;
    struct mr_err err = {0};
    assert_int_equal(mr_bulkhead_new(1, WAIT_MS, &one, &err), MR_OK);
    assert_true(mr_bulkhead_enter(one, 1));
    mr_bulkhead_leave(one, 1, true);
    assert_true(mr_bulkhead_enter(one, 1));
    mr_bulkhead_free(one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nobody_gets_more_than_half, setup, teardown),
        cmocka_unit_test_setup_teardown(slow_users_get_a_part_until_they_are_quick, setup, teardown),
        cmocka_unit_test_setup_teardown(who_runs_is_not_forgotten, setup, teardown),
        cmocka_unit_test(quick_webhooks_wait_for_room),
        cmocka_unit_test(one_slot_is_left_to_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
