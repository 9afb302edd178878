/* Random bytes and UUIDs from getrandom(2). Any thread may call these. */
#ifndef MR_BASE_RANDOM_H
#define MR_BASE_RANDOM_H

#include "shared/base/err.h"

#define MR_UUID_TEXT_MAX 37
/* A random UUID, version 4 (RFC 9562), lower case. */
MR_MUST_CHECK enum mr_status mr_uuid_generate(char out[MR_UUID_TEXT_MAX], struct mr_err *err);
/* True for 8-4-4-4-12 hex digits. */
bool mr_uuid_is_valid(const char *text);

/* Fills out with len bytes from getrandom(2). */
MR_MUST_CHECK enum mr_status mr_random_bytes(void *out, size_t len, struct mr_err *err);

#endif
