#include "worker/media/id3.h"

#include <libavutil/intreadwrite.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

enum { HEADER = 10, LANGUAGE = 3, UTF8 = 3, VERSION = 4 };

static size_t read_size(const uint8_t *at)
{
    return (size_t)(at[0] & 0x7f) << 21 | (size_t)(at[1] & 0x7f) << 14 | (size_t)(at[2] & 0x7f) << 7 |
           (size_t)(at[3] & 0x7f);
}

static void write_size(uint8_t *at, size_t size)
{
    for (int i = 0; i < 4; i++)
        at[i] = size >> (21 - 7 * i) & 0x7f;
}

/* The parts of a frame that holds a description and a text. */
struct texts {
    const char *name; /* of the frame */
    char language[LANGUAGE + 1];
    const uint8_t *description, *text; /* within the frame */
    size_t description_len, text_len;
};

/* False: the frame stays as it is. */
static bool understand(const uint8_t *frame, size_t size, struct texts *ret)
{
    const uint8_t *body = frame + HEADER, *end = body + size;
    if (memcmp(frame, "TXXX", 4) != 0 || size < 3 || body[0] != UTF8)
        return false;
    const char *key = (const char *)body + 1;
    const uint8_t *zero = memchr(key, 0, size - 1);
    if (!zero)
        return false;
    *ret = (struct texts){.text = zero + 1, .text_len = (size_t)(end - zero - 1)};
    while (ret->text_len && ret->text[ret->text_len - 1] == 0)
        ret->text_len--;
    size_t len = (size_t)(zero - (const uint8_t *)key), prefix = strlen(MR_ID3_LYRICS);
    if (strcasecmp(key, "comment") == 0) {
        ret->name = "COMM";
        memcpy(ret->language, MR_ID3_NO_LANGUAGE, LANGUAGE);
        return true;
    }
    if (strncasecmp(key, MR_ID3_LYRICS, prefix) != 0 || len < prefix + LANGUAGE)
        return false;
    ret->name = "USLT";
    memcpy(ret->language, zero - LANGUAGE, LANGUAGE);
    ret->description = (const uint8_t *)key + prefix;
    ret->description_len = len - prefix - LANGUAGE;
    if (ret->description_len) /* the hyphen before the language */
        ret->description_len--;
    return true;
}

/* Writes a frame of these texts, which is shorter than the one that they are in, at `to`, which may be before it.
 * Returns its length. */
static size_t rewrite(uint8_t *to, const struct texts *texts)
{
    uint8_t *at = to + HEADER;
    memcpy(to, texts->name, 4);
    at[0] = UTF8;
    /* In the order of the bytes in the old frame, which may overlap. */
    const struct texts from = *texts;
    if (from.description_len)
        memmove(at + 1 + LANGUAGE, from.description, from.description_len);
    memcpy(at + 1, from.language, LANGUAGE);
    at += 1 + LANGUAGE + from.description_len;
    *at++ = 0;
    memmove(at, from.text, from.text_len);
    size_t size = (size_t)(at - to) - HEADER + from.text_len;
    write_size(to + 4, size);
    AV_WB16(to + 8, 0);
    return HEADER + size;
}

void mr_id3_restore(uint8_t *file, size_t len)
{
    if (len < HEADER || memcmp(file, "ID3", 3) != 0 || file[3] != VERSION || file[5] != 0)
        return;
    size_t end = HEADER + read_size(file + 6);
    if (end > len)
        return;
    size_t from = HEADER, to = HEADER;
    while (from + HEADER <= end && file[from] == 'T') { /* texts come before all else */
        size_t size = read_size(file + from + 4);
        struct texts texts;
        if (size > end - from - HEADER)
            break;
        if (understand(file + from, size, &texts)) {
            to += rewrite(file + to, &texts);
        } else {
            memmove(file + to, file + from, HEADER + size);
            to += HEADER + size;
        }
        from += HEADER + size;
    }
    memmove(file + to, file + from, end - from);
    memset(file + to + (end - from), 0, from - to); /* padding */
}
