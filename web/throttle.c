#include "web/throttle.h"

#include "shared/base/random.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <string.h>

enum { SETS = 2048, WAYS = 8, SECRET_BYTES = 16 };
#define SECOND_US INT64_C(1000000)
#define HOUR_US   (3600 * SECOND_US)

struct bucket {
    uint64_t key;      /* 0: free */
    int64_t credit_us; /* a token is the time in which one comes back; a full bucket is an hour */
    int64_t at_us;     /* when credit_us was right */
};

struct mr_throttle {
    int64_t token_us;
    unsigned char secret[SECRET_BYTES];
    pthread_mutex_t lock;
    struct bucket buckets[SETS][WAYS]; /* protected by lock */
};

enum mr_status mr_throttle_new(int64_t per_hour, struct mr_throttle **ret, struct mr_err *err)
{
    struct mr_throttle *throttle = calloc(1, sizeof *throttle);
    if (!throttle)
        return mr_fail_oom(err);
    throttle->token_us = HOUR_US / per_hour;
    pthread_mutex_init(&throttle->lock, NULL);
    enum mr_status status = mr_random_bytes(throttle->secret, sizeof throttle->secret, err);
    if (status != MR_OK) {
        mr_throttle_free(throttle);
        return status;
    }
    *ret = throttle;
    return MR_OK;
}

void mr_throttle_free(struct mr_throttle *throttle)
{
    if (!throttle)
        return;
    pthread_mutex_destroy(&throttle->lock);
    free(throttle);
}

/* Never 0. Without memory for the hash all keys meet, which errs on the safe side. */
static uint64_t hash_of(const struct mr_throttle *throttle, const char *key)
{
    unsigned char digest[EVP_MAX_MD_SIZE] = {0};
    uint64_t hash = 0;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 &&
        EVP_DigestUpdate(ctx, throttle->secret, sizeof throttle->secret) == 1 &&
        EVP_DigestUpdate(ctx, key, strlen(key)) == 1)
        (void)!EVP_DigestFinal_ex(ctx, digest, NULL);
    EVP_MD_CTX_free(ctx);
    memcpy(&hash, digest, sizeof hash);
    return hash ? hash : 1;
}

static void add_credit(struct bucket *bucket, int64_t credit_us)
{
    if (credit_us > 0)
        bucket->credit_us = credit_us < HOUR_US - bucket->credit_us ? bucket->credit_us + credit_us : HOUR_US;
}

/* The key's bucket as it is now; with `make`, a new one in place of the fullest of its set. NULL if there is none. */
static struct bucket *find_locked(struct mr_throttle *throttle, uint64_t key, int64_t now_us, bool make)
{
    struct bucket *set = throttle->buckets[key % SETS], *fullest = NULL;
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].key) {
            add_credit(&set[i], now_us - set[i].at_us);
            set[i].at_us = now_us;
        }
        if (set[i].key == key)
            return &set[i];
        if (!fullest || (fullest->key && (!set[i].key || set[i].credit_us > fullest->credit_us)))
            fullest = &set[i];
    }
    if (!make)
        return NULL;
    *fullest = (struct bucket){.key = key, .credit_us = HOUR_US, .at_us = now_us};
    return fullest;
}

int64_t mr_throttle_take(struct mr_throttle *throttle, const char *key, int64_t now_us)
{
    const uint64_t hash = hash_of(throttle, key);
    int64_t wait_s = 0;
    pthread_mutex_lock(&throttle->lock);
    struct bucket *bucket = find_locked(throttle, hash, now_us, true);
    if (bucket->credit_us >= throttle->token_us)
        bucket->credit_us -= throttle->token_us;
    else
        wait_s = (throttle->token_us - bucket->credit_us + SECOND_US - 1) / SECOND_US;
    pthread_mutex_unlock(&throttle->lock);
    return wait_s;
}

void mr_throttle_give_back(struct mr_throttle *throttle, const char *key, int64_t now_us)
{
    const uint64_t hash = hash_of(throttle, key);
    pthread_mutex_lock(&throttle->lock);
    struct bucket *bucket = find_locked(throttle, hash, now_us, false);
    if (bucket)
        add_credit(bucket, throttle->token_us);
    pthread_mutex_unlock(&throttle->lock);
}

void mr_throttle_forget(struct mr_throttle *throttle, const char *key)
{
    const uint64_t hash = hash_of(throttle, key);
    pthread_mutex_lock(&throttle->lock);
    for (size_t i = 0; i < WAYS; i++)
        if (throttle->buckets[hash % SETS][i].key == hash)
            throttle->buckets[hash % SETS][i] = (struct bucket){0};
    pthread_mutex_unlock(&throttle->lock);
}
