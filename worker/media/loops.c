#include "worker/media/loops.h"

#include <libavutil/common.h>
#include <libavutil/intreadwrite.h>
#include <string.h>

enum { HEAD_MAX = 16 * 1024, ONCE = -1, ENDLESS = 0 };

struct head {
    uint8_t data[HEAD_MAX];
    size_t len;
};

static void read_head(struct mr_source *source, struct head *head)
{
    head->len = (size_t)FFMIN(source->size, HEAD_MAX);
    if (!mr_source_peek(source, 0, head->data, head->len))
        head->len = 0;
}

static bool is_gif(const struct head *head)
{
    return head->len > 13 && memcmp(head->data, "GIF8", 4) == 0;
}

/* Where the first block of a GIF begins, behind screen and palette (GIF89a, 18 and 19). */
static size_t first_block(const struct head *head)
{
    uint8_t flags = head->data[10];
    return 13 + (flags & 0x80 ? 3U << ((flags & 7) + 1) : 0);
}

/* The application extension of Netscape: 21 FF 0B "NETSCAPE2.0" 03 01 count 00. */
static bool is_loops(const uint8_t *block)
{
    return memcmp(block, "\x21\xff\x0b", 3) == 0 &&
           (memcmp(block + 3, "NETSCAPE2.0", 11) == 0 || memcmp(block + 3, "ANIMEXTS1.0", 11) == 0) &&
           memcmp(block + 14, "\x03\x01", 2) == 0 && block[18] == 0;
}

static int gif_loops(const struct head *head)
{
    enum { EXTENSION = 0x21, LOOPS = 19 };
    size_t at = first_block(head);
    while (at + LOOPS <= head->len && head->data[at] == EXTENSION) {
        if (is_loops(head->data + at))
            return AV_RL16(head->data + at + 16);
        at += 2;
        while (at < head->len && head->data[at])
            at += 1U + head->data[at];
        at++;
    }
    return at + LOOPS <= head->len || head->len < HEAD_MAX ? ONCE : ENDLESS;
}

/* The chunk acTL: frames, and how often they are played (wiki.mozilla.org/APNG_Specification). */
static int png_loops(const struct head *head)
{
    enum { CONTROL = 16 };
    for (size_t at = 8; at + CONTROL <= head->len; at += 12 + (size_t)AV_RB32(head->data + at)) {
        if (memcmp(head->data + at + 4, "acTL", 4) != 0)
            continue;
        uint32_t plays = AV_RB32(head->data + at + 12);
        return plays == 0 ? ENDLESS : plays == 1 ? ONCE : (int)FFMIN(plays - 1, UINT16_MAX);
    }
    return ENDLESS;
}

int mr_loops_of(struct mr_source *source)
{
    struct head head;
    read_head(source, &head);
    if (is_gif(&head))
        return gif_loops(&head);
    return head.len > 8 && memcmp(head.data, "\x89PNG", 4) == 0 ? png_loops(&head) : ENDLESS;
}

bool mr_loops_can_copy(struct mr_source *source)
{
    struct head head;
    read_head(source, &head);
    size_t at = is_gif(&head) ? first_block(&head) : head.len;
    return at + 19 <= head.len && (memcmp(head.data + at, "\x21\xff", 2) != 0 || is_loops(head.data + at));
}
