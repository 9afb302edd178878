#include "shared/gcp/oidc_verified.h"

#include "shared/base/clock.h"

#include <openssl/evp.h>
#include <string.h>
#include <time.h>

void mr_oidc_verified_init(struct mr_oidc_verified *verified)
{
    *verified = (struct mr_oidc_verified){0};
    pthread_mutex_init(&verified->lock, NULL);
}

void mr_oidc_verified_destroy(struct mr_oidc_verified *verified)
{
    pthread_mutex_destroy(&verified->lock);
}

static bool digest_of(const char *token, unsigned char ret[MR_OIDC_DIGEST_BYTES])
{
    unsigned len = 0;
    return EVP_Digest(token, strlen(token), ret, &len, EVP_sha256(), NULL) == 1 &&
           len == MR_OIDC_DIGEST_BYTES;
}

bool mr_oidc_verified_has(struct mr_oidc_verified *verified, const char *token)
{
    unsigned char digest[MR_OIDC_DIGEST_BYTES];
    bool found = false;
    if (!digest_of(token, digest))
        return false;
    const int64_t now_s = time(NULL), now_us = mr_time_monotonic_us();
    pthread_mutex_lock(&verified->lock);
    for (size_t i = 0; i < MR_OIDC_VERIFIED_MAX && !found; i++)
        found = now_s < verified->tokens[i].expires_s && now_us < verified->tokens[i].until_us &&
                memcmp(digest, verified->tokens[i].digest, sizeof digest) == 0;
    pthread_mutex_unlock(&verified->lock);
    return found;
}

void mr_oidc_verified_note(struct mr_oidc_verified *verified, const char *token, int64_t expires_s,
                           int64_t until_us)
{
    unsigned char digest[MR_OIDC_DIGEST_BYTES];
    if (!digest_of(token, digest))
        return;
    pthread_mutex_lock(&verified->lock);
    const unsigned place = verified->next;
    verified->next = (place + 1) % MR_OIDC_VERIFIED_MAX;
    memcpy(verified->tokens[place].digest, digest, sizeof digest);
    verified->tokens[place].expires_s = expires_s;
    verified->tokens[place].until_us = until_us;
    pthread_mutex_unlock(&verified->lock);
}
