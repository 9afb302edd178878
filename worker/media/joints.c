#include "worker/media/joints.h"

#include "worker/media/file_end.h"

#include <libavutil/common.h>
#include <libavutil/intreadwrite.h>
#include <string.h>

enum { HEAD = 10, PADDING_MAX = (1 << 24) - 1, LAST_PADDING = 0x81, STRIDE = 64 };

/* Where the joint at `at` ends; 0: it is none. */
typedef int64_t joint_end_fn(struct mr_source *source, int64_t at);

static bool is_frame(const uint8_t *at)
{
    return (at[0] == 0xff && (at[1] & 0xe0) == 0xe0) || (at[0] == 0x0b && at[1] == 0x77);
}

/* id3v2.4.0-structure, 3.1. */
static int64_t id3v2_end(struct mr_source *source, int64_t at)
{
    enum { FOOTER = 0x10, UNUSED = 0x0f };
    uint8_t head[HEAD];
    if (!mr_source_peek(source, at, head, sizeof head) || head[3] < 2 || head[3] > 4 || (head[5] & UNUSED) ||
        ((head[6] | head[7] | head[8] | head[9]) & 0x80))
        return 0;
    int64_t size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9];
    return at + HEAD + size + (head[5] & FOOTER ? HEAD : 0);
}

static int64_t id3v1_end(struct mr_source *source, int64_t at)
{
    enum { SIZE = 128 };
    (void)source;
    return at + SIZE;
}

/* APEv2: a header states the length of what follows, a footer that of what was before it. */
static int64_t ape_end(struct mr_source *source, int64_t at)
{
    enum { SIZE = 32, LENGTH = 12, FLAGS = 20, IS_HEADER = 1 << 29 };
    uint8_t head[SIZE];
    if (!mr_source_peek(source, at, head, sizeof head))
        return 0;
    return at + SIZE + (AV_RL32(head + FLAGS) & IS_HEADER ? (int64_t)AV_RL32(head + LENGTH) : 0);
}

/* RFC 9639, 8: STREAMINFO comes first, and is needed. */
static int64_t flac_end(struct mr_source *source, int64_t at)
{
    enum { BLOCKS_MAX = 128, HEADER = 4, LAST = 0x80, INFO = 34 };
    uint8_t head[HEADER];
    int64_t begin = at;
    if (!mr_source_peek(source, at += HEADER, head, sizeof head) || (head[0] & ~LAST) != 0 ||
        AV_RB24(head + 1) != INFO)
        return 0;
    for (int i = 0; i < BLOCKS_MAX && mr_source_peek(source, at, head, sizeof head); i++) {
        at += HEADER + (int64_t)AV_RB24(head + 1);
        if (head[0] & LAST)
            return at - begin <= PADDING_MAX ? at : 0;
    }
    return 0;
}

static const struct joint {
    const char *magic;
    /* bytes at its beginning that stay; behind them a block of padding comes, if there is room */
    size_t kept;
    joint_end_fn *end;
} kinds[] = {
    {"ID3", 0, id3v2_end},
    {"APETAGEX", 0, ape_end},
    {"TAG", 0, id3v1_end},
    {"fLaC", 4 + 4 + 34, flac_end},
};

/* The tag's name may be part of a frame, or the tag that of the whole file, at its end: in a joint a frame follows, or other
 * tags and then a frame. */
static bool leads_on(struct mr_source *source, int64_t at)
{
    enum { TAGS_MAX = 4, KINDS = sizeof kinds / sizeof *kinds };
    for (int i = 0; i < TAGS_MAX; i++) {
        uint8_t head[HEAD];
        size_t kind = 0;
        if (!mr_source_peek(source, at, head, sizeof head))
            return false;
        while (kind < KINDS && memcmp(head, kinds[kind].magic, strlen(kinds[kind].magic)) != 0)
            kind++;
        if (kind == KINDS || kinds[kind].kept)
            return kind < KINDS || is_frame(head);
        int64_t end = kinds[kind].end(source, at);
        if (end <= at)
            return false;
        at = end;
    }
    return false;
}

