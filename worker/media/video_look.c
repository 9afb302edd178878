#include "worker/media/video_look.h"

#include "worker/media/frame_heads.h"

#include <libavutil/macros.h>
#include <string.h>

bool mr_video_look_is_known(enum AVCodecID codec)
{
    return codec == AV_CODEC_ID_H264 || codec == AV_CODEC_ID_HEVC || codec == AV_CODEC_ID_VP8 ||
           codec == AV_CODEC_ID_VP9;
}

/* Parameters that are too long to be kept are always new. */
static enum mr_sight compare(struct mr_video_look *look, const uint8_t *parameters, int size)
{
    if (size == look->size && size <= MR_LOOK_BYTES &&
        memcmp(look->parameters, parameters, (size_t)size) == 0)
        return MR_SIGHT_SOUND;
    look->size = size;
    memcpy(look->parameters, parameters, (size_t)FFMIN(size, MR_LOOK_BYTES));
    return MR_SIGHT_NEW;
}

/* ITU-T H.264, 7.4.1: three zero bytes never follow each other, and the last one is not zero. Where a range of a file was
 * wiped there is nothing else. */
static bool holds_zeros(const uint8_t *data, int size)
{
    const uint8_t *at = data, *end = data + size;
    while (end - at >= 3 && (at = memchr(at, 0, (size_t)(end - at) - 2))) {
        if (at[1] == 0 && at[2] == 0)
            return true;
        at++;
    }
    return size > 0 && end[-1] == 0;
}

/* One unit. H.264: a header of a byte with a bit that is 0; HEVC: two bytes, of which the last bits are not 0. */
static enum mr_sight look_at_unit(struct mr_video_look *look, enum AVCodecID codec, const uint8_t *unit,
                                  int size)
{
    enum { SPS = 7, FILLER = 12, LAST = 23, HEVC_SPS = 33, HEVC_FILLER = 38, HEVC_LAST = 47 };
    bool is_hevc = codec == AV_CODEC_ID_HEVC;
    if (size < (is_hevc ? 3 : 2) || unit[0] & 0x80 || holds_zeros(unit, size))
        return MR_SIGHT_DAMAGED;
    int type = is_hevc ? unit[0] >> 1 : unit[0] & 0x1f;
    if (is_hevc ? type > HEVC_LAST || !(unit[1] & 7) : type == 0 || type > LAST)
        return MR_SIGHT_DAMAGED;
    if (type != (is_hevc ? HEVC_FILLER : FILLER) && mr_frame_is_overwritten(unit, size))
        return MR_SIGHT_DAMAGED;
    return type == (is_hevc ? HEVC_SPS : SPS) ? compare(look, unit, size) : MR_SIGHT_SOUND;
}

/* ISO/IEC 14496-15: each unit has its size before it. */
static enum mr_sight look_at_sized(struct mr_video_look *look, enum AVCodecID codec, int prefix,
                                   const AVPacket *packet)
{
    enum mr_sight all = MR_SIGHT_SOUND;
    for (int at = 0; at < packet->size;) {
        int64_t size = 0;
        if (packet->size - at < prefix)
            return MR_SIGHT_DAMAGED;
        for (int i = 0; i < prefix; i++)
            size = size << 8 | packet->data[at++];
        if (size > packet->size - at)
            return MR_SIGHT_DAMAGED;
        all = FFMAX(all, look_at_unit(look, codec, packet->data + at, (int)size));
        at += (int)size;
    }
    return all;
}

