/* Throttles: token buckets in bounded memory, and what a login or signup counts for. */
#include "web/login_guard.h"
#include "web/throttle.h"

#include "shared/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { SECOND = 1000000, HOUR_S = 3600 };

static void tokens_come_back_evenly(void **state)
{
    (void)state;
    MR_AUTO(mr_throttle) struct mr_throttle *throttle = NULL;
    assert_int_equal(mr_throttle_new(60, &throttle, NULL), MR_OK);
    int64_t now = 1;
    for (int i = 0; i < 60; i++)
        assert_int_equal(mr_throttle_take(throttle, "a", now), 0);
    assert_int_equal(mr_throttle_take(throttle, "a", now), 60);
    assert_int_equal(mr_throttle_take(throttle, "b", now), 0);
    now += 59 * (int64_t)SECOND;
    assert_int_equal(mr_throttle_take(throttle, "a", now), 1);
    now += SECOND;
    assert_int_equal(mr_throttle_take(throttle, "a", now), 0);
    assert_int_equal(mr_throttle_take(throttle, "a", now), 60);
    mr_throttle_give_back(throttle, "a", now);
    assert_int_equal(mr_throttle_take(throttle, "a", now), 0);
    mr_throttle_forget(throttle, "a");
    for (int i = 0; i < 60; i++)
        assert_int_equal(mr_throttle_take(throttle, "a", now), 0);
    now += 100LL * HOUR_S * SECOND; /* never more than a full bucket */
    for (int i = 0; i < 60; i++)
        assert_int_equal(mr_throttle_take(throttle, "a", now), 0);
    assert_true(mr_throttle_take(throttle, "a", now) > 0);
}

/* Keys that were seen once make room before the one that is throttled. */
static void many_keys_do_not_free_one(void **state)
{
    (void)state;
    MR_AUTO(mr_throttle) struct mr_throttle *throttle = NULL;
    assert_int_equal(mr_throttle_new(3, &throttle, NULL), MR_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(mr_throttle_take(throttle, "guessed", 1), 0);
    for (int i = 0; i < 100000; i++) {
        char key[32];
        snprintf(key, sizeof key, "key %d", i);
        assert_int_equal(mr_throttle_take(throttle, key, 1), 0);
    }
    assert_true(mr_throttle_take(throttle, "guessed", 1) > 0);
}

static void ipv6_addresses_count_as_networks(void **state)
{
    static const char *const table[][2] = {{"1.2.3.4", "1.2.3.4"},
                                           {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"},
                                           {"2001:DB8:1:2::9", "2001:db8:1:2::"},
                                           {"::ffff:1.2.3.4", "::ffff:1.2.3.4"}};
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char address[MR_LOGIN_ADDRESS_MAX];
        mr_login_address(table[i][0], address);
        assert_string_equal(address, table[i][1]);
    }
}

static const struct mr_login_limits limits = {
    .failures_address = 30, .failures_account = 10, .signups_address = 5, .guests_address = 5};

/* One attempt; true if it was allowed. */
static bool try_login(struct mr_login_guard *guard, const char *address, const char *account,
                      enum mr_login_end end)
{
    struct mr_login_attempt attempt;
    struct mr_err err = {0};
    if (mr_login_begin(guard, address, account, &attempt, &err) != MR_OK) {
        assert_int_equal(err.code, MR_CODE_TOO_MANY_LOGINS);
        assert_in_range(err.retry_after_s, 1, HOUR_S);
        return false;
    }
    mr_login_end(guard, &attempt, end);
    return true;
}

static int count_allowed(struct mr_login_guard *guard, const char *address, const char *account)
{
    int allowed = 0;
    for (int i = 0; i < 100; i++)
        allowed += try_login(guard, address, account, MR_LOGIN_WRONG);
    return allowed;
}

static void wrong_passwords_are_throttled_but_nobody_is_locked_out(void **state)
{
    (void)state;
    MR_AUTO(mr_login_guard) struct mr_login_guard *guard = NULL;
    assert_int_equal(mr_login_guard_new(&limits, &guard, NULL), MR_OK);
    assert_int_equal(count_allowed(guard, "1.1.1.1", "Ann"), 10);
    assert_int_equal(count_allowed(guard, "1.1.1.1", "aNN"), 0);
    /* From elsewhere a few tries are left, and the owner needs one. */
    assert_true(try_login(guard, "2.2.2.2", "ann", MR_LOGIN_WRONG));
    assert_true(try_login(guard, "2.2.2.2", "ann", MR_LOGIN_RIGHT));
    assert_int_equal(count_allowed(guard, "3.3.3.3", "ann") <= 4, true);
    /* Another account from the guessing address: only up to the address's own limit. */
    assert_int_equal(count_allowed(guard, "1.1.1.1", "bob"), 10);
    assert_int_equal(count_allowed(guard, "1.1.1.1", "cid"), 10);
    assert_int_equal(count_allowed(guard, "1.1.1.1", "dan"), 0);
}

static void right_and_undecided_logins_cost_nothing(void **state)
{
    (void)state;
    MR_AUTO(mr_login_guard) struct mr_login_guard *guard = NULL;
    assert_int_equal(mr_login_guard_new(&limits, &guard, NULL), MR_OK);
    for (int i = 0; i < 200; i++)
        assert_true(try_login(guard, "1.1.1.1", "ann", i % 2 ? MR_LOGIN_RIGHT : MR_LOGIN_UNDECIDED));
    assert_int_equal(count_allowed(guard, "1.1.1.1", "ann"), 10);
    /* A login that was not decided gives back no more than it took. */
    for (int i = 0; i < 10; i++)
        assert_false(try_login(guard, "1.1.1.1", "ann", MR_LOGIN_UNDECIDED));
}

static void signups_are_throttled(void **state)
{
    (void)state;
    MR_AUTO(mr_login_guard) struct mr_login_guard *guard = NULL;
    struct mr_err err = {0};
    assert_int_equal(mr_login_guard_new(&limits, &guard, NULL), MR_OK);
    for (int i = 0; i < 5; i++)
        assert_int_equal(mr_login_count_signup(guard, "1.1.1.1", &err), MR_OK);
    assert_int_equal(mr_login_count_signup(guard, "1.1.1.1", &err), MR_EXHAUSTED);
    assert_int_equal(err.code, MR_CODE_TOO_MANY_SIGNUPS);
    assert_in_range(err.retry_after_s, 1, HOUR_S);
    assert_int_equal(mr_login_count_signup(guard, "1.1.1.2", &err), MR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_come_back_evenly),
        cmocka_unit_test(many_keys_do_not_free_one),
        cmocka_unit_test(ipv6_addresses_count_as_networks),
        cmocka_unit_test(wrong_passwords_are_throttled_but_nobody_is_locked_out),
        cmocka_unit_test(right_and_undecided_logins_cost_nothing),
        cmocka_unit_test(signups_are_throttled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
