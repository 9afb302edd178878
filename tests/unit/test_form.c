#include "shared/http/form.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

/* A body in memory, given out in parts of at most `step` bytes, the first of `first` bytes. */
struct body {
    const char *data;
    size_t len, at, first, step;
};

static enum mr_status give(void *ctx, void *data, size_t len, size_t *ret_len, struct mr_err *err)
{
    (void)err;
    struct body *body = ctx;
    size_t piece = body->at == 0 && body->first ? body->first : body->step;
    if (piece > len)
        piece = len;
    if (piece > body->len - body->at)
        piece = body->len - body->at;
    memcpy(data, body->data + body->at, piece);
    body->at += piece;
    *ret_len = piece;
    return MR_OK;
}

#define ENTRY_MAX 16384

static void append(struct mr_buf *out, const char *label, const char *text)
{
    if (text)
        assert_int_equal(mr_buf_appendf(out, NULL, "%s%s", label, text), MR_OK);
}

/* The whole form as text, "name|filename(type)=value;" for each part, or "!status" where it fails. */
static void transcribe(const char *type, struct body *body, struct mr_buf *out)
{
    struct mr_err err = {0};
    MR_AUTO(mr_form) struct mr_form *form = NULL;
    enum mr_status status = mr_form_open_source(type, give, body, &form, &err);
    while (status == MR_OK) {
        const struct mr_form_part *part = NULL;
        status = mr_form_next(form, &part, &err);
        if (status != MR_OK || !part)
            break;
        append(out, "", part->name);
        append(out, "|", part->filename);
        append(out, "~", part->content_type);
        append(out, "=", "");
        size_t got = 1;
        while (got && status == MR_OK) {
            char piece[7];
            status = mr_form_read(form, piece, sizeof piece, &got, &err);
            if (status == MR_OK)
                assert_int_equal(mr_buf_append(out, piece, got, NULL), MR_OK);
        }
        append(out, status == MR_OK ? ";" : "", "");
    }
    if (status != MR_OK) {
        append(out, "!", mr_status_name(status));
        const struct mr_form_part *part = NULL;
        if (form) /* a broken form stays broken */
            assert_int_equal(mr_form_next(form, &part, NULL), status);
    }
}

static void assert_form(const char *type, const char *data, size_t len, size_t first, size_t step,
                        const char *expected)
{
    struct body body = {.data = data, .len = len, .first = first, .step = step};
    MR_AUTO(mr_buf) struct mr_buf out = MR_BUF_INIT(ENTRY_MAX);
    transcribe(type, &body, &out);
    if (strcmp(mr_buf_str(&out), expected) != 0)
        print_error("type %s, first %zu, step %zu, body:\n%s\n", type, first, step, data);
    assert_string_equal(mr_buf_str(&out), expected);
}

#define B        "multipart/form-data; boundary=XyZ"
#define FIELD(n) "--XyZ\r\nContent-Disposition: form-data; name=\"" n "\"\r\n\r\n"
#define FILE_HEAD(parameters)                                                                                \
    "--XyZ\r\nContent-Disposition: form-data; name=f; " parameters "\r\n\r\nx\r\n--XyZ--"

