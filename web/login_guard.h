/*
 * How often passwords may be guessed and accounts made (web/throttle.h). Wrong passwords count for the address they come
 * from, and for the account.
 *
 * A lock on an account would itself be an attack: anybody could lock anybody out. So when an account has had too many
 * wrong passwords, from however many addresses, only those addresses wait that have guessed themselves; an address
 * that has not may still try a few times, which is what its owner needs.
 *
 * Addresses are IPv4 addresses, or IPv6 networks of 64 bits. Any thread may call.
 */
#ifndef MR_WEB_LOGIN_GUARD_H
#define MR_WEB_LOGIN_GUARD_H

#include "shared/base/cleanup.h"
#include "shared/base/err.h"

#include <stdint.h>

struct mr_login_guard;

struct mr_login_limits {
    int64_t failures_address, failures_account, signups_address, guests_address; /* an hour, at least 1 */
};

/* MR_EXHAUSTED without memory. */
MR_MUST_CHECK enum mr_status mr_login_guard_new(const struct mr_login_limits *limits,
                                                struct mr_login_guard **ret, struct mr_err *err);
void mr_login_guard_free(struct mr_login_guard *guard);
MR_DEFINE_CLEANUP(mr_login_guard, mr_login_guard_free)

enum { MR_LOGIN_ADDRESS_MAX = 64, MR_LOGIN_ACCOUNT_MAX = 400 };

/* A login in progress. The fields belong to the guard. */
struct mr_login_attempt {
    char address[MR_LOGIN_ADDRESS_MAX];
    char account[MR_LOGIN_ACCOUNT_MAX];
    char pair[MR_LOGIN_ADDRESS_MAX + MR_LOGIN_ACCOUNT_MAX];
    bool account_counted, pair_counted;
};

/* How it ended. */
enum mr_login_end { MR_LOGIN_WRONG, MR_LOGIN_RIGHT, MR_LOGIN_UNDECIDED };

/*
 * Before a password is checked: counts a failure in advance, so that many logins at once cannot slip through. If it
 * succeeds one mr_login_end must follow. MR_EXHAUSTED with code "too_many_logins" and the time to wait. account: as
 * the client wrote it, in any case of letters.
 */
MR_MUST_CHECK enum mr_status mr_login_begin(struct mr_login_guard *guard, const char *remote,
                                            const char *account, struct mr_login_attempt *ret,
                                            struct mr_err *err);
/* Takes back what was counted unless the password was wrong. */
void mr_login_end(struct mr_login_guard *guard, const struct mr_login_attempt *attempt,
                  enum mr_login_end end);

/* Counts a signup. Code "too_many_signups". */
MR_MUST_CHECK enum mr_status mr_login_count_signup(struct mr_login_guard *guard, const char *remote,
                                                   struct mr_err *err);

/* Counts a new guest. Code "too_many_guests". */
MR_MUST_CHECK enum mr_status mr_login_count_guest(struct mr_login_guard *guard, const char *remote,
                                                  struct mr_err *err);

/* Counts a mail for a new password: as many an hour from one address as signups. Code "too_many_resets". */
MR_MUST_CHECK enum mr_status mr_login_count_reset(struct mr_login_guard *guard, const char *remote,
                                                  struct mr_err *err);

/* The address that counts: of IPv6 the network of 64 bits. */
void mr_login_address(const char *remote, char out[MR_LOGIN_ADDRESS_MAX]);

#endif
