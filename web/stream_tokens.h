/*
 * Stream tokens: what a page puts into a URL as `?token=` where the browser sends no headers (EventSource, <audio>,
 * <video>). JWTs as login tokens are, valid for five minutes and for one purpose; they only read, and end with the login
 * tokens of their user or with the API key that asked for them. Any thread.
 */
#ifndef MR_WEB_STREAM_TOKENS_H
#define MR_WEB_STREAM_TOKENS_H

#include "shared/base/err.h"
#include "shared/base/random.h"

#include <stdint.h>

enum { MR_STREAM_TOKEN_SECONDS = 300 };

struct mr_stream_pass {
    int64_t user_id;
    bool is_guest;                  /* the user */
    int64_t version;                /* of the user's login tokens */
    int64_t key_id;                 /* of the API key that asked for it; 0: a login token did */
    int64_t task_id;                /* whose files it opens; 0: it opens event streams */
    char file_id[MR_UUID_TEXT_MAX]; /* of that task */
    int64_t ends_s;                 /* seconds since 1970: when a stream that it opens must end */
};

/* *ret_token is malloc'ed. */
MR_MUST_CHECK enum mr_status mr_stream_token_issue(const char *jwt_secret, const struct mr_stream_pass *pass,
                                                   char **ret_token, struct mr_err *err);
/* Whether a text is a stream token, not that of a link. */
bool mr_stream_token_is_one(const char *token);
/* What a token allows; whether its user or key still may is not asked. MR_UNAUTHENTICATED with code "bad_stream_token". */
MR_MUST_CHECK enum mr_status mr_stream_token_check(const char *jwt_secret, const char *token,
                                                   struct mr_stream_pass *ret, struct mr_err *err);
/* Fails with that status and code. */
enum mr_status mr_stream_token_refuse(struct mr_err *err);

#endif
