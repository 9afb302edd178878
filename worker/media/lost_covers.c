#include "worker/media/lost_covers.h"

#include "worker/media/covers.h"

#include <errno.h>
#include <libavutil/avstring.h>
#include <libavutil/intreadwrite.h>
#include <string.h>

enum {
    ID3_HEADER = 10,
    FLAC_HEADER = 4,
    HEAD_MAX = 512,                 /* of a picture: what stands before its bytes */
    PICTURE_MAX = 12 * 1024 * 1024, /* bytes; what is larger would not be carried over */
    PARTS_MAX = 1000                /* frames, or blocks, of one header */
};

struct picture {
    int64_t at; /* in the file */
    size_t len;
    unsigned type; /* ID3v2's, which FLAC has, too */
};

static size_t syncsafe(const uint8_t *at)
{
    return (size_t)(at[0] & 0x7f) << 21 | (size_t)(at[1] & 0x7f) << 14 | (size_t)(at[2] & 0x7f) << 7 |
           (size_t)(at[3] & 0x7f);
}

/* libav knows it if it has one of this length. */
static bool is_known(const AVFormatContext *format, size_t len)
{
    for (unsigned i = 0; i < format->nb_streams; i++)
        if ((size_t)format->streams[i]->attached_pic.size == len)
            return true;
    return false;
}

static int attach(AVStream *stream, AVPacket *packet)
{
    int rc = av_packet_ref(&stream->attached_pic, packet);
    stream->codecpar->codec_type = AVMEDIA_TYPE_VIDEO;
    stream->disposition |= AV_DISPOSITION_ATTACHED_PIC;
    stream->attached_pic.stream_index = stream->index;
    stream->attached_pic.flags |= AV_PKT_FLAG_KEY;
    return rc;
}

static enum mr_status add(AVFormatContext *format, struct mr_source *source, const struct picture *picture,
                          struct mr_err *err)
{
    if (picture->len == 0 || picture->len > PICTURE_MAX || is_known(format, picture->len))
        return MR_OK;
    MR_AUTO_PACKET AVPacket *packet = av_packet_alloc();
    int rc = packet ? av_new_packet(packet, (int)picture->len) : AVERROR(ENOMEM);
    if (rc >= 0 && !mr_source_peek(source, picture->at, packet->data, picture->len))
        return MR_OK; /* the file is cut */
    AVStream *stream = rc >= 0 ? avformat_new_stream(format, NULL) : NULL;
    rc = stream ? attach(stream, packet) : AVERROR(ENOMEM);
    if (rc >= 0)
        rc = mr_covers_set_type(stream, picture->type);
    if (rc >= 0)
        stream->codecpar->codec_id = mr_covers_codec(stream);
    return rc < 0 ? mr_av_fail(err, MR_CODE_RESOURCE_LIMIT, rc, "read a picture of the file") : MR_OK;
}

/* Where the text at `at` ends, with its zero; 0: not within len. UTF-16 has two zeros, of one character. */
static size_t text_end(const uint8_t *data, size_t at, size_t len, bool is_wide)
{
    for (size_t step = is_wide ? 2 : 1; at + step <= len; at += step)
        if (data[at] == 0 && (!is_wide || data[at + 1] == 0))
            return at + step;
    return 0;
}

/* id3.org/id3v2.3.0, 4.15: encoding, media type, type, description, the picture. */
static enum mr_status read_apic(AVFormatContext *format, struct mr_source *source, int64_t at, size_t size,
                                struct mr_err *err)
{
    uint8_t head[HEAD_MAX];
    size_t len = FFMIN(size, sizeof head);
    if (!mr_source_peek(source, at, head, len))
        return MR_OK;
    size_t type = text_end(head, 1, len, false);
    size_t data = type ? text_end(head, type + 1, len, head[0] == 1 || head[0] == 2) : 0;
    const struct picture picture = {at + (int64_t)data, size - data, data ? head[type] : 0};
    return data ? add(format, source, &picture, err) : MR_OK;
}