static const struct {
    const char *name, *type, *body, *expected;
} forms[] = {
    {"one field", B, FIELD("a") "1\r\n--XyZ--\r\n", "a=1;"},
    {"two fields", B, FIELD("a") "1\r\n" FIELD("b") "2\r\n--XyZ--", "a=1;b=2;"},
    {"empty value", B, FIELD("a") "\r\n--XyZ--\r\n", "a=;"},
    {"value of line ends", B, FIELD("a") "\r\n\r\n\r\n--XyZ--\r\n", "a=\r\n\r\n;"},
    {"file", B,
     "--XyZ\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a b.mp3\"\r\n"
     "Content-Type: audio/mpeg\r\n\r\nID3\r\n--XyZ--\r\n",
     "f|a b.mp3~audio/mpeg=ID3;"},
    {"headers in another order and case", B,
     "--XyZ\r\ncontent-TYPE:audio/mpeg \r\nX-Other: "
     "y\r\ncontent-disposition:FORM-DATA;NAME=f\r\n\r\nx\r\n--XyZ--",
     "f~audio/mpeg=x;"},
    {"folded header", B, "--XyZ\r\nContent-Disposition: form-data;\r\n name=f\r\n\r\nx\r\n--XyZ--", "f=x;"},
    {"preamble and epilogue", B, "pre --XyZ amble\r\n" FIELD("a") "1\r\n--XyZ--\r\nepilogue\r\n--XyZ\r\n",
     "a=1;"},
    {"blanks after boundaries", B,
     "--XyZ \t\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--XyZ-- \r\n", "a=1;"},
    {"almost boundaries", B, FIELD("a") "\r\n--XyZA\r\n--Xy\r\n--XyZ-\r\n-\r\n--XyZ--x\r\r\n\r\n--XyZ--",
     "a=\r\n--XyZA\r\n--Xy\r\n--XyZ-\r\n-\r\n--XyZ--x\r\r\n;"},
    {"boundary without line before it", B, FIELD("a") "1--XyZ--\r\n--XyZ--", "a=1--XyZ--;"},
    {"quoted boundary", "Multipart/Form-Data; charset=utf-8; Boundary=\"a b:c\"",
     "--a b:c\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--a b:c--", "a=1;"},
    {"boundary before other parameters", B " ; charset=x", FIELD("a") "1\r\n--XyZ--", "a=1;"},
    {"escaped quotes", B, FILE_HEAD("filename=\"a\\\"b\\\\c.mp3\""), "f|c.mp3=x;"},
    {"escaped quote", B, FILE_HEAD("filename=\"a\\\"b.mp3\""), "f|a\"b.mp3=x;"},
    {"browser's quote", B, FILE_HEAD("filename=\"a%22b%20.mp3\""), "f|a\"b%20.mp3=x;"},
    {"semicolon in quotes", B, FILE_HEAD("filename=\"a;name=b.mp3\""), "f|a;name=b.mp3=x;"},
    {"Windows directory", B, FILE_HEAD("filename=\"C:\\x\\y.mp3\""), "f|y.mp3=x;"},
    {"Unix directory", B, FILE_HEAD("filename=\"../../etc/y.mp3\""), "f|y.mp3=x;"},
    {"directory only", B, FILE_HEAD("filename=\"x/\""), "f|=x;"},
    {"no file chosen", B, FILE_HEAD("filename=\"\""), "f|=x;"},
    {"UTF-8 name", B, FILE_HEAD("filename=\"\xc3\xa4.mp3\""), "f|\xc3\xa4.mp3=x;"},
    {"extended name", B, FILE_HEAD("filename*=utf-8'de'%C3%A4%2F..%2Fb.mp3"), "f|b.mp3=x;"},
    {"extended before plain", B, FILE_HEAD("filename*=UTF-8''b; filename=a"), "f|b=x;"},
    {"extended after plain", B, FILE_HEAD("filename=\"=?utf-8?B?eA==?=\"; filename*=utf-8''b"), "f|b=x;"},
    {"encoded word", B, FILE_HEAD("filename=\"=?utf-8?B?w6QvYi5tcDM=?=\""), "f|b.mp3=x;"},
    {"encoded words", B, FILE_HEAD("filename=\"=?UTF-8?B?w6Q=?= =?UTF-8?Q?b=2E_mp3?=\""),
     "f|\xc3\xa4"
     "b. mp3=x;"},
    {"encoded word of another charset", B, FILE_HEAD("filename=\"=?latin1?B?5A==?=\""),
     "f|=?latin1?B?5A==?==x;"},
    {"broken encoded word", B, FILE_HEAD("filename=\"=?utf-8?B?5A==\""), "f|=?utf-8?B?5A===x;"},
    {"encoded control character of a word", B, FILE_HEAD("filename=\"=?utf-8?Q?a=0Ab?=\""), "!invalid"},
    {"extended in another charset", B, FILE_HEAD("filename*=ISO-8859-1''%E4"), "f=x;"},
    {"no parts", B, "--XyZ--\r\n", ""},
    /* failures */
    {"empty body", B, "", "!invalid"},
    {"no closing boundary", B, FIELD("a") "1\r\n", "a=1\r\n!invalid"},
    {"closing boundary cut", B, FIELD("a") "1\r\n--XyZ-", "a=1\r\n--XyZ-!invalid"},
    {"ends in a head", B, "--XyZ\r\nContent-Disposition: form-data; name=a\r\n", "!invalid"},
    {"no name", B, "--XyZ\r\nContent-Disposition: form-data; filename=a\r\n\r\nx\r\n--XyZ--", "!invalid"},
    {"no head", B, "--XyZ\r\n\r\nx\r\n--XyZ--", "!invalid"},
    {"no colon", B, "--XyZ\r\nContent-Disposition\r\n\r\nx\r\n--XyZ--", "!invalid"},
    {"not form-data", B, "--XyZ\r\nContent-Disposition: attachment; name=a\r\n\r\nx\r\n--XyZ--", "!invalid"},
    {"name not UTF-8", B, FILE_HEAD("filename=\"\xff.mp3\""), "!invalid"},
    {"control character in name", B, FILE_HEAD("filename=\"a\x01.mp3\""), "!invalid"},
    {"encoded control character", B, FILE_HEAD("filename*=UTF-8''a%0Ab"), "!invalid"},
    {"no boundary", "multipart/form-data", FIELD("a"), "!invalid"},
    {"empty boundary", "multipart/form-data; boundary=", FIELD("a"), "!invalid"},
    {"unclosed boundary", "multipart/form-data; boundary=\"x", FIELD("a"), "!invalid"},
    {"long boundary",
     "multipart/form-data; boundary=01234567890123456789012345678901234567890123456789012345678901234567890",
     FIELD("a"), "!invalid"},
    {"no form", "application/json", "{}", "!unsupported"},
    {"no type", NULL, "", "!unsupported"},
    /* urlencoded */
    {"pairs", "application/x-www-form-urlencoded", "a=1&b=x+y%20z%26&c=&d&&e=%C3%A4",
     "a=1;b=x y z&;c=;d=;e=\xc3\xa4;"},
    {"empty form", "application/x-www-form-urlencoded; charset=UTF-8", "", ""},
    {"broken escape", "application/x-www-form-urlencoded", "a=%4", "!invalid"},
    {"encoded NUL", "application/x-www-form-urlencoded", "a=%00", "!invalid"},
    {"pair's name not UTF-8", "application/x-www-form-urlencoded", "%FF=1", "!invalid"},
};

