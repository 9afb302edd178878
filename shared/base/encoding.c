#include "shared/base/encoding.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <openssl/evp.h>

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
