/*
 * Passwords: the rule for new ones, and their hashes (scrypt, RFC 7914).
 *
 * Hashing takes 32 MiB and about a tenth of a second, so at most `slots` hashes run at once and `waiters` further
 * callers wait; the others fail at once. Of both together one address may have half, so that a flood from one address
 * leaves room for others. Any thread may call.
 */
#ifndef MR_WEB_PASSWORDS_H
#define MR_WEB_PASSWORDS_H

#include "shared/base/cleanup.h"
#include "shared/base/err.h"

enum { MR_PASSWORD_HASH_MAX = 128 }; /* bytes, with the NUL */

struct mr_passwords; /* the login slots */

/*
 * Has OpenSSL take the memory of a hash in pages of 2 MiB where the kernel has them: the faults of 8,192 small pages take longer
 * than the hash on a virtual machine. For the start of main: OpenSSL accepts it before its first allocation only.
 */
void mr_passwords_use_huge_pages(void);

/* How many slots a machine should have: as many as cores, as more would only take turns, in at most a quarter of its memory;
 * at least one. */
int mr_passwords_slots(int cores, int64_t memory);
/* slots ≥ 1, waiters ≥ 0. MR_EXHAUSTED without memory. */
MR_MUST_CHECK enum mr_status mr_passwords_new(int slots, int waiters, struct mr_passwords **ret,
                                              struct mr_err *err);
/* No call may be running. NULL is allowed. */
void mr_passwords_free(struct mr_passwords *passwords);
MR_DEFINE_CLEANUP(mr_passwords, mr_passwords_free)

/*
 * Accepts 15 to 128 characters, 5 of them different; 8 to 128 with a lower-case letter, an upper-case letter and a digit;
 * or 5 to 20 that also contain one of $ # @. Blanks count as characters; control characters are not accepted. Characters
 * are code points in NFC. MR_INVALID with code "weak_password" states the rule.
 * The first is what NIST SP 800-63B §5.1.1.2 asks for, the others are what older systems' clients send.
 */
MR_MUST_CHECK enum mr_status mr_password_check_rule(const char *password, struct mr_err *err);

/* Writes "scrypt$N$r$p$salt$key" with a new random salt, of the password in NFC. address: whose call it is. May wait for a
 * login slot; MR_EXHAUSTED with code "login_busy" if too many wait. */
MR_MUST_CHECK enum mr_status mr_password_hash(struct mr_passwords *passwords, const char *address,
                                              const char *password, char out[MR_PASSWORD_HASH_MAX],
                                              struct mr_err *err);

/*
 * MR_OK if the password matches the hash in any composition, MR_UNAUTHENTICATED if not. With hash NULL (no such user) it takes
 * the same time and fails, so that the response time does not show which users exist. May wait, and fail, as
 * mr_password_hash.
 */
MR_MUST_CHECK enum mr_status mr_password_verify(struct mr_passwords *passwords, const char *address,
                                                const char *password, const char *hash, struct mr_err *err);

/* False if the hash was made with other parameters than new ones are: it should be replaced at the next login. */
bool mr_password_hash_is_current(const char *hash);

#endif
