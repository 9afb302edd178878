#include "shared/base/clock.h"
#include "shared/base/crc32c.h"
#include "shared/base/encoding.h"
#include "shared/base/json.h"
#include "shared/base/random.h"
#include "shared/base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct {
    const char *plain, *base64;
} rfc4648[] = {{"", ""},
               {"f", "Zg=="},
               {"fo", "Zm8="},
               {"foo", "Zm9v"},
               {"foob", "Zm9vYg=="},
               {"fooba", "Zm9vYmE="},
               {"foobar", "Zm9vYmFy"},
               {"\xfb\xff\xfe", "+//+"}};

static void assert_decodes(const char *text, const char *plain)
{
    unsigned char *data = NULL;
    size_t len = 0;
    assert_int_equal(mr_base64_decode(text, strlen(text), &data, &len, NULL), MR_OK);
    assert_int_equal(len, strlen(plain));
    assert_string_equal((char *)data, plain);
    free(data);
}

static void test_base64(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rfc4648 / sizeof *rfc4648; i++) {
        MR_AUTO_STR char *text = NULL;
        const char *plain = rfc4648[i].plain;
        assert_int_equal(mr_base64_encode(plain, strlen(plain), &text, NULL), MR_OK);
        assert_string_equal(text, rfc4648[i].base64);
        assert_decodes(text, plain);
        text[strcspn(text, "=")] = '\0';
        assert_decodes(text, plain); /* without padding */
    }
    assert_decodes("-__-", "\xfb\xff\xfe"); /* base64url */
    static const char *const broken[] = {"Z", "Zg=v", "Zm 9", "Zm9v!", "Zm9vZ", "\xc3\xa4==", "====Z"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        unsigned char *data = NULL;
        size_t len = 0;
        assert_int_equal(mr_base64_decode(broken[i], strlen(broken[i]), &data, &len, NULL), MR_INVALID);
        assert_null(data);
    }
}

static void test_base64_of_all_bytes(void **state)
{
    (void)state;
    unsigned char bytes[256], *back = NULL;
    MR_AUTO_STR char *text = NULL;
    size_t len = 0;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)i;
    assert_int_equal(mr_base64_encode(bytes, sizeof bytes, &text, NULL), MR_OK);
    assert_int_equal(mr_base64_decode(text, strlen(text), &back, &len, NULL), MR_OK);
    assert_int_equal(len, sizeof bytes);
    assert_memory_equal(back, bytes, sizeof bytes);
    free(back);
}

static void test_hex(void **state)
{
    (void)state;
    char out[9];
    mr_hex_encode("\x00\x1f\xa0\xff", 4, out);
    assert_string_equal(out, "001fa0ff");
    mr_hex_encode("", 0, out);
    assert_string_equal(out, "");
}

static void test_percent(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool keep_slash;
        const char *encoded;
    } encodings[] = {{"aZ09-._~", false, "aZ09-._~"},
                     {"a b/c", false, "a%20b%2Fc"},
                     {"a b/c", true, "a%20b/c"},
                     {"\xc3\xa4+%", true, "%C3%A4%2B%25"}};
    for (size_t i = 0; i < sizeof encodings / sizeof *encodings; i++) {
        MR_AUTO(mr_buf) struct mr_buf out = MR_BUF_INIT(100);
        assert_int_equal(mr_percent_encode(&out, encodings[i].text, encodings[i].keep_slash, NULL), MR_OK);
        assert_string_equal(mr_buf_str(&out), encodings[i].encoded);
        assert_int_equal(mr_percent_decode(out.data, false, NULL), MR_OK);
        assert_string_equal(out.data, encodings[i].text);
    }
    char plus[] = "a+b%2B";
    assert_int_equal(mr_percent_decode(plus, true, NULL), MR_OK);
    assert_string_equal(plus, "a b+");
    static const char *const broken[] = {"%", "%4", "%zz", "a%4z", "%00"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        char text[8];
        snprintf(text, sizeof text, "%s", broken[i]);
        assert_int_equal(mr_percent_decode(text, false, NULL), MR_INVALID);
    }
    MR_AUTO(mr_buf) struct mr_buf tight = MR_BUF_INIT(2);
    assert_int_equal(mr_percent_encode(&tight, " ", false, NULL), MR_TOO_LARGE);
}