static void test_table_at_every_split(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        size_t len = strlen(forms[i].body);
        print_message("  %s\n", forms[i].name);
        for (size_t cut = 0; cut <= len; cut++)
            assert_form(forms[i].type, forms[i].body, len, cut, len + 1, forms[i].expected);
        for (size_t step = 1; step < 5; step++)
            assert_form(forms[i].type, forms[i].body, len, 0, step, forms[i].expected);
    }
}

/* Cut short anywhere, a form must not look whole. */
static void test_every_truncation_fails(void **state)
{
    (void)state;
    static const char body[] = FIELD("a") "1\r\n" FIELD("b") "2\r\n--XyZ--";
    for (size_t len = 0; len < sizeof body - 1; len++) {
        struct body source = {.data = body, .len = len, .step = len + 1};
        MR_AUTO(mr_buf) struct mr_buf out = MR_BUF_INIT(ENTRY_MAX);
        transcribe(B, &source, &out);
        const char *end = strchr(mr_buf_str(&out), '!');
        assert_non_null(end);
        assert_string_equal(end, "!invalid");
    }
}

static enum mr_status open_buf(const struct mr_buf *buf, struct body *body, struct mr_form **ret)
{
    *body = (struct body){.data = mr_buf_str(buf), .len = buf->len, .step = 16384};
    return mr_form_open_source(B, give, body, ret, NULL);
}

