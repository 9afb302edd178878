#include "worker/media/lost_covers.h"

#include "worker/media/covers.h"
#include "worker/media/lost_covers_parts.h"

#include <errno.h>
#include <libavutil/avstring.h>
#include <libavutil/intreadwrite.h>
#include <string.h>

static enum mr_status read_flac(AVFormatContext *format, struct mr_source *source, int64_t at,
                                struct mr_err *err)
{
    enum { LAST = 0x80, PICTURE = 6, FLAC_HEADER = 4 };
    const struct mr_lost_bytes bytes = {.source = source};
    uint8_t head[FLAC_HEADER] = {0};
    if (!mr_source_peek(source, at, head, sizeof head) || memcmp(head, "fLaC", 4) != 0)
        return MR_OK;
    at += FLAC_HEADER;
    head[0] = 0;
    for (int i = 0; i < MR_LOST_PARTS_MAX && !(head[0] & LAST); i++) {
        if (!mr_source_peek(source, at, head, sizeof head))
            return MR_OK;
        at += FLAC_HEADER;
        if ((head[0] & ~LAST) == PICTURE)
            MR_TRY(mr_lost_take_block(format, &bytes, at, (size_t)AV_RB24(head + 1), err));
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
    rc = mr_lost_attach(stream, packet);
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
    MR_TRY(mr_lost_covers_id3(format, source, 0, &at, err));
    MR_TRY(mr_lost_covers_iff(format, source, err));
    MR_TRY(read_flac(format, source, at, err));
    MR_TRY(mr_lost_covers_mp4(format, source, err));
    MR_TRY(mr_lost_covers_asf(format, source, err));
    return mr_lost_covers_ogg(format, source, err);
}
