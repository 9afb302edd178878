#include "worker/media/lost_covers_parts.h"

#include <libavutil/intreadwrite.h>
#include <string.h>

struct box {
    int64_t body, end;
};

/* The next box of this type from *at on, within `end`; *at is then behind it. */
static bool find_box(struct mr_source *source, int64_t *at, int64_t end, const char *type, struct box *ret)
{
    enum { HEADER = 8, LARGE = 16 };
    for (int i = 0; i < MR_LOST_PARTS_MAX && *at + HEADER <= end; i++) {
        uint8_t head[LARGE];
        if (!mr_source_peek(source, *at, head, HEADER))
            return false;
        bool is_large = AV_RB32(head) == 1;
        if (is_large && !mr_source_peek(source, *at, head, LARGE))
            return false;
        uint64_t size = is_large ? AV_RB64(head + HEADER) : AV_RB32(head);
        if (size < (is_large ? LARGE : HEADER) || size > (uint64_t)(end - *at))
            return false;
        *ret = (struct box){*at + (is_large ? LARGE : HEADER), *at + (int64_t)size};
        *at = ret->end;
        if (memcmp(head + 4, type, 4) == 0)
            return true;
    }
    return false;
}

/* The covers' place is moov.udta.meta.ilst.covr; `meta` has four bytes before its boxes. */
static bool find_covers(struct mr_source *source, struct box *ret)
{
    static const struct {
        const char *type;
        int skipped; /* at the beginning of its body */
    } path[] = {{"moov", 0}, {"udta", 0}, {"meta", 4}, {"ilst", 0}, {"covr", 0}};
    *ret = (struct box){0, source->size};
    for (size_t i = 0; i < sizeof path / sizeof *path; i++) {
        int64_t at = ret->body;
        if (!find_box(source, &at, ret->end, path[i].type, ret))
            return false;
        ret->body += path[i].skipped;
    }
    return true;
}

static bool has_cover(const AVFormatContext *format)
{
    for (unsigned i = 0; i < format->nb_streams; i++)
        if (format->streams[i]->disposition & AV_DISPOSITION_ATTACHED_PIC)
            return true;
    return false;
}

enum mr_status mr_lost_covers_mp4(AVFormatContext *format, struct mr_source *source, struct mr_err *err)
{
    enum { BEFORE_DATA = 8 /* the type, of which libav knows three, and a locale */, FRONT = 3, OTHER = 0 };
    const struct mr_lost_bytes bytes = {.source = source};
    struct box covers, data;
    if (strncmp(format->iformat->name, "mov", 3) != 0 || !find_covers(source, &covers))
        return MR_OK;
    int64_t at = covers.body;
    while (find_box(source, &at, covers.end, "data", &data))
        if (data.end - data.body > BEFORE_DATA)
            MR_TRY(mr_lost_take(format, &bytes, data.body + BEFORE_DATA,
                                (size_t)(data.end - data.body - BEFORE_DATA),
                                has_cover(format) ? OTHER : FRONT, err));
    return MR_OK;
}
