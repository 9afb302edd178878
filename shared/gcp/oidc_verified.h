/*
 * Tokens that were verified: Pub/Sub sends one token with all pushes of up to an hour, and to verify a signature costs more
 * than the rest of a push. Only digests of tokens are kept. Any thread may call.
 */
#ifndef MR_GCP_OIDC_VERIFIED_H
#define MR_GCP_OIDC_VERIFIED_H

#include "shared/base/cleanup.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum { MR_OIDC_VERIFIED_MAX = 8, MR_OIDC_DIGEST_BYTES = 32 };

struct mr_oidc_verified {
    pthread_mutex_t lock; /* protects all fields below */
    struct {
        unsigned char digest[MR_OIDC_DIGEST_BYTES];
        int64_t expires_s; /* seconds since 1970 */
        int64_t until_us;  /* CLOCK_MONOTONIC */
    } tokens[MR_OIDC_VERIFIED_MAX];
    unsigned next; /* the one that is overwritten next */
};

void mr_oidc_verified_init(struct mr_oidc_verified *verified);
void mr_oidc_verified_destroy(struct mr_oidc_verified *verified);

/* True if the token was noted, and neither it nor its key has expired since. */
bool mr_oidc_verified_has(struct mr_oidc_verified *verified, const char *token);
/* Notes a token, which expires at expires_s (seconds since 1970) and whose key is good until until_us (CLOCK_MONOTONIC). */
void mr_oidc_verified_note(struct mr_oidc_verified *verified, const char *token, int64_t expires_s,
                           int64_t until_us);

#endif
