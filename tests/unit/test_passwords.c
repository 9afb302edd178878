/* Passwords: the rule, the hash, and that a wrong password and an unknown user give the same error. Login tokens
 * are tested through web's API (tests/e2e/test_auth.py). */
#include "web/passwords.h"

#include "shared/base/process.h"

#include <inttypes.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void slots_are_as_many_as_cores_in_a_quarter_of_the_memory(void **state)
{
    (void)state;
    static const struct {
        int cores;
        int64_t memory_mib;
        int slots;
    } table[] = {{1, 512, 1},  {2, 512, 2}, {4, 512, 4}, {8, 512, 4},
                 {8, 1024, 8}, {8, 128, 1}, {2, 16, 1},  {0, 0, 1}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        assert_int_equal(mr_passwords_slots(table[i].cores, table[i].memory_mib << 20), table[i].slots);
    assert_true(mr_process_cores() >= 1);
    assert_in_range(mr_process_memory(), INT64_C(32) << 20, INT64_C(1) << 46);
}

static void the_rule(void **state)
{
    (void)state;
    static const struct {
        const char *password;
        enum mr_status status;
    } table[] = {
        {"Secret12", MR_OK},    /* eight with all three */
        {"Us3r$1", MR_OK},      /* six, with one of $#@ */
        {"Contraseña1", MR_OK}, /* an older system's own example */
        {"Admin123", MR_OK},
        {"aB3#x", MR_OK},
        {"Secre12", MR_INVALID}, /* seven */
        {"aB3#", MR_INVALID},
        {"secret12", MR_INVALID},
        {"SECRET12", MR_INVALID},
        {"SecretXY", MR_INVALID},
        {"Secret 12", MR_OK},
        {"Secret\t12", MR_INVALID},
        {"", MR_INVALID},
        {"ñÑ1ñÑñÑñ", MR_OK},              /* letters of any script */
        {"correct horse battery", MR_OK}, /* a passphrase */
        {"correct horse\nbattery", MR_INVALID},
        {"correct horse ", MR_INVALID}, /* 14 */
        {"aaaaaaaaaaaaaaa", MR_INVALID},
        {"aaaaaaaabcbcbcbd", MR_INVALID}, /* four different characters */
        {"aaaaaaaaabcbcbcde", MR_OK},
        {"Secre\xcc\x81 1", MR_INVALID}, /* eight code points, seven in NFC */
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct mr_err err = {0};
        if (mr_password_check_rule(table[i].password, &err) != table[i].status)
            fail_msg("%s: %s", table[i].password, err.message);
    }
    char longest[130];
    struct mr_err err = {0};
    memset(longest, 'a', sizeof longest);
    memcpy(longest, "A1", 2);
    longest[128] = '\0';
    assert_int_equal(mr_password_check_rule(longest, &err), MR_OK);
    longest[128] = 'a';
    longest[129] = '\0';
    assert_int_equal(mr_password_check_rule(longest, &err), MR_INVALID);
}

static void only_the_right_password_fits(void **state)
{
    (void)state;
    MR_AUTO(mr_passwords) struct mr_passwords *passwords = NULL;
    char hash[MR_PASSWORD_HASH_MAX], other[MR_PASSWORD_HASH_MAX];
    struct mr_err err = {0};
    assert_int_equal(mr_passwords_new(1, 1, &passwords, &err), MR_OK);
    assert_int_equal(mr_password_hash(passwords, "a", "Secret12", hash, &err), MR_OK);
    assert_int_equal(mr_password_hash(passwords, "a", "Secret12", other, &err), MR_OK);
    assert_string_not_equal(hash, other); /* salted */
    assert_int_equal(mr_password_verify(passwords, "a", "Secret12", hash, &err), MR_OK);
    assert_int_equal(mr_password_verify(passwords, "a", "Secret13", hash, &err), MR_UNAUTHENTICATED);
    assert_int_equal(mr_password_verify(passwords, "a", "", hash, &err), MR_UNAUTHENTICATED);
    struct mr_err nobody = {0};
    assert_int_equal(mr_password_verify(passwords, "a", "Secret12", NULL, &nobody), MR_UNAUTHENTICATED);
    assert_string_equal(nobody.message, err.message);
}

static void the_composition_of_a_password_does_not_count(void **state)
{
    (void)state;
    MR_AUTO(mr_passwords) struct mr_passwords *passwords = NULL;
    static const char composed[] = "Contrase\xc3\xb1"
                                   "a1",
                      decomposed[] = "Contrasen\xcc\x83"
                                     "a1";
    /* Of the decomposed one, as it was stored before passwords were normalised. */
    static const char former[] = "scrypt$32768$8$1$000102030405060708090a0b0c0d0e0f$"
                                 "af02904c88ba66132691b3e3bd1257c2c58744deceaec04f3d07a7eeb71ab7b0";
    char hash[MR_PASSWORD_HASH_MAX];
    assert_int_equal(mr_passwords_new(1, 1, &passwords, NULL), MR_OK);
    assert_int_equal(mr_password_hash(passwords, "a", decomposed, hash, NULL), MR_OK);
    assert_int_equal(mr_password_verify(passwords, "a", composed, hash, NULL), MR_OK);
    assert_int_equal(mr_password_verify(passwords, "a", decomposed, hash, NULL), MR_OK);
    assert_int_equal(mr_password_verify(passwords, "a", "Contrasena1", hash, NULL), MR_UNAUTHENTICATED);
    assert_int_equal(mr_password_verify(passwords, "a", decomposed, former, NULL), MR_OK);
}

static void a_malformed_hash_is_an_internal_error(void **state)
{
    (void)state;
    MR_AUTO(mr_passwords) struct mr_passwords *passwords = NULL;
    struct mr_err err = {0};
    assert_int_equal(mr_passwords_new(1, 1, &passwords, &err), MR_OK);
    static const char *const hashes[] = {"", "plain", "scrypt$1$2$3$zz$00", "scrypt$16384$8$1$00$00"};
    for (size_t i = 0; i < sizeof hashes / sizeof *hashes; i++)
        assert_int_equal(mr_password_verify(passwords, "a", "Secret12", hashes[i], &err), MR_INTERNAL);
}

/* 16384 was used before; such hashes still fit, and are known as old. */
static void hashes_of_former_parameters_fit(void **state)
{
    (void)state;
    MR_AUTO(mr_passwords) struct mr_passwords *passwords = NULL;
    struct mr_err err = {0};
    char hash[MR_PASSWORD_HASH_MAX];
    const char *former = "scrypt$16384$8$1$000102030405060708090a0b0c0d0e0f$"
                         "4b9d98a576ad46f02cb1f84d73d63280939d22c062fa8b9be97ff2db7f11b77d";
    assert_int_equal(mr_passwords_new(2, 0, &passwords, &err), MR_OK);
    assert_int_equal(mr_password_verify(passwords, "a", "Secret12", former, &err), MR_OK);
    assert_int_equal(mr_password_verify(passwords, "a", "Secret13", former, &err), MR_UNAUTHENTICATED);
    assert_false(mr_password_hash_is_current(former));
    assert_int_equal(mr_password_hash(passwords, "a", "Secret12", hash, &err), MR_OK);
    assert_true(mr_password_hash_is_current(hash));
    assert_false(mr_password_hash_is_current(""));
}

struct caller {
    struct mr_passwords *passwords;
    const char *address;
    atomic_int *passed, *busy;
};

static void *hash_once(void *arg)
{
    const struct caller *caller = arg;
    char hash[MR_PASSWORD_HASH_MAX];
    struct mr_err err = {0};
    enum mr_status status = mr_password_hash(caller->passwords, caller->address, "Secret12", hash, &err);
    atomic_fetch_add(status == MR_OK ? caller->passed : caller->busy, 1);
    if (status != MR_OK)
        assert_int_equal(err.code, MR_CODE_LOGIN_BUSY);
    return NULL;
}

/* Of 200 calls of one address a few are computed, the others fail at once; another address still has room. */
static void a_flood_is_refused(void **state)
{
    enum { CALLERS = 200, SLOTS = 1, WAITERS = 5 };
    (void)state;
    MR_AUTO(mr_passwords) struct mr_passwords *passwords = NULL;
    struct mr_err err = {0};
    char hash[MR_PASSWORD_HASH_MAX];
    atomic_int passed = 0, busy = 0;
    pthread_t threads[CALLERS];
    assert_int_equal(mr_passwords_new(SLOTS, WAITERS, &passwords, &err), MR_OK);
    struct caller caller = {passwords, "flood", &passed, &busy};
    for (size_t i = 0; i < CALLERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hash_once, &caller), 0);
    while (!atomic_load(&busy))
        sched_yield();
    assert_int_equal(mr_password_hash(passwords, "other", "Secret12", hash, &err), MR_OK);
    for (size_t i = 0; i < CALLERS; i++)
        pthread_join(threads[i], NULL);
    assert_true(atomic_load(&passed) >= (SLOTS + WAITERS) / 2);
    assert_int_equal(atomic_load(&passed) + atomic_load(&busy), CALLERS);
    assert_true(atomic_load(&busy) > CALLERS / 2);
}

