#include "web/passwords.h"

#include "shared/base/encoding.h"
#include "shared/base/random.h"

#include <ctype.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <semaphore.h>

/* N = 2^14, r = 8, p = 1: 16 MiB. OWASP's password storage cheat sheet asks for no less memory. */
enum { SCRYPT_N = 16384, SCRYPT_R = 8, SCRYPT_P = 1, SALT_BYTES = 16, KEY_BYTES = 32 };
enum { SCRYPT_MEMORY_MAX = 64 << 20 };

struct mr_passwords {
    sem_t login_slots;
};

enum mr_status mr_passwords_new(int login_slots, struct mr_passwords **ret, struct mr_err *err)
{
    struct mr_passwords *passwords = calloc(1, sizeof *passwords);
    if (!passwords)
        return mr_fail_oom(err);
    sem_init(&passwords->login_slots, 0, (unsigned)login_slots);
    *ret = passwords;
    return MR_OK;
}

void mr_passwords_free(struct mr_passwords *passwords)
{
    if (!passwords)
        return;
    sem_destroy(&passwords->login_slots);
    free(passwords);
}

/* What the rule asks about a password. */
struct traits {
    size_t characters;
    bool lower, upper, digit, special, blank;
};

static struct traits traits_of(const char *password)
{
    struct traits t = {0};
    for (const unsigned char *p = (const unsigned char *)password; *p; p++) {
        t.characters += (*p & 0xc0) != 0x80; /* UTF-8: continuation bytes do not count */
        t.lower |= islower(*p) != 0;
        t.upper |= isupper(*p) != 0;
        t.digit |= isdigit(*p) != 0;
        t.special |= strchr("$#@", *p) != NULL;
        t.blank |= isspace(*p) || iscntrl(*p);
    }
    return t;
}

enum mr_status mr_password_check_rule(const char *password, struct mr_err *err)
{
    struct traits t = traits_of(password);
    if (t.blank)
        return mr_fail_code(err, MR_CODE_WEAK_PASSWORD,
                            "password must not contain spaces or control characters");
    if (!t.lower || !t.upper || !t.digit)
        return mr_fail_code(err, MR_CODE_WEAK_PASSWORD,
                            "password must contain a lower-case letter, an upper-case letter and a digit");
    bool is_long = t.characters >= 8 && t.characters <= 128;
    bool is_special = t.characters >= 5 && t.characters <= 20 && t.special;
    if (!is_long && !is_special)
        return mr_fail_code(err, MR_CODE_WEAK_PASSWORD,
                            "password must have 8 to 128 characters, or 5 to 20 with one of $ # @");
    return MR_OK;
}

struct scrypt_params {
    uint64_t n, r, p;
};

static enum mr_status derive(struct mr_passwords *passwords, const char *password, const unsigned char *salt,
                             size_t salt_len, const struct scrypt_params *params,
                             unsigned char key[KEY_BYTES], struct mr_err *err)
{
    while (sem_wait(&passwords->login_slots) != 0) /* interrupted by a signal: keep waiting */
        ;
    int ok = EVP_PBE_scrypt(password, strlen(password), salt, salt_len, params->n, params->r, params->p,
                            SCRYPT_MEMORY_MAX, key, KEY_BYTES);
    sem_post(&passwords->login_slots);
    return ok == 1 ? MR_OK : mr_fail(err, MR_EXHAUSTED, "scrypt failed");
}

enum mr_status mr_password_hash(struct mr_passwords *passwords, const char *password,
                                char out[MR_PASSWORD_HASH_MAX], struct mr_err *err)
{
    static const struct scrypt_params params = {SCRYPT_N, SCRYPT_R, SCRYPT_P};
    unsigned char salt[SALT_BYTES], key[KEY_BYTES];
    MR_TRY(mr_random_bytes(salt, sizeof salt, err));
    MR_TRY(derive(passwords, password, salt, sizeof salt, &params, key, err));
    char salt_hex[2 * SALT_BYTES + 1], key_hex[2 * KEY_BYTES + 1];
    mr_hex_encode(salt, sizeof salt, salt_hex);
    mr_hex_encode(key, sizeof key, key_hex);
    snprintf(out, MR_PASSWORD_HASH_MAX, "scrypt$%d$%d$%d$%s$%s", SCRYPT_N, SCRYPT_R, SCRYPT_P, salt_hex,
             key_hex);
    return MR_OK;
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

enum mr_status mr_password_verify(struct mr_passwords *passwords, const char *password, const char *hash,
                                  struct mr_err *err)
{
    struct scrypt_params params = {SCRYPT_N, SCRYPT_R, SCRYPT_P};
    unsigned char salt[SALT_BYTES] = {0}, key[KEY_BYTES] = {0}, got[KEY_BYTES];
    if (hash && !parse_hash(hash, &params, salt, key))
        return mr_fail(err, MR_INTERNAL, "stored password hash is malformed");
    MR_TRY(derive(passwords, password, salt, sizeof salt, &params, got, err));
    if (CRYPTO_memcmp(key, got, KEY_BYTES) != 0 || !hash)
        return mr_fail(err, MR_UNAUTHENTICATED, "username or password is wrong");
    return MR_OK;
}
