/*
 * Passwords: the rule for new ones, and their hashes (scrypt, RFC 7914).
 *
 * Hashing takes 16 MiB and tens of milliseconds, so at most `login_slots` hashes run at once and further
 * callers wait: a flood of logins can use up neither the memory nor all cores. Any thread may call.
 */
#ifndef MR_WEB_PASSWORDS_H
#define MR_WEB_PASSWORDS_H

#include "shared/base/cleanup.h"
#include "shared/base/err.h"

enum { MR_PASSWORD_HASH_MAX = 128 }; /* bytes, with the NUL */

struct mr_passwords; /* the login slots */

/* login_slots ≥ 1. MR_EXHAUSTED without memory. */
MR_MUST_CHECK enum mr_status mr_passwords_new(int login_slots, struct mr_passwords **ret, struct mr_err *err);
/* No call may be running. NULL is allowed. */
void mr_passwords_free(struct mr_passwords *passwords);
MR_DEFINE_CLEANUP(mr_passwords, mr_passwords_free)

/*
 * Accepts 8 to 128 characters with a lower-case letter, an upper-case letter and a digit, or 5 to 20 that
 * also contain one of $ # @; no spaces. MR_INVALID with code "weak_password" says what is missing.
 */
MR_MUST_CHECK enum mr_status mr_password_check_rule(const char *password, struct mr_err *err);

/* Writes "scrypt$N$r$p$salt$key" with a new random salt. May wait for a login slot. */
MR_MUST_CHECK enum mr_status mr_password_hash(struct mr_passwords *passwords, const char *password,
                                              char out[MR_PASSWORD_HASH_MAX], struct mr_err *err);

/*
 * MR_OK if the password matches the hash, MR_UNAUTHENTICATED if not. With hash NULL (no such user) it takes
 * the same time and fails, so that the response time does not show which users exist. May wait for a login
 * slot.
 */
MR_MUST_CHECK enum mr_status mr_password_verify(struct mr_passwords *passwords, const char *password,
                                                const char *hash, struct mr_err *err);

#endif
