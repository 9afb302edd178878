/*
 * Who is calling: passwords (scrypt, RFC 7914) and login tokens (JWT, HS256, one hour).
 *
 * Hashing takes 16 MiB and tens of milliseconds, so at most `login_slots` run at once and the others wait; a
 * flood of logins cannot take the memory or all cores. Any thread may call.
 */
#ifndef MR_WEB_SESSION_H
#define MR_WEB_SESSION_H

#include "shared/base/cleanup.h"
#include "shared/base/err.h"
#include "shared/http/server.h"

#include <stdint.h>

enum { MR_SESSION_SECONDS = 3600, MR_PASSWORD_HASH_MAX = 128 };

struct mr_session;

/* jwt_secret is not owned and must outlive the session. */
MR_MUST_CHECK enum mr_status mr_session_new(const char *jwt_secret, int login_slots, struct mr_session **ret,
                                            struct mr_err *err);
void mr_session_free(struct mr_session *session);
MR_DEFINE_CLEANUP(mr_session, mr_session_free)

/* 8–128 characters with lower, upper and digit, or 5–20 that also hold one of $#@; no blanks. MR_INVALID says
 * what lacks. */
MR_MUST_CHECK enum mr_status mr_password_check_rule(const char *password, struct mr_err *err);

/* "scrypt$N$r$p$salt$key", salted anew each time. */
MR_MUST_CHECK enum mr_status mr_password_hash(struct mr_session *session, const char *password,
                                              char out[MR_PASSWORD_HASH_MAX], struct mr_err *err);

/*
 * MR_OK if password fits hash, MR_UNAUTHENTICATED if not. With hash NULL (no such user) it takes as long and
 * says no, so that time does not tell who exists.
 */
MR_MUST_CHECK enum mr_status mr_password_verify(struct mr_session *session, const char *password,
                                                const char *hash, struct mr_err *err);

/* *ret_token is malloc'ed. */
MR_MUST_CHECK enum mr_status mr_session_issue(const struct mr_session *session, int64_t user_id,
                                              char **ret_token, struct mr_err *err);

/* The user of a request's `Authorization: Bearer` token; MR_UNAUTHENTICATED with the reason. */
MR_MUST_CHECK enum mr_status mr_session_user(const struct mr_session *session, const struct mr_request *req,
                                             int64_t *ret_user_id, struct mr_err *err);
/* As mr_session_user, for answers that go on: also when the token expires, in seconds since 1970. */
MR_MUST_CHECK enum mr_status mr_session_user_until(const struct mr_session *session,
                                                   const struct mr_request *req, int64_t *ret_user_id,
                                                   int64_t *ret_expires_s, struct mr_err *err);

#endif
