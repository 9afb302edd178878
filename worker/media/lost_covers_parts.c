#include "worker/media/lost_covers_parts.h"

#include "worker/media/covers.h"
#include "worker/media/picture.h"

#include <errno.h>
#include <libavutil/intreadwrite.h>
#include <string.h>

/* libav knows it if it has one of this length. */
static bool is_known(const AVFormatContext *format, size_t len)
{
    for (unsigned i = 0; i < format->nb_streams; i++)
        if ((size_t)format->streams[i]->attached_pic.size == len)
            return true;
    return false;
}

int mr_lost_attach(AVStream *stream, AVPacket *packet)
{
    int rc = av_packet_ref(&stream->attached_pic, packet);
    stream->codecpar->codec_type = AVMEDIA_TYPE_VIDEO;
    stream->disposition |= AV_DISPOSITION_ATTACHED_PIC;
    stream->attached_pic.stream_index = stream->index;
    stream->attached_pic.flags |= AV_PKT_FLAG_KEY;
    return rc;
}

bool mr_lost_peek(const struct mr_lost_bytes *from, int64_t at, void *buf, size_t len)
{
    if (from->source)
        return mr_source_peek(from->source, at, buf, len);
    if (at < 0 || at > from->size || (int64_t)len > from->size - at)
        return false;
    memcpy(buf, from->data + at, len);
    return true;
}

/* The demuxer of MP4 looks at data of its own for each stream, as this of zeros is for one without samples. */
static int add_private(const AVFormatContext *format, AVStream *stream)
{
    enum { AT_LEAST = 8192 }; /* several times of what libav 5.1 has */
    if (strncmp(format->iformat->name, "mov", 3) != 0)
        return 0;
    stream->priv_data = av_mallocz(AT_LEAST);
    return stream->priv_data ? 0 : AVERROR(ENOMEM);
}

enum mr_status mr_lost_take(AVFormatContext *format, const struct mr_lost_bytes *from, int64_t at, size_t len,
                            unsigned type, struct mr_err *err)
{
    if (len == 0 || len > MR_LOST_PICTURE_MAX || is_known(format, len))
        return MR_OK;
    MR_AUTO_PACKET AVPacket *packet = av_packet_alloc();
    int rc = packet ? av_new_packet(packet, (int)len) : AVERROR(ENOMEM);
    if (rc >= 0 && !mr_lost_peek(from, at, packet->data, len))
        return MR_OK; /* the file is cut */
    AVStream *stream = rc >= 0 ? avformat_new_stream(format, NULL) : NULL;
    rc = stream ? add_private(format, stream) : AVERROR(ENOMEM);
    if (rc >= 0)
        rc = mr_lost_attach(stream, packet);
    if (rc >= 0)
        rc = mr_covers_set_type(stream, type);
    if (rc >= 0) {
        stream->codecpar->codec_id = mr_covers_codec(stream);
        (void)!mr_picture_size(packet->data, packet->size, &stream->codecpar->width,
                               &stream->codecpar->height);
    }
    return rc < 0 ? mr_av_fail(err, MR_CODE_RESOURCE_LIMIT, rc, "read a picture of the file") : MR_OK;
}

/* Type, media type, description, 16 bytes on the image, its length, the image. */
enum mr_status mr_lost_take_block(AVFormatContext *format, const struct mr_lost_bytes *from, int64_t at,
                                  size_t size, struct mr_err *err)
{
    uint8_t head[MR_LOST_HEAD_MAX];
    size_t len = FFMIN(size, sizeof head);
    if (len < 8 || !mr_lost_peek(from, at, head, len))
        return MR_OK;
    size_t mime = AV_RB32(head + 4);
    if (mime > len || 8 + mime + 4 > len)
        return MR_OK;
    size_t text = AV_RB32(head + 8 + mime), data = 8 + mime + 4 + text + 16 + 4;
    if (text > len || data > len)
        return MR_OK;
    size_t image = AV_RB32(head + data - 4);
    return image <= size - data ? mr_lost_take(format, from, at + (int64_t)data, image, AV_RB32(head), err)
                                : MR_OK;
}