/* The flags of the mapping at this address have "hg", as after madvise(MADV_HUGEPAGE) (proc(5)). */
static bool wants_huge_pages(const void *address)
{
    const uintptr_t wanted = (uintptr_t)address;
    char line[512];
    bool inside = false, found = false;
    FILE *maps = fopen("/proc/self/smaps", "re");
    while (maps && fgets(line, sizeof line, maps)) {
        uintptr_t begin = 0, end = 0;
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &begin, &end) == 2)
            inside = begin <= wanted && wanted < end;
        else if (inside && strncmp(line, "VmFlags:", 8) == 0)
            found = strstr(line, " hg") != NULL;
    }
    if (maps)
        fclose(maps);
    return found;
}

static void the_memory_of_a_hash_is_in_huge_pages(void **state)
{
    (void)state;
    const size_t size = (32 << 20) + 100, page = 2 << 20;
    unsigned char *block = OPENSSL_malloc(size);
    assert_non_null(block);
    assert_int_equal((uintptr_t)block % page, 0);
    if (access("/sys/kernel/mm/transparent_hugepage/enabled", F_OK) == 0)
        assert_true(wants_huge_pages(block));
    block[size - 1] = 7;
    block = OPENSSL_realloc(block, 2 * size);
    assert_non_null(block);
    assert_int_equal(block[size - 1], 7);
    OPENSSL_free(block);
}

int main(void)
{
    mr_passwords_use_huge_pages();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_are_as_many_as_cores_in_a_quarter_of_the_memory),
        cmocka_unit_test(the_rule),
        cmocka_unit_test(only_the_right_password_fits),
        cmocka_unit_test(the_composition_of_a_password_does_not_count),
        cmocka_unit_test(a_malformed_hash_is_an_internal_error),
        cmocka_unit_test(hashes_of_former_parameters_fit),
        cmocka_unit_test(a_flood_is_refused),
        cmocka_unit_test(the_memory_of_a_hash_is_in_huge_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