/* Returns through ret_end where the tag ends; 0: there is none. Compressed and unsynchronised ones stay unread. */
static enum mr_status read_id3(AVFormatContext *format, struct mr_source *source, int64_t *ret_end,
                               struct mr_err *err)
{
    uint8_t head[ID3_HEADER];
    *ret_end = 0;
    if (!mr_source_peek(source, 0, head, sizeof head) || memcmp(head, "ID3", 3) != 0)
        return MR_OK;
    int64_t end = *ret_end = ID3_HEADER + (int64_t)syncsafe(head + 6);
    unsigned version = head[3];
    if (version < 3 || version > 4 || (head[5] & 0xc0))
        return MR_OK;
    int64_t at = ID3_HEADER;
    for (int i = 0; i < PARTS_MAX && at + ID3_HEADER <= end; i++) {
        if (!mr_source_peek(source, at, head, sizeof head) || head[0] == 0)
            return MR_OK;
        size_t size = version == 4 ? syncsafe(head + 4) : AV_RB32(head + 4);
        at += ID3_HEADER;
        if ((int64_t)size > end - at)
            return MR_OK;
        if (memcmp(head, "APIC", 4) == 0 && head[9] == 0)
            MR_TRY(read_apic(format, source, at, size, err));
        at += (int64_t)size;
    }
    return MR_OK;
}

/* RFC 9639, 8.8: type, media type, description, 16 bytes on the image, its length, the image. */
static enum mr_status read_block(AVFormatContext *format, struct mr_source *source, int64_t at, size_t size,
                                 struct mr_err *err)
{
    uint8_t head[HEAD_MAX];
    size_t len = FFMIN(size, sizeof head);
    if (len < 8 || !mr_source_peek(source, at, head, len))
        return MR_OK;
    size_t mime = AV_RB32(head + 4);
    if (mime > len || 8 + mime + 4 > len)
        return MR_OK;
    size_t text = AV_RB32(head + 8 + mime), data = 8 + mime + 4 + text + 16 + 4;
    if (text > len || data > len)
        return MR_OK;
    const struct picture picture = {at + (int64_t)data, AV_RB32(head + data - 4), AV_RB32(head)};
    return picture.len <= size - data ? add(format, source, &picture, err) : MR_OK;
}

static enum mr_status read_flac(AVFormatContext *format, struct mr_source *source, int64_t at,
                                struct mr_err *err)
{
    enum { LAST = 0x80, PICTURE = 6 };
    uint8_t head[FLAC_HEADER] = {0};
    if (!mr_source_peek(source, at, head, sizeof head) || memcmp(head, "fLaC", 4) != 0)
        return MR_OK;
    at += FLAC_HEADER;
    head[0] = 0;
    for (int i = 0; i < PARTS_MAX && !(head[0] & LAST); i++) {
        if (!mr_source_peek(source, at, head, sizeof head))
            return MR_OK;
        at += FLAC_HEADER;
        if ((head[0] & ~LAST) == PICTURE)
            MR_TRY(read_block(format, source, at, (size_t)AV_RB24(head + 1), err));
        at += AV_RB24(head + 1);
    }
    return MR_OK;
}

static int read_attachment(AVStream *stream)
{
    const AVCodecParameters *params = stream->codecpar;
    const AVDictionaryEntry *mime = av_dict_get(stream->metadata, "mimetype", NULL, 0);
    if (params->codec_type != AVMEDIA_TYPE_ATTACHMENT || !mime ||
        !av_stristart(mime->value, "image/", NULL) || params->extradata_size <= 0)
        return 0;
    MR_AUTO_PACKET AVPacket *packet = av_packet_alloc();
    int rc = packet ? av_new_packet(packet, params->extradata_size) : AVERROR(ENOMEM);
    if (rc < 0)
        return rc;
    memcpy(packet->data, params->extradata, (size_t)params->extradata_size);
    rc = attach(stream, packet);
    stream->codecpar->codec_id = mr_covers_codec(stream);
    return rc;
}

enum mr_status mr_lost_covers_add(AVFormatContext *format, struct mr_source *source, struct mr_err *err)
{
    int64_t at;
    int rc = 0;
    for (unsigned i = 0; i < format->nb_streams && rc >= 0; i++)
        rc = read_attachment(format->streams[i]);
    if (rc < 0)
        return mr_av_fail(err, MR_CODE_RESOURCE_LIMIT, rc, "read a picture of the file");
    MR_TRY(read_id3(format, source, &at, err));
    return read_flac(format, source, at, err);
}
