/* The bulkhead: who is slow gets a part, everybody else is free, and its memory is bounded. */
#include "worker/bulkhead.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

enum { SLOTS = 8, SLOW_MAX = 2 };

static int setup(void **state)
{
    struct mr_bulkhead *bulkhead = NULL;
    struct mr_err err = {0};
    enum mr_status status = mr_bulkhead_new(SLOTS, &bulkhead, &err);
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

static void quick_users_may_have_all(void **state)
{
    assert_int_equal(enter_all(*state, 1), SLOTS);
    leave_all(*state, 1, SLOTS, false);
    assert_int_equal(enter_all(*state, 1), SLOTS);
}

static void slow_users_get_a_part_until_they_are_quick(void **state)
{
    assert_int_equal(enter_all(*state, 1), SLOTS);
    leave_all(*state, 1, SLOTS, true);
    assert_int_equal(enter_all(*state, 1), SLOW_MAX);
    assert_int_equal(enter_all(*state, 2), SLOTS); /* nobody else's affair */
    mr_bulkhead_leave(*state, 1, true);
    assert_true(mr_bulkhead_enter(*state, 1));
    assert_false(mr_bulkhead_enter(*state, 1));
    mr_bulkhead_leave(*state, 1, false);
    assert_int_equal(enter_all(*state, 1), SLOTS);
}

static void who_runs_is_not_forgotten(void **state)
{
    struct mr_bulkhead *bulkhead = *state;
    assert_int_equal(enter_all(bulkhead, 1), SLOTS); /* however many others come by */
    for (int64_t user = 2; user < 5000; user++) {
        assert_true(mr_bulkhead_enter(bulkhead, user));
        mr_bulkhead_leave(bulkhead, user, true);
    }
    leave_all(bulkhead, 1, SLOTS, true);
    assert_int_equal(enter_all(bulkhead, 1), SLOW_MAX);
}

static void one_slot_is_left_to_all(void **state)
{
    (void)state;
    struct mr_bulkhead *one = NULL;
    struct mr_err err = {0};
    assert_int_equal(mr_bulkhead_new(1, &one, &err), MR_OK);
    assert_true(mr_bulkhead_enter(one, 1));
    mr_bulkhead_leave(one, 1, true);
    assert_true(mr_bulkhead_enter(one, 1));
    mr_bulkhead_free(one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(quick_users_may_have_all, setup, teardown),
        cmocka_unit_test_setup_teardown(slow_users_get_a_part_until_they_are_quick, setup, teardown),
        cmocka_unit_test_setup_teardown(who_runs_is_not_forgotten, setup, teardown),
        cmocka_unit_test(one_slot_is_left_to_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
