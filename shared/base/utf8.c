#include "shared/base/utf8.h"

#include <stdint.h>
#include <string.h>

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

/* The length of the character at p; 0 if it is none, or is cut off at the end: then *ret_cut is true. */
static size_t character(const unsigned char *p, const unsigned char *end, bool *ret_cut)
{
    uint32_t point = 0, smallest = 0;
    size_t size = utf8_sequence(*p, &point, &smallest);
    *ret_cut = false;
    for (size_t i = 1; i < size; i++) {
        if (p + i == end) {
            *ret_cut = true;
            return 0;
        }
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        point = point << 6 | (p[i] & 0x3f);
    }
    bool valid = point >= smallest && point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
    return valid ? size : 0;
}

bool mr_utf8_is_valid(const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text, *end = p + len;
    bool cut = false;
    while (p < end) {
        size_t size = character(p, end, &cut);
        if (!size)
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

void mr_utf8_storable(const char *text, size_t len, char *out, size_t out_size)
{
    const unsigned char *p = (const unsigned char *)text, *end = p + len;
    size_t used = 0;
    bool cut = false;
    while (p < end) {
        size_t size = character(p, end, &cut);
        size_t taken = size ? size : 1;
        bool is_control = *p < 0x20 || *p == 0x7f;
        if (cut || used + taken >= out_size)
            break;
        if (size && !is_control)
            memmove(out + used, p, size);
        else
            out[used] = is_control ? ' ' : '?';
        used += taken;
        p += taken;
    }
    if (out_size)
        out[used] = '\0';
}
