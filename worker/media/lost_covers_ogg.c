#include "worker/media/lost_covers_parts.h"

#include <errno.h>
#include <libavutil/avstring.h>
#include <libavutil/base64.h>
#include <libavutil/intreadwrite.h>
#include <string.h>

enum { PAGES_MAX = 4000, COMMENTS_MAX = MR_LOST_PICTURE_MAX / 3 * 4 + (1 << 20), LACING_MAX = 255 };

/* Codecs by the first packet; what stands before the comments in the second. */
static const struct codec {
    const char *magic;
    size_t len, prefix;
    bool is_flac; /* further packets are blocks */
} codecs[] = {
    {"\1vorbis", 7, 7, false},
    {"OpusHead", 8, 8, false},
    {"\x7f"
     "FLAC",
     5, 4, true},
    {"Speex   ", 8, 0, false},
};

/* The packets of one stream (RFC 3533, 6). */
struct ogg {
    struct mr_source *source;
    const struct codec *codec; /* NULL: no stream of audio was met */
    uint32_t serial;
    int64_t at;   /* of the next page */
    int64_t body; /* of the present one: what was not read */
    uint8_t lacing[LACING_MAX];
    int count, next;
    int pages;
    uint8_t *data; /* the present packet; owned */
    size_t len, capacity;
};

static const struct codec *find_codec(struct mr_source *source, int64_t at)
{
    uint8_t magic[8];
    if (!mr_source_peek(source, at, magic, sizeof magic))
        return NULL;
    for (size_t i = 0; i < sizeof codecs / sizeof *codecs; i++)
        if (memcmp(magic, codecs[i].magic, codecs[i].len) == 0)
            return &codecs[i];
    return NULL;
}

/* The stream's next page; of the first stream of audio, if none was met. */
static bool next_page(struct ogg *ogg)
{
    enum { HEADER = 27, SERIAL = 14, SEGMENTS = 26 };
    uint8_t head[HEADER];
    while (ogg->pages++ < PAGES_MAX) {
        if (!mr_source_peek(ogg->source, ogg->at, head, sizeof head) || memcmp(head, "OggS", 4) != 0)
            return false;
        ogg->count = head[SEGMENTS];
        ogg->next = 0;
        ogg->body = ogg->at + HEADER + ogg->count;
        if (!mr_source_peek(ogg->source, ogg->at + HEADER, ogg->lacing, (size_t)ogg->count))
            return false;
        ogg->at = ogg->body;
        for (int i = 0; i < ogg->count; i++)
            ogg->at += ogg->lacing[i];
        if (!ogg->codec && (ogg->codec = find_codec(ogg->source, ogg->body)))
            ogg->serial = AV_RL32(head + SERIAL);
        if (ogg->codec && AV_RL32(head + SERIAL) == ogg->serial)
            return true;
    }
    return false;
}

static bool append(struct ogg *ogg, size_t len)
{
    if (len > COMMENTS_MAX - ogg->len)
        return false;
    if (ogg->len + len > ogg->capacity) {
        size_t capacity = FFMAX(ogg->len + len, ogg->capacity * 2);
        uint8_t *data = av_realloc(ogg->data, capacity);
        if (!data)
            return false;
        ogg->data = data;
        ogg->capacity = capacity;
    }
    if (!mr_source_peek(ogg->source, ogg->body, ogg->data + ogg->len, len))
        return false;
    ogg->body += (int64_t)len;
    ogg->len += len;
    return true;
}

static bool next_packet(struct ogg *ogg)
{
    bool ends = false;
    ogg->len = 0;
    while (!ends) {
        size_t len = 0;
        if (ogg->next == ogg->count && !next_page(ogg))
            return false;
        while (ogg->next < ogg->count && !ends) {
            ends = ogg->lacing[ogg->next] < LACING_MAX;
            len += ogg->lacing[ogg->next++];
        }
        if (!append(ogg, len))
            return false;
    }
    return true;
}

/* A block of FLAC in base64 (wiki.xiph.org/VorbisComment). */
static enum mr_status take_text(AVFormatContext *format, const uint8_t *text, size_t len, struct mr_err *err)
{
    char *copy = av_strndup((const char *)text, len);
    size_t most = AV_BASE64_DECODE_SIZE(len);
    uint8_t *block = av_malloc(most + 1);
    int size = copy && block ? av_base64_decode(block, copy, (int)most) : -1;
    const struct mr_lost_bytes from = {.data = block, .size = size};
    enum mr_status status = size > 0 ? mr_lost_take_block(format, &from, 0, (size_t)size, err) : MR_OK;
    av_free(block);
    av_free(copy);
    return status;
}

/* Vorbis I, 5.2.1: the vendor, a count, comments, each behind its length. */
static enum mr_status read_comments(AVFormatContext *format, const uint8_t *at, size_t left,
                                    struct mr_err *err)
{
    static const char key[] = "METADATA_BLOCK_PICTURE=";
    enum { KEY = sizeof key - 1, NUMBER = 4 };
    for (size_t i = 0; i < MR_LOST_PARTS_MAX && left >= NUMBER; i++) {
        size_t len = AV_RL32(at);
        if (len > left - NUMBER)
            return MR_OK;
        at += NUMBER;
        if (i > 0 && len > KEY && av_strncasecmp((const char *)at, key, KEY) == 0)
            MR_TRY(take_text(format, at + KEY, len - KEY, err));
        at += len;
        left -= NUMBER + len;
        size_t skip = i == 0 ? FFMIN(left, NUMBER) : 0; /* the count */
        at += skip;
        left -= skip;
    }
    return MR_OK;
}

static enum mr_status read_header(AVFormatContext *format, const struct ogg *ogg, bool is_second,
                                  struct mr_err *err)
{
    enum { PICTURE = 6, BLOCK_HEADER = 4 };
    size_t prefix = ogg->codec->prefix;
    const struct mr_lost_bytes from = {.data = ogg->data, .size = (int64_t)ogg->len};
    if (is_second && ogg->len > prefix)
        return read_comments(format, ogg->data + prefix, ogg->len - prefix, err);
    if (ogg->codec->is_flac && ogg->len > BLOCK_HEADER && (ogg->data[0] & 0x7f) == PICTURE)
        return mr_lost_take_block(format, &from, BLOCK_HEADER, ogg->len - BLOCK_HEADER, err);
    return MR_OK;
}

enum mr_status mr_lost_covers_ogg(AVFormatContext *format, struct mr_source *source, struct mr_err *err)
{
    enum { LAST = 0x80 }; /* a frame has it as well */
    struct ogg ogg = {.source = source};
    enum mr_status status = MR_OK;
    bool has_more = next_packet(&ogg);
    for (int i = 0; !status && i < MR_LOST_PARTS_MAX && has_more && next_packet(&ogg); i++) {
        has_more = ogg.codec->is_flac && ogg.len > 0 && !(ogg.data[0] & LAST);
        status = read_header(format, &ogg, i == 0, err);
    }
    av_free(ogg.data);
    return status;
}
