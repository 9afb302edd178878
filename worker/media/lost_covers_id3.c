#include "worker/media/lost_covers_parts.h"

#include <errno.h>
#include <libavutil/intreadwrite.h>
#include <string.h>

enum { ID3_HEADER = 10, TAG_MAX = MR_LOST_PICTURE_MAX + (1 << 20) };
enum { TAG_UNSYNC = 0x80, TAG_EXTENDED = 0x40, TAG_COMPRESSED = 0x40 /* of version 2.2 */ };

struct tag {
    AVFormatContext *format;
    struct mr_lost_bytes bytes;
    unsigned version;
    bool is_unsync; /* each frame */
};

/* What stands before a frame's body, and how that is stored. */
struct frame_form {
    size_t extra;
    size_t whole; /* the body's length once it is restored; 0: not known */
    bool is_opaque, is_unsync;
};

static size_t syncsafe(const uint8_t *at)
{
    return (size_t)(at[0] & 0x7f) << 21 | (size_t)(at[1] & 0x7f) << 14 | (size_t)(at[2] & 0x7f) << 7 |
           (size_t)(at[3] & 0x7f);
}

/* Where the text at `at` ends, with its zero; 0: not within len. UTF-16 has two zeros, of one character. */
static size_t text_end(const uint8_t *data, size_t at, size_t len, bool is_wide)
{
    for (size_t step = is_wide ? 2 : 1; at + step <= len; at += step)
        if (data[at] == 0 && (!is_wide || data[at + 1] == 0))
            return at + step;
    return 0;
}

/* Reads bytes and takes out the zeros that stand behind each 255 so that no decoder sees a frame in them. NULL: they
 * cannot be read. The caller frees it (av_free). */
static uint8_t *read_synced(const struct mr_lost_bytes *from, int64_t at, size_t *len)
{
    uint8_t *data = *len > 0 && *len <= TAG_MAX ? av_malloc(*len) : NULL;
    size_t to = 0;
    if (!data || !mr_lost_peek(from, at, data, *len)) {
        av_free(data);
        return NULL;
    }
    for (size_t i = 0; i < *len; i++) {
        bool is_extra = i > 0 && data[i] == 0 && data[i - 1] == 0xff;
        if (!is_extra)
            data[to++] = data[i];
        else
            data[i] = 1; /* no mark for the next one */
    }
    *len = to;
    return data;
}

/* id3.org/id3v2.3.0, 4.15; id3v2-00 (version 2.2), 4.15: encoding, media type, type, description, the picture. */
static enum mr_status read_body(const struct tag *tag, const struct mr_lost_bytes *from, int64_t at,
                                size_t size, struct mr_err *err)
{
    enum { TYPE_OF_2 = 4 };
    uint8_t head[MR_LOST_HEAD_MAX] = {0};
    size_t len = FFMIN(size, sizeof head);
    if (!mr_lost_peek(from, at, head, len))
        return MR_OK;
    size_t type = tag->version == 2 ? TYPE_OF_2 : text_end(head, 1, len, false);
    size_t data = type ? text_end(head, type + 1, len, head[0] == 1 || head[0] == 2) : 0;
    return data ? mr_lost_take(tag->format, from, at + (int64_t)data, size - data, head[type], err) : MR_OK;
}

/* libav restores what is compressed, and takes the picture if it knows its media type. */
static bool is_restored(const AVFormatContext *format, size_t whole)
{
    for (unsigned i = 0; i < format->nb_streams; i++) {
        size_t size = (size_t)FFMAX(format->streams[i]->attached_pic.size, 0);
        if (size > 0 && size < whole && whole - size <= MR_LOST_HEAD_MAX)
            return true;
    }
    return false;
}

/* id3v2.3.0, 3.3.1; id3v2.4.0-structure, 4.1. */
static struct frame_form form_of(const struct tag *tag, const uint8_t *head, const uint8_t *body)
{
    struct frame_form form = {.is_unsync = tag->is_unsync};
    unsigned flags = tag->version == 2 ? 0 : head[9];
    if (tag->version == 3) {
        bool is_compressed = flags & 0x80, is_encrypted = flags & 0x40;
        form.extra = (is_compressed ? 4U : 0) + (is_encrypted ? 1U : 0) + (flags & 0x20 ? 1U : 0);
        form.whole = is_compressed ? AV_RB32(body) : 0;
        form.is_opaque = is_compressed || is_encrypted;
    } else if (tag->version == 4) {
        size_t before = (flags & 0x40 ? 1U : 0) + (flags & 0x04 ? 1U : 0);
        form.extra = before + (flags & 0x01 ? 4U : 0);
        form.whole = flags & 0x01 ? syncsafe(body + before) : 0;
        form.is_opaque = flags & 0x0c;
        form.is_unsync |= flags & 0x02;
    }
    return form;
}

