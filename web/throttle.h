/*
 * Throttles: how often something may happen for a key (an address, an account), as token buckets. A new key has a full
 * bucket; each event takes a token; tokens come back evenly over an hour.
 *
 * Memory is bounded: a table of fixed size, in which a key may use one of a few places. When they are taken, the
 * fullest bucket, about which least is known, makes room. Keys are only kept as a hash with a random secret, so nobody
 * can choose keys that meet. In memory of one process: each instance of web counts for itself. Any thread may call.
 */
#ifndef MR_WEB_THROTTLE_H
#define MR_WEB_THROTTLE_H

#include "shared/base/cleanup.h"
#include "shared/base/err.h"

#include <stdint.h>

struct mr_throttle;

/* per_hour ≥ 1 is both the size of a bucket and how many tokens come back in an hour. MR_EXHAUSTED. */
MR_MUST_CHECK enum mr_status mr_throttle_new(int64_t per_hour, struct mr_throttle **ret, struct mr_err *err);
void mr_throttle_free(struct mr_throttle *throttle);
MR_DEFINE_CLEANUP(mr_throttle, mr_throttle_free)

/* Takes a token at a time (microseconds, monotonic). Returns 0, or the seconds until there is one. */
int64_t mr_throttle_take(struct mr_throttle *throttle, const char *key, int64_t now_us);
/* Puts a token back. */
void mr_throttle_give_back(struct mr_throttle *throttle, const char *key, int64_t now_us);
/* Fills the bucket. */
void mr_throttle_forget(struct mr_throttle *throttle, const char *key);

#endif