static void blank(const struct mr_joints *joints, int64_t offset, uint8_t *buf, size_t len)
{
    int64_t from = FFMAX(joints->begin, offset), to = FFMIN(joints->end, offset + (int64_t)len);
    if (from >= to)
        return;
    memset(buf + (from - offset), 0, (size_t)(to - from));
    if (!joints->is_flac)
        return;
    uint8_t head[4];
    AV_WB32(head, (uint32_t)LAST_PADDING << 24 | (uint32_t)(joints->end - joints->begin - 4));
    for (int i = 0; i < 4; i++)
        if (joints->begin + i >= from && joints->begin + i < to)
            buf[joints->begin + i - offset] = head[i];
}

/* In a form that the compiler makes wide instructions of: each byte of long files passes here. */
static bool may_have_name(const uint8_t *at)
{
    uint8_t found = 0;
    for (int i = 0; i < STRIDE; i++)
        found |=
            (uint8_t)((at[i] == 'I') & (at[i + 1] == 'D')) | (uint8_t)((at[i] == 'A') & (at[i + 1] == 'P')) |
            (uint8_t)((at[i] == 'T') & (at[i + 1] == 'A')) | (uint8_t)((at[i] == 'f') & (at[i + 1] == 'L'));
    return found;
}

/* The next joint's name in the bytes; NULL: there is none. */
static uint8_t *find(uint8_t *buf, size_t len, const struct joint **ret_kind)
{
    for (size_t at = 0; at < len;) {
        if (len - at > STRIDE && !may_have_name(buf + at)) {
            at += STRIDE;
            continue;
        }
        for (size_t end = FFMIN(at + STRIDE, len); at < end; at++)
            for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
                if (strlen(kinds[i].magic) <= len - at &&
                    memcmp(buf + at, kinds[i].magic, strlen(kinds[i].magic)) == 0) {
                    *ret_kind = &kinds[i];
                    return buf + at;
                }
    }
    return NULL;
}

/* How many bytes at the end may be the beginning of a name. */
static size_t begun(const uint8_t *buf, size_t len)
{
    size_t most = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        for (size_t part = FFMIN(strlen(kinds[i].magic) - 1, len - 1); part > most; part--)
            if (memcmp(buf + len - part, kinds[i].magic, part) == 0)
                most = part;
    return most;
}

/* Makes zeros of the bytes that are in a joint; does not give on those at the end where one may begin. */
static size_t pass(struct mr_source *source, int64_t offset, uint8_t *buf, size_t len)
{
    struct mr_joints *joints = &source->joints;
    blank(joints, offset, buf, len);
    len -= begun(buf, len);
    const struct joint *kind = NULL;
    uint8_t *at = buf;
    while ((at = find(at, len - (size_t)(at - buf), &kind))) {
        int64_t begin = offset + (at - buf), end = begin < joints->from ? 0 : kind->end(source, begin);
        at++;
        if (end <= begin || !leads_on(source, end))
            continue;
        joints->begin = begin + (int64_t)kind->kept;
        joints->end = end;
        joints->is_flac = kind->kept;
        blank(joints, offset, buf, len);
        if (end >= offset + (int64_t)len)
            break;
        at = buf + (end - offset);
    }
    return len;
}

void mr_joints_watch(struct mr_source *source)
{
    uint8_t head[4];
    int64_t at = mr_file_end_skip_id3(source);
    if (!mr_source_peek(source, at, head, sizeof head))
        return;
    if (memcmp(head, "fLaC", sizeof head) == 0)
        source->joints.from = flac_end(source, at);
    else if (is_frame(head))
        source->joints.from = at + 1;
    source->pass = source->joints.from ? pass : NULL;
}