static enum mr_status read_frame(const struct tag *tag, const uint8_t *head, int64_t at, size_t size,
                                 struct mr_err *err)
{
    uint8_t body[8] = {0};
    if (!mr_lost_peek(&tag->bytes, at, body, FFMIN(size, sizeof body)))
        return MR_OK;
    const struct frame_form form = form_of(tag, head, body);
    if (form.extra >= size)
        return MR_OK;
    at += (int64_t)form.extra;
    size -= form.extra;
    if (form.is_opaque) /* its bytes are no picture, of which the receipt tells */
        return is_restored(tag->format, form.whole)
                   ? MR_OK
                   : mr_lost_take(tag->format, &tag->bytes, at, size, 0, err);
    if (!form.is_unsync)
        return read_body(tag, &tag->bytes, at, size, err);
    uint8_t *data = read_synced(&tag->bytes, at, &size);
    const struct mr_lost_bytes synced = {.data = data, .size = (int64_t)size};
    enum mr_status status = data ? read_body(tag, &synced, 0, size, err) : MR_OK;
    av_free(data);
    return status;
}

static enum mr_status read_frames(const struct tag *tag, int64_t at, int64_t end, struct mr_err *err)
{
    enum { HEADER_OF_2 = 6 };
    bool is_old = tag->version == 2;
    size_t header = is_old ? HEADER_OF_2 : ID3_HEADER;
    for (int i = 0; i < MR_LOST_PARTS_MAX && at + (int64_t)header <= end; i++) {
        uint8_t head[ID3_HEADER];
        if (!mr_lost_peek(&tag->bytes, at, head, header) || head[0] == 0)
            return MR_OK;
        size_t size = is_old              ? (size_t)AV_RB24(head + 3)
                      : tag->version == 4 ? syncsafe(head + 4)
                                          : AV_RB32(head + 4);
        at += (int64_t)header;
        if ((int64_t)size > end - at)
            return MR_OK;
        if (is_old ? memcmp(head, "PIC", 3) == 0 : memcmp(head, "APIC", 4) == 0)
            MR_TRY(read_frame(tag, head, at, size, err));
        at += (int64_t)size;
    }
    return MR_OK;
}

/* The extended header states its size: in version 2.3 without the four bytes of that. */
static int64_t skip_extended(const struct tag *tag, int64_t at)
{
    uint8_t size[4];
    if (!mr_lost_peek(&tag->bytes, at, size, sizeof size))
        return at;
    return at + (tag->version == 4 ? (int64_t)syncsafe(size) : 4 + (int64_t)AV_RB32(size));
}

enum mr_status mr_lost_covers_id3(AVFormatContext *format, struct mr_source *source, int64_t begin,
                                  int64_t *ret_end, struct mr_err *err)
{
    uint8_t head[ID3_HEADER], *synced = NULL;
    *ret_end = 0;
    if (!mr_source_peek(source, begin, head, sizeof head) || memcmp(head, "ID3", 3) != 0)
        return MR_OK;
    size_t size = syncsafe(head + 6);
    int64_t at = begin + ID3_HEADER, end = *ret_end = at + (int64_t)size;
    struct tag tag = {format, {.source = source}, head[3], head[3] == 4 && (head[5] & TAG_UNSYNC)};
    if (tag.version < 2 || tag.version > 4 || (tag.version == 2 && (head[5] & TAG_COMPRESSED)))
        return MR_OK;
    if (tag.version < 4 && (head[5] & TAG_UNSYNC)) { /* as a whole */
        synced = read_synced(&tag.bytes, at, &size);
        tag.bytes = (struct mr_lost_bytes){.data = synced, .size = (int64_t)size};
        at = 0;
        end = synced ? (int64_t)size : 0;
    }
    if (tag.version > 2 && (head[5] & TAG_EXTENDED))
        at = skip_extended(&tag, at);
    enum mr_status status = read_frames(&tag, at, end, err);
    av_free(synced);
    return status;
}
