/*
 * The version that a user's login tokens must have (users.token_version): each "log out everywhere" raises it. Every
 * request with a token asks for it, so answers are kept for MR_TOKEN_VERSION_MS, in bounded memory: a token that was
 * ended is refused at once by the instance that ended it, and within that time by the others. Any thread may call.
 */
#ifndef MR_WEB_TOKEN_VERSIONS_H
#define MR_WEB_TOKEN_VERSIONS_H

#include "shared/base/cleanup.h"
#include "shared/data/db.h"

enum { MR_TOKEN_VERSION_MS = 800 };

struct mr_token_versions;

/* MR_EXHAUSTED without memory. db must outlive it. */
MR_MUST_CHECK enum mr_status mr_token_versions_new(struct mr_db *db, struct mr_token_versions **ret,
                                                   struct mr_err *err);
void mr_token_versions_free(struct mr_token_versions *versions);
MR_DEFINE_CLEANUP(mr_token_versions, mr_token_versions_free)

/* MR_UNAUTHENTICATED unless the user exists and has this version. */
MR_MUST_CHECK enum mr_status mr_token_version_check(struct mr_token_versions *versions, int64_t user_id,
                                                    int64_t version, struct mr_err *err);
/* After the version of a user has changed. */
void mr_token_version_forget(struct mr_token_versions *versions, int64_t user_id);

#endif