static void add(struct mr_buf *buf, const char *text)
{
    assert_int_equal(mr_buf_append_str(buf, text, NULL), MR_OK);
}

static enum mr_status next_name(struct mr_form *form, struct mr_err *err)
{
    const struct mr_form_part *part = NULL;
    return mr_form_next(form, &part, err);
}

static void test_long_head_is_refused(void **state)
{
    (void)state;
    MR_AUTO(mr_buf) struct mr_buf text = MR_BUF_INIT(1 << 20);
    add(&text, "--XyZ\r\nX: ");
    for (int i = 0; i < 8192; i++)
        add(&text, "y");
    add(&text, "\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--XyZ--");
    struct body body;
    MR_AUTO(mr_form) struct mr_form *form = NULL;
    assert_int_equal(open_buf(&text, &body, &form), MR_OK);
    assert_int_equal(next_name(form, NULL), MR_TOO_LARGE);
}

static void test_number_of_parts_is_bounded(void **state)
{
    (void)state;
    MR_AUTO(mr_buf) struct mr_buf text = MR_BUF_INIT(1 << 20);
    for (int i = 0; i < 65; i++)
        add(&text, FIELD("a") "1\r\n");
    add(&text, "--XyZ--");
    struct body body;
    MR_AUTO(mr_form) struct mr_form *form = NULL;
    assert_int_equal(open_buf(&text, &body, &form), MR_OK);
    for (int i = 0; i < 64; i++)
        assert_int_equal(next_name(form, NULL), MR_OK);
    assert_int_equal(next_name(form, NULL), MR_TOO_LARGE);
}

/* Megabytes of bytes that begin like a boundary again and again must come out as they went in. */
static void test_large_binary_part(void **state)
{
    (void)state;
    MR_AUTO(mr_buf) struct mr_buf content = MR_BUF_INIT(8 << 20), text = MR_BUF_INIT(8 << 20);
    static const char *const bits[] = {"\r\n--Xy", "\r\n--XyZ-", "\r\n--XyZ_", "-XyZ--", "\r\n", "\r", "-Z"};
    uint32_t seed = 1;
    while (content.len < 3 << 20) {
        seed = seed * 1664525 + 1013904223;
        if (seed >> 28 < 7)
            add(&content, bits[seed >> 28]);
        else
            assert_int_equal(mr_buf_append(&content, &seed, sizeof seed, NULL), MR_OK);
    }
    add(&text, FIELD("a"));
    assert_int_equal(mr_buf_append(&text, content.data, content.len, NULL), MR_OK);
    add(&text, "\r\n" FIELD("b") "2\r\n--XyZ--\r\n");
    struct body body;
    MR_AUTO(mr_form) struct mr_form *form = NULL;
    assert_int_equal(open_buf(&text, &body, &form), MR_OK);
    assert_int_equal(next_name(form, NULL), MR_OK);
    size_t at = 0;
    for (size_t got = 1; got; at += got) {
        char piece[10000];
        assert_int_equal(mr_form_read(form, piece, sizeof piece, &got, NULL), MR_OK);
        assert_memory_equal(piece, content.data + at, got);
    }
    assert_int_equal(at, content.len);
    const struct mr_form_part *part = NULL;
    assert_int_equal(mr_form_next(form, &part, NULL), MR_OK);
    assert_string_equal(part->name, "b");
}

