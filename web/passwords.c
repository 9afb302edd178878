#include "web/passwords.h"

#include "shared/base/encoding.h"
#include "shared/base/random.h"
#include "shared/base/unicode.h"

#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <sys/mman.h>

enum { ADDRESS_MAX = 64 };

/* N = 2^15, r = 8, p = 1: 32 MiB. OWASP's password storage cheat sheet asks for 2^17 or, with less memory, for more
 * rounds (2^15, p = 3); the memory of web and the time of a login allow this. */
enum { SCRYPT_N = 32768, SCRYPT_R = 8, SCRYPT_P = 1, SALT_BYTES = 16, KEY_BYTES = 32 };
enum { SCRYPT_BYTES = 128 * SCRYPT_R * SCRYPT_N, SCRYPT_MEMORY_MAX = 64 << 20, BUSY_RETRY_S = 2 };
enum { HUGE_PAGE = 2 << 20 };

struct mr_passwords {
    int slots;
    size_t capacity; /* slots and waiters */
    pthread_mutex_t lock;
    pthread_cond_t freed;
    /* All fields below are protected by lock. */
    int running;
    char (*present)[ADDRESS_MAX]; /* whose calls run or wait; "" is free */
};

int mr_passwords_slots(int cores, int64_t memory)
{
    const int64_t room = memory / 4 / SCRYPT_BYTES;
    const int64_t slots = room < cores ? room : cores;
    return slots > 1 ? (int)slots : 1;
}

enum mr_status mr_passwords_new(int slots, int waiters, struct mr_passwords **ret, struct mr_err *err)
{
    struct mr_passwords *passwords = calloc(1, sizeof *passwords);
    if (!passwords)
        return mr_fail_oom(err);
    passwords->slots = slots;
    passwords->capacity = (size_t)(slots + waiters);
    passwords->present = calloc(passwords->capacity, sizeof *passwords->present);
    pthread_mutex_init(&passwords->lock, NULL);
    pthread_cond_init(&passwords->freed, NULL);
    if (!passwords->present) {
        mr_passwords_free(passwords);
        return mr_fail_oom(err);
    }
    *ret = passwords;
    return MR_OK;
}

/* As malloc. */
static void *allocate(size_t size, const char *file, int line)
{
    const size_t page = HUGE_PAGE, whole = (size + page - 1) / page * page;
    (void)file, (void)line;
    if (size < SCRYPT_BYTES)
        return malloc(size);
    void *block = aligned_alloc(page, whole);
    if (block)
        (void)madvise(block, whole, MADV_HUGEPAGE); /* a kernel without them takes small ones */
    return block;
}

static void *reallocate(void *block, size_t size, const char *file, int line)
{
    (void)file, (void)line;
    return realloc(block, size);
}

static void release(void *block, const char *file, int line)
{
    (void)file, (void)line;
    free(block);
}

void mr_passwords_use_huge_pages(void)
{
    (void)CRYPTO_set_mem_functions(allocate, reallocate, release);
}

void mr_passwords_free(struct mr_passwords *passwords)
{
    if (!passwords)
        return;
    pthread_cond_destroy(&passwords->freed);
    pthread_mutex_destroy(&passwords->lock);
    free(passwords->present);
    free(passwords);
}

/* A place for one more call of the address, or NULL. */
static char *find_place_locked(struct mr_passwords *passwords, const char *address)
{
    char *place = NULL;
    size_t own = 0;
    for (size_t i = 0; i < passwords->capacity; i++) {
        own += strncmp(passwords->present[i], address, ADDRESS_MAX - 1) == 0;
        if (!passwords->present[i][0])
            place = passwords->present[i];
    }
    return 2 * own < passwords->capacity ? place : NULL;
}

/* Waits for a slot, in *ret_place. */
static enum mr_status enter(struct mr_passwords *passwords, const char *address, char **ret_place,
                            struct mr_err *err)
{
    pthread_mutex_lock(&passwords->lock);
    char *place = find_place_locked(passwords, address);
    if (place) {
        snprintf(place, ADDRESS_MAX, "%s", address);
        while (passwords->running == passwords->slots)
            pthread_cond_wait(&passwords->freed, &passwords->lock);
        passwords->running++;
    }
    pthread_mutex_unlock(&passwords->lock);
    *ret_place = place;
    return place ? MR_OK
                 : mr_retry_after(err,
                                  mr_fail_code(err, MR_CODE_LOGIN_BUSY, "too many logins at once; try again"),
                                  BUSY_RETRY_S);
}

static void leave(struct mr_passwords *passwords, char *place)
{
    pthread_mutex_lock(&passwords->lock);
    place[0] = '\0';
    passwords->running--;
    pthread_cond_signal(&passwords->freed);
    pthread_mutex_unlock(&passwords->lock);
}

static bool follows_rule(const char *password)
{
    const struct mr_unicode_traits t = mr_unicode_traits_of(password);
    bool mixed = t.lower && t.upper && t.digit;
    bool is_phrase = t.characters >= 15 && t.characters <= 128 && t.different >= 5;
    bool is_long = t.characters >= 8 && t.characters <= 128 && mixed;
    bool is_special =
        t.characters >= 5 && t.characters <= 20 && mixed && !t.blank && strpbrk(password, "$#@");
    return !t.control && (is_phrase || is_long || is_special);
}

enum mr_status mr_password_check_rule(const char *password, struct mr_err *err)
{
    MR_AUTO_STR char *normal = NULL;
    MR_TRY(mr_unicode_nfc(password, &normal, err));
    bool follows = follows_rule(normal);
    explicit_bzero(normal, strlen(normal));
    if (!follows)
        return mr_fail_code(
            err, MR_CODE_WEAK_PASSWORD,
            "password must have 15 to 128 characters; or 8 to 128 with upper case, lower case and "
            "a digit; or 5 to 20 with these, one of $ # @ and no blank");
    return MR_OK;
}

