#include "web/login_guard.h"

#include "shared/base/clock.h"
#include "web/throttle.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

/* Tries an hour of one address at an account that is being guessed. */
enum { FRESH_TRIES = 3, NETWORK_BYTES = 8 };

struct mr_login_guard {
    struct mr_throttle *addresses, *accounts, *pairs, *signups, *guests, *resets;
};

enum mr_status mr_login_guard_new(const struct mr_login_limits *limits, struct mr_login_guard **ret,
                                  struct mr_err *err)
{
    MR_AUTO(mr_login_guard) struct mr_login_guard *guard = calloc(1, sizeof *guard);
    if (!guard)
        return mr_fail_oom(err);
    MR_TRY(mr_throttle_new(limits->failures_address, &guard->addresses, err));
    MR_TRY(mr_throttle_new(limits->failures_account, &guard->accounts, err));
    MR_TRY(mr_throttle_new(FRESH_TRIES, &guard->pairs, err));
    MR_TRY(mr_throttle_new(limits->signups_address, &guard->signups, err));
    MR_TRY(mr_throttle_new(limits->guests_address, &guard->guests, err));
    MR_TRY(mr_throttle_new(limits->signups_address, &guard->resets, err));
    *ret = MR_TAKE(guard);
    return MR_OK;
}

void mr_login_guard_free(struct mr_login_guard *guard)
{
    if (!guard)
        return;
    mr_throttle_free(guard->addresses);
    mr_throttle_free(guard->accounts);
    mr_throttle_free(guard->pairs);
    mr_throttle_free(guard->signups);
    mr_throttle_free(guard->guests);
    mr_throttle_free(guard->resets);
    free(guard);
}

void mr_login_address(const char *remote, char out[MR_LOGIN_ADDRESS_MAX])
{
    struct in6_addr address;
    snprintf(out, MR_LOGIN_ADDRESS_MAX, "%s", remote);
    if (inet_pton(AF_INET6, remote, &address) != 1 || IN6_IS_ADDR_V4MAPPED(&address))
        return;
    memset(address.s6_addr + NETWORK_BYTES, 0, sizeof address.s6_addr - NETWORK_BYTES);
    (void)!inet_ntop(AF_INET6, &address, out, MR_LOGIN_ADDRESS_MAX);
}

static void name_keys(const char *remote, const char *account, struct mr_login_attempt *attempt)
{
    *attempt = (struct mr_login_attempt){0};
    mr_login_address(remote, attempt->address);
    snprintf(attempt->account, sizeof attempt->account, "%s", account);
    for (char *p = attempt->account; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    snprintf(attempt->pair, sizeof attempt->pair, "%s %s", attempt->address, attempt->account);
}

static enum mr_status wait_for(int64_t seconds, const char *whose, struct mr_err *err)
{
    return mr_retry_after(err,
                          mr_fail_code(err, MR_CODE_TOO_MANY_LOGINS,
                                       "%s had too many wrong passwords; wait %lld s", whose,
                                       (long long)seconds),
                          seconds);
}

enum mr_status mr_login_begin(struct mr_login_guard *guard, const char *remote, const char *account,
                              struct mr_login_attempt *ret, struct mr_err *err)
{
    const int64_t now_us = mr_time_monotonic_us();
    name_keys(remote, account, ret);
    const int64_t address_s = mr_throttle_take(guard->addresses, ret->address, now_us);
    if (address_s)
        return wait_for(address_s, "your address", err);
    const int64_t pair_s = mr_throttle_take(guard->pairs, ret->pair, now_us);
    const int64_t account_s = mr_throttle_take(guard->accounts, ret->account, now_us);
    ret->pair_counted = !pair_s;
    ret->account_counted = !account_s;
    if (ret->pair_counted || ret->account_counted)
        return MR_OK;
    mr_throttle_give_back(guard->addresses, ret->address, now_us);
    return wait_for(pair_s < account_s ? pair_s : account_s, "this account", err);
}

void mr_login_end(struct mr_login_guard *guard, const struct mr_login_attempt *attempt, enum mr_login_end end)
{
    const int64_t now_us = mr_time_monotonic_us();
    if (end == MR_LOGIN_WRONG)
        return;
    mr_throttle_give_back(guard->addresses, attempt->address, now_us);
    if (attempt->account_counted)
        mr_throttle_give_back(guard->accounts, attempt->account, now_us);
    if (end == MR_LOGIN_RIGHT)
        mr_throttle_forget(guard->pairs, attempt->pair);
    else if (attempt->pair_counted)
        mr_throttle_give_back(guard->pairs, attempt->pair, now_us);
}

static enum mr_status count(struct mr_throttle *throttle, const char *remote, enum mr_code code,
                            const char *what, struct mr_err *err)
{
    char key[MR_LOGIN_ADDRESS_MAX];
    mr_login_address(remote, key);
    const int64_t wait_s = mr_throttle_take(throttle, key, mr_time_monotonic_us());
    if (!wait_s)
        return MR_OK;
    return mr_retry_after(
        err, mr_fail_code(err, code, "too many %s from your address; wait %lld s", what, (long long)wait_s),
        wait_s);
}

enum mr_status mr_login_count_signup(struct mr_login_guard *guard, const char *remote, struct mr_err *err)
{
    return count(guard->signups, remote, MR_CODE_TOO_MANY_SIGNUPS, "accounts were made", err);
}

enum mr_status mr_login_count_guest(struct mr_login_guard *guard, const char *remote, struct mr_err *err)
{
    return count(guard->guests, remote, MR_CODE_TOO_MANY_GUESTS, "guests were made", err);
}

enum mr_status mr_login_count_reset(struct mr_login_guard *guard, const char *remote, struct mr_err *err)
{
    return count(guard->resets, remote, MR_CODE_TOO_MANY_RESETS, "mails were asked for", err);
}