static void test_uuid(void **state)
{
    (void)state;
    char first[MR_UUID_TEXT_MAX], second[MR_UUID_TEXT_MAX];
    assert_int_equal(mr_uuid_generate(first, NULL), MR_OK);
    assert_int_equal(mr_uuid_generate(second, NULL), MR_OK);
    assert_true(mr_uuid_is_valid(first));
    assert_string_not_equal(first, second);
    assert_int_equal(first[14], '4');
    assert_non_null(strchr("89ab", first[19]));
    static const char *const wrong[] = {"",
                                        "x",
                                        "00000000-0000-4000-8000-00000000000",
                                        "00000000-0000-4000-8000-0000000000000",
                                        "00000000x0000-4000-8000-000000000000",
                                        "g0000000-0000-4000-8000-000000000000"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(mr_uuid_is_valid(wrong[i]));
}

static void test_time(void **state)
{
    (void)state;
    static const struct {
        int64_t us;
        const char *text;
    } times[] = {{0, "1970-01-01T00:00:00.000000Z"},
                 {1769903999123456, "2026-01-31T23:59:59.123456Z"},
                 {951782400000001, "2000-02-29T00:00:00.000001Z"},
                 {-1, "1969-12-31T23:59:59.999999Z"}};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        char text[MR_TIME_TEXT_MAX];
        mr_time_format(times[i].us, text);
        assert_string_equal(text, times[i].text);
    }
    int64_t before = mr_time_monotonic_us();
    assert_true(mr_time_monotonic_us() >= before);
    assert_true(mr_time_now_us() > 1700000000000000);
}

static void test_parse_int64(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t min, max;
        bool good;
        int64_t value;
    } numbers[] = {
        {"0", 0, 9, true, 0},
        {"-5", -9, 9, true, -5},
        {"9223372036854775807", 0, INT64_MAX, true, INT64_MAX},
        {"-9223372036854775808", INT64_MIN, 0, true, INT64_MIN},
        {"007", 0, 9, true, 7},
        {"9223372036854775808", 0, INT64_MAX, false, 0},
        {"10", 0, 9, false, 0},
        {"-1", 0, 9, false, 0},
        {"", 0, 9, false, 0},
        {" 1", 0, 9, false, 0},
        {"1 ", 0, 9, false, 0},
        {"+1", 0, 9, false, 0},
        {"0x1", 0, 9, false, 0},
        {"1.0", 0, 9, false, 0},
        {"-", -9, 9, false, 0},
        {NULL, 0, 9, false, 0},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        int64_t value = 42;
        assert_int_equal(mr_parse_int64(numbers[i].text, numbers[i].min, numbers[i].max, &value),
                         numbers[i].good);
        assert_int_equal(value, numbers[i].good ? numbers[i].value : 42);
    }
}

static void test_crc32c(void **state)
{
    (void)state;
    /* RFC 3720 §B.4, and the check value of the CRC catalogue. */
    unsigned char bytes[32];
    assert_int_equal(mr_crc32c(0, "", 0), 0);
    assert_int_equal(mr_crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(mr_crc32c(mr_crc32c(0, "1234", 4), "56789", 5), 0xe3069283);
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(mr_crc32c(0, bytes, sizeof bytes), 0x8a9136aa);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(mr_crc32c(0, bytes, sizeof bytes), 0x62a8ab43);
    assert_int_equal(mr_crc32c_combine(mr_crc32c(0, "1234", 4), mr_crc32c(0, "56789", 5), 5), 0xe3069283);
    assert_int_equal(mr_crc32c_combine(0, 0xe3069283, 9), 0xe3069283);
    assert_int_equal(mr_crc32c_combine(0xe3069283, 0, 0), 0xe3069283);
    /* 2^40 zero bytes in one step, and in two. */
    assert_int_equal(
        mr_crc32c_combine(0xe3069283, 7, INT64_C(1) << 40),
        mr_crc32c_combine(mr_crc32c_combine(0xe3069283, 0, INT64_C(1) << 39), 7, INT64_C(1) << 39));
    char text[9];
    mr_crc32c_text(0xe3069283, text);
    assert_string_equal(text, "4waSgw==");
    mr_crc32c_text(0, text);
    assert_string_equal(text, "AAAAAA==");
}

static void test_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool valid;
    } texts[] = {
        {"", true},
        {"ascii\x7f", true},
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x8e\xb5", true},
        {"\xf4\x8f\xbf\xbf", true},
        {"\xf4\x90\x80\x80", false}, /* above U+10FFFF */
        {"\xed\xa0\x80", false},     /* a surrogate */
        {"\xc0\xaf", false},         /* overlong */
        {"\xe0\x80\xaf", false},
        {"\xf0\x80\x80\xaf", false},
        {"\x80", false},
        {"\xc3", false}, /* cut off */
        {"\xe2\x82", false},
        {"\xc3(", false},
        {"\xff", false},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_int_equal(mr_utf8_is_valid(texts[i].text, strlen(texts[i].text)), texts[i].valid);
    assert_false(mr_utf8_is_valid("a\0b", 3));
}

