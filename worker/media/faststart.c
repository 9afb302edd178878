#include "worker/media/faststart.h"

#include <libavutil/intreadwrite.h>
#include <string.h>

enum { BOX = 8, LARGE_BOX = 16, TABLE = 16, DEPTH_MAX = 6 };

bool mr_faststart_find(const uint8_t *head, size_t len, int64_t *ret_begin, int64_t *ret_end)
{
    size_t at = 0;
    while (at + LARGE_BOX <= len) {
        uint64_t size = AV_RB32(head + at);
        bool is_large = size == 1;
        if (is_large)
            size = AV_RB64(head + at + BOX);
        if (memcmp(head + at + 4, "mdat", 4) == 0) {
            *ret_end = (int64_t)(at + size);
            return *ret_begin > 0 && size >= BOX && size < INT64_MAX / 2;
        }
        /* What may become the long form of the media's box stays with it. */
        bool is_placeholder =
            size == BOX && (memcmp(head + at + 4, "free", 4) == 0 || memcmp(head + at + 4, "wide", 4) == 0);
        if (size < BOX || size > len - at)
            return false;
        at += size;
        if (!is_placeholder)
            *ret_begin = (int64_t)at;
    }
    return false;
}

/* Each of a table's entries, width bytes wide, rises by `shift`. With `dry`, only looks whether it can. */
static bool shift_table(uint8_t *box, size_t len, size_t width, uint64_t shift, bool dry)
{
    if (len < TABLE)
        return false;
    uint64_t count = AV_RB32(box + TABLE - 4);
    if (count > (len - TABLE) / width)
        return false;
    for (uint8_t *at = box + TABLE; count--; at += width) {
        uint64_t offset = (width == 4 ? AV_RB32(at) : AV_RB64(at)) + shift;
        if (width == 4 && offset > UINT32_MAX)
            return false;
        if (!dry && width == 4)
            AV_WB32(at, (uint32_t)offset);
        else if (!dry)
            AV_WB64(at, offset);
    }
    return true;
}

static bool is_one_of(const uint8_t *type, const char *types)
{
    for (; *types; types += 4)
        if (memcmp(type, types, 4) == 0)
            return true;
    return false;
}

static bool shift_boxes(uint8_t *data, size_t len, uint64_t shift, bool dry, int depth)
{
    for (size_t at = 0; at < len;) {
        size_t size = len - at >= BOX ? AV_RB32(data + at) : 0;
        uint8_t *box = data + at;
        if (size < BOX || size > len - at || depth > DEPTH_MAX)
            return false;
        bool fine = true;
        if (is_one_of(box + 4, "moovtrakmdiaminfstbl"))
            fine = shift_boxes(box + BOX, size - BOX, shift, dry, depth + 1);
        else if (is_one_of(box + 4, "stcoco64"))
            fine = shift_table(box, size, box[4] == 's' ? 4 : 8, shift, dry);
        if (!fine)
            return false;
        at += size;
    }
    return true;
}

bool mr_faststart_shift(uint8_t *moov, size_t len)
{
    return len >= BOX && memcmp(moov + 4, "moov", 4) == 0 && AV_RB32(moov) == len &&
           shift_boxes(moov, len, len, true, 0) && shift_boxes(moov, len, len, false, 0);
}
