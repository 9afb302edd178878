#include "worker/media/tag_text.h"

#include "shared/base/utf8.h"

#include <errno.h>
#include <string.h>

/* 0x80 to 0x9f of Windows-1252, the only ones that Latin-1 has not (encoding.spec.whatwg.org, index-windows-1252). */
static const uint16_t extras[32] = {
    0x20AC, 0x81,   0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0x8D,   0x017D, 0x8F,   0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D,   0x017E, 0x0178,
};

/* At most 3 bytes each. */
static char *from_windows(const char *text, size_t len)
{
    char *out = av_malloc(3 * len + 1), *at = out;
    for (size_t i = 0; out && i < len; i++) {
        unsigned byte = (uint8_t)text[i], code = byte >= 0x80 && byte < 0xa0 ? extras[byte - 0x80] : byte;
        if (code >= 0x800)
            *at++ = (char)(0xe0 | code >> 12);
        if (code >= 0x80)
            *at++ = (char)(code >= 0x800 ? 0x80 | (code >> 6 & 0x3f) : 0xc0 | code >> 6);
        *at++ = (char)(code >= 0x80 ? 0x80 | (code & 0x3f) : code);
    }
    if (out)
        *at = '\0';
    return out;
}

/* ID3v1 has 30 bytes for a text: one of UTF-8 may be cut within its last character. */
static bool is_cut_utf8(const char *text, size_t len, size_t *ret_whole)
{
    bool has_wide = false;
    for (size_t cut = 1; cut <= 3 && cut < len; cut++) {
        if (((uint8_t)text[len - cut] & 0xc0) == 0x80)
            continue;
        *ret_whole = len - cut;
        for (size_t i = 0; i < *ret_whole; i++)
            has_wide |= (uint8_t)text[i] >= 0x80;
        return has_wide && ((uint8_t)text[len - cut] & 0xc0) == 0xc0 && mr_utf8_is_valid(text, *ret_whole);
    }
    return false;
}

static char *decode(const char *text)
{
    size_t len = strlen(text), whole = 0;
    return is_cut_utf8(text, len, &whole) ? av_strndup(text, whole) : from_windows(text, len);
}

static bool is_text(const AVDictionaryEntry *tag)
{
    return mr_utf8_is_valid(tag->key, strlen(tag->key)) && mr_utf8_is_valid(tag->value, strlen(tag->value));
}

static int decode_all(AVDictionary **tags)
{
    AVDictionary *decoded = NULL;
    const AVDictionaryEntry *tag = NULL;
    bool is_fine = true;
    while ((tag = av_dict_get(*tags, "", tag, AV_DICT_IGNORE_SUFFIX)))
        is_fine &= is_text(tag);
    if (is_fine)
        return 0;
    int rc = 0;
    while (rc >= 0 && (tag = av_dict_get(*tags, "", tag, AV_DICT_IGNORE_SUFFIX))) {
        bool fine = is_text(tag);
        char *key = fine ? av_strdup(tag->key) : decode(tag->key);
        char *value = fine ? av_strdup(tag->value) : decode(tag->value);
        rc = key && value ? av_dict_set(&decoded, key, value, AV_DICT_MULTIKEY) : AVERROR(ENOMEM);
        av_free(key);
        av_free(value);
    }
    av_dict_free(rc < 0 ? &decoded : tags);
    if (rc >= 0)
        *tags = decoded;
    return rc;
}

enum mr_status mr_tag_text_decode(AVFormatContext *format, struct mr_err *err)
{
    int rc = decode_all(&format->metadata);
    for (unsigned i = 0; rc >= 0 && i < format->nb_streams; i++)
        rc = decode_all(&format->streams[i]->metadata);
    for (unsigned i = 0; rc >= 0 && i < format->nb_chapters; i++)
        rc = decode_all(&format->chapters[i]->metadata);
    return rc < 0 ? mr_av_fail(err, MR_CODE_RESOURCE_LIMIT, rc, "read the tags") : MR_OK;
}
