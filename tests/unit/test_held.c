/* Pushes that are held: how many, until when. */
#include "worker/held.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void what_is_beyond_the_bound_stays_with_the_caller(void **state)
{
    (void)state;
    struct mr_held held;
    struct mr_ticket tickets[3] = {0};
    struct mr_tickets taken = TAILQ_HEAD_INITIALIZER(taken);
    mr_held_init(&held, 2);
    assert_int_equal(mr_held_add(&held, &tickets[0]), MR_HELD);
    assert_int_equal(mr_held_add(&held, &tickets[1]), MR_HELD);
    assert_int_equal(mr_held_add(&held, &tickets[2]), MR_HELD_FULL);
    mr_held_take(&held, &taken);
    assert_ptr_equal(TAILQ_FIRST(&taken), &tickets[0]);
    assert_ptr_equal(TAILQ_LAST(&taken, mr_tickets), &tickets[1]);
    assert_int_equal(mr_held_add(&held, &tickets[2]), MR_HELD);
    mr_held_take(&held, &taken);
    assert_ptr_equal(TAILQ_LAST(&taken, mr_tickets), &tickets[2]);
    mr_held_destroy(&held);
}

static void none_is_taken_after_the_stop(void **state)
{
    (void)state;
    struct mr_held held;
    struct mr_ticket before = {0}, after = {0};
    struct mr_tickets taken = TAILQ_HEAD_INITIALIZER(taken);
    mr_held_init(&held, 2);
    assert_int_equal(mr_held_add(&held, &before), MR_HELD);
    mr_held_stop(&held);
    assert_int_equal(mr_held_add(&held, &after), MR_HELD_STOPPED);
    mr_held_take(&held, &taken);
    assert_ptr_equal(TAILQ_FIRST(&taken), &before);
    assert_null(TAILQ_NEXT(&before, entry));
    mr_held_destroy(&held);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_beyond_the_bound_stays_with_the_caller),
        cmocka_unit_test(none_is_taken_after_the_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
