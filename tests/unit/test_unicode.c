/* shared/base/unicode: composition, case and classes of characters. */
#include "shared/base/cleanup.h"
#include "shared/base/unicode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void composed_and_decomposed_are_one(void **state)
{
    (void)state;
    static const char *const table[][2] = {
        {"Contrasen\xcc\x83"
         "a1",
         "Contraseña1"},
        {"", ""},
        {"plain", "plain"},
        {"\xe2\x84\xab", "\xc3\x85"} /* Angstrom sign */,
        {"\xef\xac\x81", "\xef\xac\x81"}, /* the ligature fi stays: NFC, not NFKC */
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        MR_AUTO_STR char *text = NULL;
        assert_int_equal(mr_unicode_nfc(table[i][0], &text, NULL), MR_OK);
        assert_string_equal(text, table[i][1]);
    }
}

static void case_does_not_count(void **state)
{
    (void)state;
    static const char *const same[][2] = {
        {"élise", "ÉLISE"},    {"e\xcc\x81lise", "\xc3\x89lise"},
        {"straße", "STRASSE"}, {"σίσυφος", "ΣΊΣΥΦΟΣ"},
        {"ana", "Ana"},        {"", ""},
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        MR_AUTO_STR char *a = NULL;
        MR_AUTO_STR char *b = NULL;
        assert_int_equal(mr_unicode_fold(same[i][0], &a, NULL), MR_OK);
        assert_int_equal(mr_unicode_fold(same[i][1], &b, NULL), MR_OK);
        assert_string_equal(a, b);
    }
}

static void classes(void **state)
{
    (void)state;
    struct mr_unicode_traits t = mr_unicode_traits_of("ñÑ1 ñ");
    assert_true(t.characters == 5 && t.different == 4 && t.lower && t.upper && t.digit && t.blank);
    assert_true(!t.control && !t.invisible);
    t = mr_unicode_traits_of("");
    assert_true(t.characters == 0 && t.different == 0 && !t.lower && !t.blank);
    t = mr_unicode_traits_of("a\tb");
    assert_true(t.control && t.blank);
    t = mr_unicode_traits_of("a\xe2\x80\x8b"
                             "b"); /* zero-width space */
    assert_true(t.invisible && t.characters == 3);
    t = mr_unicode_traits_of("abcdefghijklmnop");
    assert_int_equal(t.different, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(composed_and_decomposed_are_one),
        cmocka_unit_test(case_does_not_count),
        cmocka_unit_test(classes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
