#include "web/verified_logins.h"

#include "shared/base/clock.h"

#include <openssl/sha.h>
#include <pthread.h>
#include <string.h>

struct place {
    unsigned char digest[SHA256_DIGEST_LENGTH];
    struct mr_login_token login; /* expires_s is 0 where there is none */
};

struct mr_verified_logins {
    pthread_mutex_t lock; /* protects places */
    /* A token has one place, which the newest of those with the same place holds. */
    struct place places[MR_VERIFIED_LOGINS];
};

enum mr_status mr_verified_logins_new(struct mr_verified_logins **ret, struct mr_err *err)
{
    struct mr_verified_logins *logins = calloc(1, sizeof *logins);
    if (!logins)
        return mr_fail_oom(err);
    pthread_mutex_init(&logins->lock, NULL);
    *ret = logins;
    return MR_OK;
}

void mr_verified_logins_free(struct mr_verified_logins *logins)
{
    if (!logins)
        return;
    pthread_mutex_destroy(&logins->lock);
    free(logins);
}

static struct place *place_of(struct mr_verified_logins *logins, const unsigned char *digest)
{
    uint32_t number;
    memcpy(&number, digest, sizeof number);
    return &logins->places[number % MR_VERIFIED_LOGINS];
}

static bool look(struct mr_verified_logins *logins, const unsigned char *digest, struct mr_login_token *ret)
{
    const int64_t now_s = mr_time_now_us() / 1000000;
    pthread_mutex_lock(&logins->lock);
    const struct place *place = place_of(logins, digest);
    bool known = now_s < place->login.expires_s && memcmp(place->digest, digest, sizeof place->digest) == 0;
    if (known)
        *ret = place->login;
    pthread_mutex_unlock(&logins->lock);
    return known;
}

static void keep(struct mr_verified_logins *logins, const unsigned char *digest,
                 const struct mr_login_token *login)
{
    pthread_mutex_lock(&logins->lock);
    struct place *place = place_of(logins, digest);
    memcpy(place->digest, digest, sizeof place->digest);
    place->login = *login;
    pthread_mutex_unlock(&logins->lock);
}

enum mr_status mr_verified_login(struct mr_verified_logins *logins, const char *jwt_secret, const char *token,
                                 struct mr_login_token *ret, struct mr_err *err)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    if (!SHA256((const unsigned char *)token, strlen(token), digest)) /* only for want of memory */
        return mr_login_token_check(jwt_secret, token, ret, err);
    if (look(logins, digest, ret))
        return MR_OK;
    MR_TRY(mr_login_token_check(jwt_secret, token, ret, err));
    keep(logins, digest, ret);
    return MR_OK;
}
