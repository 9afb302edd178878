#include "worker/media/lost_covers_parts.h"

#include <libavutil/common.h>
#include <libavutil/intreadwrite.h>
#include <string.h>

enum { GUID = 16, OBJECT = GUID + 8 };

/* "WM/Picture" in UTF-16, with its zero (of two bytes, as all). */
static const uint8_t name[] = "W\0M\0/\0P\0i\0c\0t\0u\0r\0e\0\0";

/* Behind the text in UTF-16 at `at`; 0: it does not end within len. */
static size_t text_end(const uint8_t *data, size_t at, size_t len)
{
    for (; at + 2 <= len; at += 2)
        if (data[at] == 0 && data[at + 1] == 0)
            return at + 2;
    return 0;
}

/* The picture's type, its length, its media type, a description, the picture: WM_PICTURE as it is stored. */
static enum mr_status take(AVFormatContext *format, struct mr_source *source, int64_t at, size_t size,
                           struct mr_err *err)
{
    enum { FIXED = 5 };
    const struct mr_lost_bytes bytes = {.source = source};
    uint8_t head[MR_LOST_HEAD_MAX];
    size_t len = FFMIN(size, sizeof head);
    if (len < FIXED || !mr_source_peek(source, at, head, len))
        return MR_OK;
    size_t text = text_end(head, FIXED, len), data = text ? text_end(head, text, len) : 0;
    size_t picture = AV_RL32(head + 1);
    return data && picture <= size - data
               ? mr_lost_take(format, &bytes, at + (int64_t)data, picture, head[0], err)
               : MR_OK;
}

/* What stands before a value, by the object: lengths of the name and the value, and where the name begins. */
struct value {
    size_t name_at, name_len, value_len;
    bool value_is_last; /* behind the name, without a type and a length between them */
};

/* Advanced Systems Format, 3.11 (Extended Content Description) and 4.8 (Metadata Library). */
static bool read_value(struct mr_source *source, int64_t at, bool is_library, struct value *ret)
{
    enum { LIBRARY_HEAD = 12 };
    uint8_t head[LIBRARY_HEAD], tail[4];
    if (!mr_source_peek(source, at, head, is_library ? LIBRARY_HEAD : 2))
        return false;
    if (is_library) {
        *ret = (struct value){LIBRARY_HEAD, AV_RL16(head + 4), AV_RL32(head + 8), true};
        return true;
    }
    *ret = (struct value){.name_at = 2, .name_len = AV_RL16(head)};
    if (!mr_source_peek(source, at + 2 + (int64_t)ret->name_len, tail, sizeof tail))
        return false;
    ret->value_len = AV_RL16(tail + 2);
    return true;
}

static enum mr_status read_values(AVFormatContext *format, struct mr_source *source, int64_t at, int64_t end,
                                  bool is_library, struct mr_err *err)
{
    enum { TYPE_AND_LENGTH = 4 };
    uint8_t count[2], found[sizeof name];
    if (!mr_source_peek(source, at, count, sizeof count))
        return MR_OK;
    at += 2;
    for (int i = AV_RL16(count); i > 0; i--) {
        struct value value;
        if (!read_value(source, at, is_library, &value))
            return MR_OK;
        int64_t body =
            at + (int64_t)(value.name_at + value.name_len + (value.value_is_last ? 0 : TYPE_AND_LENGTH));
        if ((int64_t)value.value_len > end - body)
            return MR_OK;
        if (value.name_len == sizeof found &&
            mr_source_peek(source, at + (int64_t)value.name_at, found, sizeof found) &&
            memcmp(found, name, sizeof found) == 0)
            MR_TRY(take(format, source, body, value.value_len, err));
        at = body + (int64_t)value.value_len;
    }
    return MR_OK;
}

/* The objects of the header, and of its extension, which is one of them. */
static enum mr_status read_objects(AVFormatContext *format, struct mr_source *source, int64_t at, int64_t end,
                                   bool is_extension, struct mr_err *err)
{
    enum { OBJECTS_MAX = 64, EXTENSION_HEAD = 46 };
    static const uint8_t description[GUID] =
        "\x40\xa4\xd0\xd2\x07\xe3\xd2\x11\x97\xf0\x00\xa0\xc9\x5e\xa8\x50",
                         library[GUID] = "\x94\x1c\x23\x44\x98\x94\xd1\x49\xa1\x41\x1d\x13\x4e\x45\x70\x54",
                         extension[GUID] = "\xb5\x03\xbf\x5f\x2e\xa9\xcf\x11\x8e\xe3\x00\xc0\x0c\x20\x53\x65";
    for (int i = 0; i < OBJECTS_MAX && at + OBJECT <= end; i++) {
        uint8_t head[OBJECT];
        if (!mr_source_peek(source, at, head, sizeof head))
            return MR_OK;
        uint64_t size = AV_RL64(head + GUID);
        if (size < OBJECT || size > (uint64_t)(end - at))
            return MR_OK;
        int64_t next = at + (int64_t)size;
        if (memcmp(head, description, GUID) == 0 || memcmp(head, library, GUID) == 0)
            MR_TRY(read_values(format, source, at + OBJECT, next, memcmp(head, library, GUID) == 0, err));
        else if (!is_extension && memcmp(head, extension, GUID) == 0)
            MR_TRY(read_objects(format, source, at + EXTENSION_HEAD, next, true, err));
        at = next;
    }
    return MR_OK;
}

enum mr_status mr_lost_covers_asf(AVFormatContext *format, struct mr_source *source, struct mr_err *err)
{
    enum { HEADER = 30 };
    uint8_t head[HEADER];
    if (strncmp(format->iformat->name, "asf", 3) != 0 || !mr_source_peek(source, 0, head, sizeof head))
        return MR_OK;
    uint64_t size = AV_RL64(head + GUID);
    int64_t end = size < (uint64_t)source->size ? (int64_t)size : source->size;
    return read_objects(format, source, HEADER, end, false, err);
}
