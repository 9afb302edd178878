#include "worker/media/ogg_end.h"

#include <libavutil/crc.h>
#include <libavutil/intreadwrite.h>
#include <libavutil/mem.h>
#include <string.h>

enum { HEADER = 27, SEGMENTS = 26 };

/* RFC 3533, section 6: the length of the page, by its header; 0: it is none, or cut. */
static size_t page_size(const uint8_t *page, size_t len)
{
    if (len < HEADER || memcmp(page, "OggS", 4) != 0)
        return 0;
    size_t segments = page[SEGMENTS], size = HEADER + segments;
    for (size_t i = 0; i < segments && size <= len; i++)
        size += page[HEADER + i];
    return size <= len ? size : 0;
}

/* A whole page with the right checksum, which counts as zeros itself. */
static bool is_whole_page(const uint8_t *page, size_t size)
{
    enum { SUM = 22, SUM_SIZE = 4 };
    static const uint8_t zeros[SUM_SIZE] = {0};
    const AVCRC *table = av_crc_get_table(AV_CRC_32_IEEE);
    uint32_t sum = size ? av_crc(table, av_crc(table, 0, page, SUM), zeros, SUM_SIZE) : 0;
    return size && AV_RB32(page + SUM) == av_crc(table, sum, page + SUM + SUM_SIZE, size - SUM - SUM_SIZE);
}

/* Before the first whole page is the rest of another one, and behind the last may be other bytes. */
static enum mr_ogg_end judge_pages(const uint8_t *tail, size_t len)
{
    enum { MAGIC = 4, FLAGS = 5, END_OF_STREAM = 4 };
    size_t at = 0;
    bool is_marked = false, is_damaged = false, seen = false;
    while (at + HEADER <= len) {
        const uint8_t *page = memmem(tail + at, len - at, "OggS", 4);
        if (!page)
            break;
        at = (size_t)(page - tail);
        size_t size = page_size(page, len - at);
        bool is_whole = is_whole_page(page, size);
        is_damaged |= seen && size && !is_whole;
        is_marked = size && page[FLAGS] & END_OF_STREAM;
        seen |= is_whole;
        at += is_whole ? size : MAGIC;
    }
    return is_damaged ? MR_OGG_DAMAGED : is_marked ? MR_OGG_WHOLE : MR_OGG_OPEN;
}

enum mr_ogg_end mr_ogg_end_of(struct mr_source *source)
{
    enum { PAGE_MAX = 65307 };
    uint8_t head[4];
    if (!mr_source_peek(source, 0, head, sizeof head) || memcmp(head, "OggS", 4) != 0)
        return MR_OGG_WHOLE;
    size_t most = PAGE_MAX + MR_OGG_ZEROS_MAX,
           len = source->size < (int64_t)most ? (size_t)source->size : most;
    uint8_t *tail = av_malloc(len);
    enum mr_ogg_end end = MR_OGG_WHOLE;
    if (tail && mr_source_peek(source, source->size - (int64_t)len, tail, len))
        end = judge_pages(tail, len);
    av_free(tail);
    return end;
}
