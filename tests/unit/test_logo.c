/* The logo: mediarun's own, or a file that has to be a PNG. */
#include "worker/logo.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

static void its_own_is_a_png_of_16_by_9(void **state)
{
    (void)state;
    MR_AUTO(mr_logo) struct mr_logo logo = {0};
    unsigned char head[24];
    assert_int_equal(mr_logo_load("", &logo, NULL), MR_OK);
    assert_in_range(logo.len, 100, 30000);
    assert_int_equal(mr_logo_copy(&logo, 0, head, sizeof head), sizeof head);
    assert_memory_equal(head, "\x89PNG\r\n\x1a\n", 8);
    int width = head[18] << 8 | head[19], height = head[22] << 8 | head[23];
    assert_int_equal(width * 9, height * 16);
}

static void ranges_end_where_it_ends(void **state)
{
    (void)state;
    MR_AUTO(mr_logo) struct mr_logo logo = {0};
    char bytes[64];
    assert_int_equal(mr_logo_load("", &logo, NULL), MR_OK);
    const int64_t len = (int64_t)logo.len;
    assert_int_equal(mr_logo_copy(&logo, len - 10, bytes, sizeof bytes), 10);
    assert_int_equal(mr_logo_copy(&logo, len, bytes, sizeof bytes), 0);
    assert_int_equal(mr_logo_copy(&logo, INT64_MAX, bytes, sizeof bytes), 0);
    assert_int_equal(mr_logo_copy(&logo, -1, bytes, sizeof bytes), 0);
}

#define HEAD "\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
#define FILE_OF(text)                                                                                        \
    {                                                                                                        \
        text, sizeof(text) - 1                                                                               \
    }

static void other_files_have_to_be_pngs(void **state)
{
    (void)state;
    static const struct {
        struct {
            const char *bytes;
            size_t len;
        } file;
        enum mr_status status;
    } table[] = {
        {FILE_OF(HEAD "\0\0\0\x10\0\0\0\x09\x08\2\0\0\0"), MR_OK},
        {FILE_OF(HEAD "\0\0\0\x10\0\0\0\0\x08\2\0\0\0"), MR_INVALID},   /* no height */
        {FILE_OF(HEAD "\0\1\x86\xa0\0\0\0\x09\x08\2\0\0"), MR_INVALID}, /* 100,000 pixels wide */
        {FILE_OF(HEAD "\0\0\0\x10"), MR_INVALID},                       /* cut off */
        {FILE_OF("GIF89a, which is another picture"), MR_INVALID},
        {FILE_OF(""), MR_INVALID},
    };
    char path[] = "logo-XXXXXX";
    MR_AUTO_FD int fd = mkstemp(path);
    assert_true(fd >= 0);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        assert_int_equal(ftruncate(fd, 0), 0);
        assert_int_equal(pwrite(fd, table[i].file.bytes, table[i].file.len, 0), table[i].file.len);
        MR_AUTO(mr_logo) struct mr_logo logo = {0};
        struct mr_err err = {0};
        if (mr_logo_load(path, &logo, &err) != table[i].status)
            fail_msg("row %zu: %s", i, err.message);
        if (table[i].status == MR_OK)
            assert_int_equal(logo.len, table[i].file.len);
    }
    assert_int_equal(ftruncate(fd, 5 << 20), 0);
    MR_AUTO(mr_logo) struct mr_logo large = {0}, none = {0};
    assert_int_equal(mr_logo_load(path, &large, NULL), MR_INVALID);
    unlink(path);
    assert_int_equal(mr_logo_load(path, &none, NULL), MR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_own_is_a_png_of_16_by_9),
        cmocka_unit_test(ranges_end_where_it_ends),
        cmocka_unit_test(other_files_have_to_be_pngs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