static void test_unread_parts_are_skipped(void **state)
{
    (void)state;
    static const char text[] = FIELD("a") "long value\r\n" FIELD("b") "2\r\n--XyZ--";
    struct body body = {.data = text, .len = sizeof text - 1, .step = 3};
    MR_AUTO(mr_form) struct mr_form *form = NULL;
    MR_AUTO(mr_buf) struct mr_buf value = MR_BUF_INIT(10);
    const struct mr_form_part *part = NULL;
    assert_int_equal(mr_form_open_source(B, give, &body, &form, NULL), MR_OK);
    assert_int_equal(mr_form_next(form, &part, NULL), MR_OK);
    assert_int_equal(mr_form_next(form, &part, NULL), MR_OK);
    assert_int_equal(mr_form_value(form, &value, NULL), MR_OK);
    assert_string_equal(mr_buf_str(&value), "2");
    assert_int_equal(mr_form_next(form, &part, NULL), MR_OK);
    assert_null(part);
    assert_int_equal(mr_form_next(form, &part, NULL), MR_OK);
    assert_null(part);
}

static void test_value_limits(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum mr_status status;
    } values[] = {
        {FIELD("a") "1234\r\n--XyZ--", MR_OK},
        {FIELD("a") "12345\r\n--XyZ--", MR_TOO_LARGE},
        {FIELD("a") "\xff\r\n--XyZ--", MR_INVALID},
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct body body = {.data = values[i].text, .len = strlen(values[i].text), .step = 100};
        MR_AUTO(mr_form) struct mr_form *form = NULL;
        MR_AUTO(mr_buf) struct mr_buf value = MR_BUF_INIT(4);
        assert_int_equal(mr_form_open_source(B, give, &body, &form, NULL), MR_OK);
        assert_int_equal(next_name(form, NULL), MR_OK);
        assert_int_equal(mr_form_value(form, &value, NULL), values[i].status);
    }
}

static void test_urlencoded_size_is_bounded(void **state)
{
    (void)state;
    MR_AUTO_STR char *text = malloc(65537 + 1);
    assert_non_null(text);
    memset(text, 'a', 65537);
    for (size_t len = 65536; len <= 65537; len++) {
        struct body body = {.data = text, .len = len, .step = 16384};
        MR_AUTO(mr_form) struct mr_form *form = NULL;
        const char *type = "application/x-www-form-urlencoded";
        assert_int_equal(mr_form_open_source(type, give, &body, &form, NULL), MR_OK);
        assert_int_equal(next_name(form, NULL), len == 65536 ? MR_OK : MR_TOO_LARGE);
    }
}

static enum mr_status give_failure(void *ctx, void *data, size_t len, size_t *ret_len, struct mr_err *err)
{
    (void)ctx, (void)data, (void)len, (void)ret_len;
    return mr_fail(err, MR_TIMEOUT, "too slow");
}

static void test_failure_of_the_source_is_passed_on(void **state)
{
    (void)state;
    static const char *const types[] = {B, "application/x-www-form-urlencoded"};
    for (size_t i = 0; i < 2; i++) {
        MR_AUTO(mr_form) struct mr_form *form = NULL;
        struct mr_err err;
        assert_int_equal(mr_form_open_source(types[i], give_failure, NULL, &form, NULL), MR_OK);
        assert_int_equal(next_name(form, &err), MR_TIMEOUT);
        assert_string_equal(err.message, "too slow");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_at_every_split),
        cmocka_unit_test(test_every_truncation_fails),
        cmocka_unit_test(test_long_head_is_refused),
        cmocka_unit_test(test_number_of_parts_is_bounded),
        cmocka_unit_test(test_large_binary_part),
        cmocka_unit_test(test_unread_parts_are_skipped),
        cmocka_unit_test(test_value_limits),
        cmocka_unit_test(test_urlencoded_size_is_bounded),
        cmocka_unit_test(test_failure_of_the_source_is_passed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
