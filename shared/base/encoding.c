#include "shared/base/encoding.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <isa-l/crc.h>
#include <limits.h>
#include <openssl/evp.h>
#include <sys/random.h>

enum mr_status mr_base64_encode(const void *data, size_t len, char **ret, struct mr_err *err)
{
    if (len > INT_MAX / 2)
        return mr_fail(err, MR_TOO_LARGE, "%zu bytes are too many for base64", len);
    char *text = malloc((len + 2) / 3 * 4 + 1);
    if (!text)
        return mr_fail_oom(err);
    EVP_EncodeBlock((unsigned char *)text, data, (int)len);
    *ret = text;
    return MR_OK;
}

static bool is_base64_char(char c)
{
    return isalnum((unsigned char)c) || c == '+' || c == '/';
}

/* Copies text in the standard alphabet, without padding, into a buffer padded to a multiple of four. */
static enum mr_status normalise_base64(const char *text, size_t len, char **ret, size_t *ret_padding,
                                       struct mr_err *err)
{
    while (len && text[len - 1] == '=')
        len--;
    if (len % 4 == 1 || len > INT_MAX / 2)
        return mr_fail(err, MR_INVALID, "invalid base64: the length is impossible");
    size_t padding = (4 - len % 4) % 4;
    char *plain = malloc(len + padding + 1);
    if (!plain)
        return mr_fail_oom(err);
    for (size_t i = 0; i < len; i++) {
        char c = text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i];
        if (!is_base64_char(c)) {
            free(plain);
            return mr_fail(err, MR_INVALID, "invalid base64: illegal character at %zu", i);
        }
        plain[i] = c;
    }
    memset(plain + len, '=', padding);
    plain[len + padding] = '\0';
    *ret = plain;
    *ret_padding = padding;
    return MR_OK;
}

enum mr_status mr_base64_decode(const char *text, size_t len, unsigned char **ret_data, size_t *ret_len,
                                struct mr_err *err)
{
    MR_AUTO_STR char *plain = NULL;
    size_t padding = 0;
    MR_TRY(normalise_base64(text, len, &plain, &padding, err));
    size_t plain_len = strlen(plain);
    unsigned char *data = malloc(plain_len / 4 * 3 + 1);
    if (!data)
        return mr_fail_oom(err);
    int got = plain_len ? EVP_DecodeBlock(data, (const unsigned char *)plain, (int)plain_len) : 0;
    if (got < 0 || (size_t)got < padding) {
        free(data);
        return mr_fail(err, MR_INVALID, "invalid base64");
    }
    *ret_len = (size_t)got - padding;
    data[*ret_len] = '\0';
    *ret_data = data;
    return MR_OK;
}

