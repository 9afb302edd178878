/*
 * Guests: users who try mediarun without an account (GUESTS=1). A guest is a row of users without a password, with a time at
 * which it ends, with quotas of its own (shared/base/quotas.def), and with a login token that lasts as long. How many there
 * are is bounded for each address and altogether. A guest can become an account, which keeps its tasks; the others are deleted
 * with all that they have, as accounts are (account_removal.h). Of an address only a hash with JWT_SECRET is stored.
 */
#ifndef MR_WEB_GUESTS_H
#define MR_WEB_GUESTS_H

#include "web/app.h"

enum { MR_GUEST_NAME_MAX = 40 };

/* Makes a guest for the address `remote`. MR_EXHAUSTED with code "too_many_guests" and the time to wait. Any thread. */
MR_MUST_CHECK enum mr_status mr_guest_make(struct mr_web *web, const char *remote, int64_t *ret_id,
                                           char ret_name[MR_GUEST_NAME_MAX], struct mr_err *err);

/* Makes a guest an account; its login tokens end. password_hash as from mr_password_hash. MR_CONFLICT with code
 * "username_taken" or "email_taken"; MR_UNAUTHENTICATED if it is no guest any more. Any thread. */
MR_MUST_CHECK enum mr_status mr_guest_keep(struct mr_db *db, int64_t id, const char *username,
                                           const char *email, const char *password_hash, struct mr_err *err);

/* Begins to delete the guests whose time is over: a job of the sweep. Adds how many to *total. Any thread. */
MR_MUST_CHECK enum mr_status mr_guests_expire(struct mr_web *web, int64_t *total, struct mr_err *err);

#endif