struct scrypt_params {
    uint64_t n, r, p;
};

/* Hashes with weaker parameters than today's are computed more often, so that all take the same time. */
static int rounds(const struct scrypt_params *params)
{
    const uint64_t cost = params->n * params->r * params->p, today = (uint64_t)SCRYPT_N * SCRYPT_R * SCRYPT_P;
    return cost && cost < today ? (int)(today / cost) : 1;
}

static enum mr_status derive(struct mr_passwords *passwords, const char *address, const char *password,
                             const unsigned char salt[SALT_BYTES], const struct scrypt_params *params,
                             unsigned char key[KEY_BYTES], struct mr_err *err)
{
    char *place = NULL;
    int ok = 1;
    MR_TRY(enter(passwords, address, &place, err));
    for (int i = rounds(params); i > 0 && ok == 1; i--)
        ok = EVP_PBE_scrypt(password, strlen(password), salt, SALT_BYTES, params->n, params->r, params->p,
                            SCRYPT_MEMORY_MAX, key, KEY_BYTES);
    leave(passwords, place);
    return ok == 1 ? MR_OK : mr_fail(err, MR_EXHAUSTED, "scrypt failed");
}

static enum mr_status hash_normal(struct mr_passwords *passwords, const char *address, const char *password,
                                  char out[MR_PASSWORD_HASH_MAX], struct mr_err *err)
{
    static const struct scrypt_params params = {SCRYPT_N, SCRYPT_R, SCRYPT_P};
    unsigned char salt[SALT_BYTES], key[KEY_BYTES];
    MR_TRY(mr_random_bytes(salt, sizeof salt, err));
    MR_TRY(derive(passwords, address, password, salt, &params, key, err));
    char salt_hex[2 * SALT_BYTES + 1], key_hex[2 * KEY_BYTES + 1];
    mr_hex_encode(salt, sizeof salt, salt_hex);
    mr_hex_encode(key, sizeof key, key_hex);
    snprintf(out, MR_PASSWORD_HASH_MAX, "scrypt$%d$%d$%d$%s$%s", SCRYPT_N, SCRYPT_R, SCRYPT_P, salt_hex,
             key_hex);
    return MR_OK;
}

enum mr_status mr_password_hash(struct mr_passwords *passwords, const char *address, const char *password,
                                char out[MR_PASSWORD_HASH_MAX], struct mr_err *err)
{
    MR_AUTO_STR char *normal = NULL;
    MR_TRY(mr_unicode_nfc(password, &normal, err));
    enum mr_status status = hash_normal(passwords, address, normal, out, err);
    explicit_bzero(normal, strlen(normal));
    return status;
}

static bool hex_decode(const char *hex, unsigned char *out, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (sscanf(hex + 2 * i, "%2hhx", &out[i]) != 1)
            return false;
    return true;
}

static bool parse_hash(const char *hash, struct scrypt_params *params, unsigned char salt[SALT_BYTES],
                       unsigned char key[KEY_BYTES])
{
    char salt_hex[2 * SALT_BYTES + 1], key_hex[2 * KEY_BYTES + 1];
    int fields = sscanf(hash, "scrypt$%" SCNu64 "$%" SCNu64 "$%" SCNu64 "$%32[0-9a-f]$%64[0-9a-f]",
                        &params->n, &params->r, &params->p, salt_hex, key_hex);
    return fields == 5 && strlen(salt_hex) == 2 * SALT_BYTES && strlen(key_hex) == 2 * KEY_BYTES &&
           hex_decode(salt_hex, salt, SALT_BYTES) && hex_decode(key_hex, key, KEY_BYTES);
}

static enum mr_status verify_exactly(struct mr_passwords *passwords, const char *address,
                                     const char *password, const char *hash, struct mr_err *err)
{
    struct scrypt_params params = {SCRYPT_N, SCRYPT_R, SCRYPT_P};
    unsigned char salt[SALT_BYTES] = {0}, key[KEY_BYTES] = {0}, got[KEY_BYTES];
    if (hash && !parse_hash(hash, &params, salt, key))
        return mr_fail(err, MR_INTERNAL, "stored password hash is malformed");
    MR_TRY(derive(passwords, address, password, salt, &params, got, err));
    if (CRYPTO_memcmp(key, got, KEY_BYTES) != 0 || !hash)
        return mr_fail(err, MR_UNAUTHENTICATED, "username or password is wrong");
    return MR_OK;
}

/* Hashes from before passwords were normalised are of what the client sent. */
enum mr_status mr_password_verify(struct mr_passwords *passwords, const char *address, const char *password,
                                  const char *hash, struct mr_err *err)
{
    MR_AUTO_STR char *normal = NULL;
    MR_TRY(mr_unicode_nfc(password, &normal, err));
    enum mr_status status = verify_exactly(passwords, address, normal, hash, err);
    if (status == MR_UNAUTHENTICATED && strcmp(normal, password) != 0)
        status = verify_exactly(passwords, address, password, hash, err);
    explicit_bzero(normal, strlen(normal));
    return status;
}

bool mr_password_hash_is_current(const char *hash)
{
    struct scrypt_params params = {0};
    unsigned char salt[SALT_BYTES], key[KEY_BYTES];
    return parse_hash(hash, &params, salt, key) && params.n == SCRYPT_N && params.r == SCRYPT_R &&
           params.p == SCRYPT_P;
}
