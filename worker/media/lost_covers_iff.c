#include "worker/media/lost_covers_parts.h"

#include <errno.h>
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

/* libav passes the texts over if the file has a list INFO, whatever that holds. It reads a tag before any format; this one wants
 * nothing behind it. */
static enum mr_status take_texts(AVFormatContext *format, struct mr_source *source, int64_t at,
                                 struct mr_err *err)
{
    MR_AUTO(mr_source) struct mr_source part = {0};
    MR_TRY(mr_source_open(&part, source->fds, source->index, source->size - at, err));
    part.base = source->base + at;
    AVFormatContext *tag = avformat_alloc_context();
    if (!tag)
        return mr_av_fail(err, MR_CODE_RESOURCE_LIMIT, AVERROR(ENOMEM), "read tags");
    tag->pb = part.io;
    if (avformat_open_input(&tag, "", av_find_input_format("ac3"), NULL) < 0) /* which frees it */
        return MR_OK;
    int rc = av_dict_copy(&format->metadata, tag->metadata, AV_DICT_DONT_OVERWRITE);
    avformat_close_input(&tag);
    return rc < 0 ? mr_av_fail(err, MR_CODE_RESOURCE_LIMIT, rc, "read tags") : MR_OK;
}

enum mr_status mr_lost_covers_iff(AVFormatContext *format, struct mr_source *source, struct mr_err *err)
{
    int64_t end, at = find_tag(source);
    if (at < 0)
        return MR_OK;
    MR_TRY(take_texts(format, source, at, err));
    return mr_lost_covers_id3(format, source, at, &end, err);
}