/* ITU-T H.264, annex B: each unit has 00 00 01 before it, and any zeros before that. */
static enum mr_sight look_at_marked(struct mr_video_look *look, enum AVCodecID codec, const AVPacket *packet)
{
    enum { MARK = 3 };
    static const uint8_t mark[MARK] = {0, 0, 1};
    enum mr_sight all = MR_SIGHT_SOUND;
    const uint8_t *end = packet->data + packet->size, *at = packet->data;
    while (at < end && *at == 0)
        at++;
    if (at - packet->data < MARK - 1 || at == end || *at != 1)
        return MR_SIGHT_DAMAGED;
    for (at++; at < end;) {
        const uint8_t *next = memmem(at, (size_t)(end - at), mark, MARK), *stop = next ? next : end;
        while (stop > at && stop[-1] == 0)
            stop--;
        all = FFMAX(all, look_at_unit(look, codec, at, (int)(stop - at)));
        at = next ? next + MARK : end;
    }
    return all;
}

static enum mr_sight look_at_units(struct mr_video_look *look, const AVCodecParameters *params,
                                   const AVPacket *packet)
{
    enum { AVCC = 7, AVCC_AT = 4, HVCC = 23, HVCC_AT = 21, SIZE_BITS = 3 };
    bool is_hevc = params->codec_id == AV_CODEC_ID_HEVC;
    const uint8_t *extra = params->extradata;
    if (params->extradata_size < (is_hevc ? HVCC : AVCC) || extra[0] != 1)
        return look_at_marked(look, params->codec_id, packet);
    return look_at_sized(look, params->codec_id, (extra[is_hevc ? HVCC_AT : AVCC_AT] & SIZE_BITS) + 1,
                         packet);
}

/* RFC 6386, 9.1: a frame states the size of its first partition; a key frame, the size of the picture. */
static enum mr_sight look_at_vp8(struct mr_video_look *look, const AVPacket *packet)
{
    enum { TAG = 3, KEY = 10, SIZES = 4 };
    static const uint8_t start[] = {0x9d, 0x01, 0x2a};
    const uint8_t *data = packet->data;
    int first = packet->size < TAG ? INT_MAX : (data[0] | data[1] << 8 | data[2] << 16) >> 5;
    if (first == 0 || first > packet->size - TAG)
        return MR_SIGHT_DAMAGED;
    if (data[0] & 1)
        return MR_SIGHT_SOUND;
    if (packet->size < KEY || memcmp(data + TAG, start, sizeof start) != 0)
        return MR_SIGHT_DAMAGED;
    return compare(look, data + KEY - SIZES, SIZES);
}

/* VP9 bitstream specification, 6.2: two bits of mark, then the profile. A key frame has a code and the size of the picture. */
static enum mr_sight look_at_vp9(struct mr_video_look *look, const AVPacket *packet)
{
    enum { KEY = 10, AT_CODE = 1, AT_SIZE = 4, PROFILE = 0x30, SHOWS_OLD = 0x08, INTER = 0x04 };
    static const uint8_t code[] = {0x49, 0x83, 0x42};
    const uint8_t *data = packet->data;
    if (packet->size < 1 || data[0] >> 6 != 2 || (data[0] & PROFILE) == PROFILE)
        return MR_SIGHT_DAMAGED;
    if (data[0] & (SHOWS_OLD | INTER))
        return MR_SIGHT_SOUND;
    if (packet->size < KEY || memcmp(data + AT_CODE, code, sizeof code) != 0)
        return MR_SIGHT_DAMAGED;
    return compare(look, data + AT_SIZE, KEY - AT_SIZE);
}

enum mr_sight mr_video_look(struct mr_video_look *look, const AVCodecParameters *params,
                            const AVPacket *packet)
{
    if (packet->size <= 0 || packet->flags & AV_PKT_FLAG_CORRUPT)
        return MR_SIGHT_DAMAGED;
    if (av_packet_get_side_data(packet, AV_PKT_DATA_NEW_EXTRADATA, NULL) ||
        av_packet_get_side_data(packet, AV_PKT_DATA_PARAM_CHANGE, NULL))
        return MR_SIGHT_NEW;
    if (params->codec_id == AV_CODEC_ID_VP8)
        return look_at_vp8(look, packet);
    if (params->codec_id == AV_CODEC_ID_VP9)
        return look_at_vp9(look, packet);
    return look_at_units(look, params, packet);
}