void mr_hex_encode(const void *data, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *bytes = data;
    for (size_t i = 0; i < len; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    *out = '\0';
}

static bool is_unreserved(char c)
{
    return isalnum((unsigned char)c) || (c && strchr("-._~", c));
}

enum mr_status mr_percent_encode(struct mr_buf *out, const char *text, bool keep_slash, struct mr_err *err)
{
    for (; *text; text++) {
        if (is_unreserved(*text) || (keep_slash && *text == '/'))
            MR_TRY(mr_buf_append(out, text, 1, err));
        else
            MR_TRY(mr_buf_appendf(out, err, "%%%02X", (unsigned char)*text));
    }
    return MR_OK;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

enum mr_status mr_percent_decode(char *text, bool plus_is_blank, struct mr_err *err)
{
    char *out = text;
    for (const char *in = text; *in; in++) {
        char c = *in;
        if (c == '%') {
            int high = hex_value(in[1]);
            int low = high < 0 ? -1 : hex_value(in[2]);
            if (low < 0 || high * 16 + low == 0)
                return mr_fail(err, MR_INVALID, "invalid percent-escape");
            c = (char)(high * 16 + low);
            in += 2;
        } else if (c == '+' && plus_is_blank) {
            c = ' ';
        }
        *out++ = c;
    }
    *out = '\0';
    return MR_OK;
}

enum mr_status mr_random_bytes(void *out, size_t len, struct mr_err *err)
{
    unsigned char *bytes = out;
    while (len) {
        ssize_t n = getrandom(bytes, len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return mr_fail_errno(err, MR_INTERNAL, errno, "getrandom");
        bytes += n;
        len -= (size_t)n;
    }
    return MR_OK;
}

enum mr_status mr_uuid_generate(char out[MR_UUID_TEXT_MAX], struct mr_err *err)
{
    unsigned char b[16];
    MR_TRY(mr_random_bytes(b, sizeof b, err));
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40); /* version 4 */
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80); /* variant 10 */
    char hex[33];
    mr_hex_encode(b, sizeof b, hex);
    snprintf(out, MR_UUID_TEXT_MAX, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
    return MR_OK;
}

bool mr_uuid_is_valid(const char *text)
{
    for (size_t i = 0; i < 36; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text[i] != '-' : hex_value(text[i]) < 0)
            return false;
    }
    return text[36] == '\0';
}

static int64_t clock_us(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t mr_time_now_us(void)
{
    return clock_us(CLOCK_REALTIME);
}

int64_t mr_time_monotonic_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

struct timespec mr_time_deadline(int ms)
{
    int64_t us = mr_time_monotonic_us() + (int64_t)ms * 1000;
    return (struct timespec){.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
}

void mr_time_format(int64_t us, char out[MR_TIME_TEXT_MAX])
{
    int64_t fraction = us % 1000000;
    time_t seconds = (time_t)(us / 1000000);
    if (fraction < 0) {
        fraction += 1000000;
        seconds--;
    }
    struct tm parts;
    gmtime_r(&seconds, &parts);
    size_t used = strftime(out, MR_TIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(out + used, MR_TIME_TEXT_MAX - used, ".%06" PRId64 "Z", fraction);
}

void mr_int64_text(int64_t value, char out[MR_INT64_TEXT_MAX])
{
    snprintf(out, MR_INT64_TEXT_MAX, "%" PRId64, value);
}

bool mr_parse_int64(const char *text, int64_t min, int64_t max, int64_t *ret)
{
    if (!text || !(isdigit((unsigned char)text[0]) || (text[0] == '-' && isdigit((unsigned char)text[1]))))
        return false;
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno || *end || value < min || value > max)
        return false;
    *ret = value;
    return true;
}

uint32_t mr_crc32c(uint32_t crc, const void *data, size_t len)
{
    /* ISA-L expects its caller to invert the value before and after, and takes an int as length. */
    const unsigned char *bytes = data;
    crc = ~crc;
    while (len) {
        int step = len > (1 << 30) ? 1 << 30 : (int)len;
        crc = crc32_iscsi((unsigned char *)(uintptr_t)bytes, step, crc);
        bytes += step;
        len -= (size_t)step;
    }
    return ~crc;
}

void mr_crc32c_text(uint32_t crc, char out[9])
{
    unsigned char big_endian[4] = {(unsigned char)(crc >> 24), (unsigned char)(crc >> 16),
                                   (unsigned char)(crc >> 8), (unsigned char)crc};
    EVP_EncodeBlock((unsigned char *)out, big_endian, sizeof big_endian);
}

/* The length of the sequence that starts with `lead`, and the smallest code point it may carry; 0 if it is no
 * lead. */
static size_t utf8_sequence(unsigned char lead, uint32_t *ret_bits, uint32_t *ret_smallest)
{
    static const struct {
        unsigned char mask, value, len;
        uint32_t smallest;
    } leads[] = {{0x80, 0x00, 1, 1}, {0xe0, 0xc0, 2, 0x80}, {0xf0, 0xe0, 3, 0x800}, {0xf8, 0xf0, 4, 0x10000}};
    for (size_t i = 0; i < sizeof leads / sizeof *leads; i++)
        if ((lead & leads[i].mask) == leads[i].value) {
            *ret_bits = lead & (unsigned char)~leads[i].mask;
            *ret_smallest = leads[i].smallest;
            return leads[i].len;
        }
    return 0;
}

bool mr_utf8_is_valid(const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text, *end = p + len;
    while (p < end) {
        uint32_t point = 0, smallest = 0;
        size_t size = utf8_sequence(*p, &point, &smallest);
        if (!size || (size_t)(end - p) < size)
            return false;
        for (size_t i = 1; i < size; i++) {
            if ((p[i] & 0xc0) != 0x80)
                return false;
            point = point << 6 | (p[i] & 0x3f);
        }
        if (point < smallest || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
            return false;
        p += size;
    }
    return true;
}

size_t mr_utf8_prefix(const char *text, size_t max)
{
    size_t len = strnlen(text, max + 1);
    if (len > max)
        for (len = max; len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80;)
            len--;
    return len;
}
