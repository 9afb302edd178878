/* Passwords: the rule, the hash, and that a wrong password and an unknown user give the same error. Login tokens
 * are tested through web's API (tests/e2e/test_auth.py). */
#include "web/passwords.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

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
        {"Admin123", MR_OK},      {"aB3#x", MR_OK},          {"Secre12", MR_INVALID}, /* seven */
        {"aB3#", MR_INVALID},     {"secret12", MR_INVALID},  {"SECRET12", MR_INVALID},
        {"SecretXY", MR_INVALID}, {"Secret 12", MR_INVALID}, {"Secret\t12", MR_INVALID},
        {"", MR_INVALID},         {"ñÑ1ñÑñÑñ", MR_INVALID}, /* letters, but not ASCII */
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
    assert_int_equal(mr_passwords_new(1, &passwords, &err), MR_OK);
    assert_int_equal(mr_password_hash(passwords, "Secret12", hash, &err), MR_OK);
    assert_int_equal(mr_password_hash(passwords, "Secret12", other, &err), MR_OK);
    assert_string_not_equal(hash, other); /* salted */
    assert_int_equal(mr_password_verify(passwords, "Secret12", hash, &err), MR_OK);
    assert_int_equal(mr_password_verify(passwords, "Secret13", hash, &err), MR_UNAUTHENTICATED);
    assert_int_equal(mr_password_verify(passwords, "", hash, &err), MR_UNAUTHENTICATED);
    struct mr_err nobody = {0};
    assert_int_equal(mr_password_verify(passwords, "Secret12", NULL, &nobody), MR_UNAUTHENTICATED);
    assert_string_equal(nobody.message, err.message);
}

static void a_malformed_hash_is_an_internal_error(void **state)
{
    (void)state;
    MR_AUTO(mr_passwords) struct mr_passwords *passwords = NULL;
    struct mr_err err = {0};
    assert_int_equal(mr_passwords_new(1, &passwords, &err), MR_OK);
    static const char *const hashes[] = {"", "plain", "scrypt$1$2$3$zz$00", "scrypt$16384$8$1$00$00"};
    for (size_t i = 0; i < sizeof hashes / sizeof *hashes; i++)
        assert_int_equal(mr_password_verify(passwords, "Secret12", hashes[i], &err), MR_INTERNAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rule),
        cmocka_unit_test(only_the_right_password_fits),
        cmocka_unit_test(a_malformed_hash_is_an_internal_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