static void test_utf8_prefix(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t max, expected;
    } cases[] = {{"", 0, 0},
                 {"", 5, 0},
                 {"abc", 3, 3},
                 {"abc", 2, 2},
                 {"a\xc3\xa9", 2, 1},
                 {"a\xc3\xa9", 3, 3},
                 {"\xe2\x82\xac", 2, 0},
                 {"\xe2\x82\xac"
                  "b",
                  3, 3},
                 {"\xf0\x9f\x8e\xb5", 3, 0},
                 {"\xf0\x9f\x8e\xb5", 4, 4}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(mr_utf8_prefix(cases[i].text, cases[i].max), cases[i].expected);
}

static void test_utf8_storable(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t len, size;
        const char *expected;
    } cases[] = {
        {"", 0, 10, ""},
        {"abc", 3, 10, "abc"},
        {"abc", 3, 3, "ab"},
        {"a\0b\tc\x7f", 6, 10, "a b c "},
        {"\xc3\xa4\xff\xc3\xa4", 5, 10, "\xc3\xa4?\xc3\xa4"},
        {"\xc3\xa4\xc3\xa4", 4, 4, "\xc3\xa4"}, /* whole characters */
        {"\xed\xa0\x80z", 4, 10, "???z"},       /* a surrogate */
        {"\xc0\xaf", 2, 10, "??"},              /* overlong */
        {"a\xe2\x82", 3, 10, "a"},              /* cut off */
        {"\xe2(\xa1", 3, 10,
         "?"
         "(?"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[10];
        mr_utf8_storable(cases[i].text, cases[i].len, out, cases[i].size);
        assert_string_equal(out, cases[i].expected);
        memcpy(out, cases[i].text, cases[i].len);
        mr_utf8_storable(out, cases[i].len, out, cases[i].size); /* in place */
        assert_string_equal(out, cases[i].expected);
    }
    json_t *json = mr_json_text("\xff!");
    assert_string_equal(json_string_value(json), "?!");
    json_decref(json);
}

static void test_random_bytes(void **state)
{
    (void)state;
    unsigned char bytes[1000] = {0}, zero[32] = {0};
    assert_int_equal(mr_random_bytes(bytes, sizeof bytes, NULL), MR_OK);
    assert_memory_not_equal(bytes, zero, sizeof zero);
    assert_memory_not_equal(bytes + sizeof bytes - sizeof zero, zero, sizeof zero);
    assert_int_equal(mr_random_bytes(bytes, 0, NULL), MR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base64),        cmocka_unit_test(test_base64_of_all_bytes),
        cmocka_unit_test(test_hex),           cmocka_unit_test(test_percent),
        cmocka_unit_test(test_uuid),          cmocka_unit_test(test_time),
        cmocka_unit_test(test_parse_int64),   cmocka_unit_test(test_crc32c),
        cmocka_unit_test(test_utf8),          cmocka_unit_test(test_utf8_prefix),
        cmocka_unit_test(test_utf8_storable), cmocka_unit_test(test_random_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
