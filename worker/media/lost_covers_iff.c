#include "worker/media/lost_covers_parts.h"

#include <libavutil/intreadwrite.h>
#include <string.h>

enum { HEAD = 12, CHUNK_HEAD = 8 };

/* Where the ID3v2 tag of WAV, AVI or AIFF is: a chunk of its own. -1: there is none. */
static int64_t find_tag(struct mr_source *source)
{
    uint8_t head[HEAD];
    if (!mr_source_peek(source, 0, head, sizeof head))
        return -1;
    bool is_little = memcmp(head, "RIFF", 4) == 0 || memcmp(head, "RF64", 4) == 0;
    if (!is_little && memcmp(head, "FORM", 4) != 0)
        return -1;
    int64_t at = HEAD;
    for (int i = 0; i < MR_LOST_PARTS_MAX && mr_source_peek(source, at, head, CHUNK_HEAD); i++) {
        int64_t size = is_little ? AV_RL32(head + 4) : AV_RB32(head + 4);
        at += CHUNK_HEAD;
        if (memcmp(head, "ID3 ", 4) == 0 || memcmp(head, "id3 ", 4) == 0)
            return at;
        at += size + (size & 1);
    }
    return -1;
}

enum mr_status mr_lost_covers_iff(AVFormatContext *format, struct mr_source *source, struct mr_err *err)
{
    int64_t end, at = find_tag(source);
    return at < 0 ? MR_OK : mr_lost_covers_id3(format, source, at, &end, err);
}
