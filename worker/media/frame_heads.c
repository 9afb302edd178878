#include "worker/media/frame_heads.h"

#include "worker/media/mp3_frame.h"

#include <libavcodec/ac3_parser.h>
#include <libavutil/crc.h>
#include <libavutil/intreadwrite.h>
#include <libavutil/macros.h>
#include <string.h>

bool mr_frame_is_overwritten(const uint8_t *data, int size)
{
    enum { RUN = 300, STEP = RUN / 2 }; /* filling elements of AAC have 269 bytes */
    for (int at = STEP; at + STEP <= size; at += STEP) {
        int first = at, end = at;
        if (data[at] != data[at - 1])
            continue;
        while (first > 0 && data[first - 1] == data[at])
            first--;
        while (end < size && data[end] == data[at])
            end++;
        if (end - first >= RUN)
            return true;
    }
    return false;
}

/* The last bits but zeros are the element ID_END, 111 (ISO/IEC 14496-3, 4.4.2.1; ALAC has its own of the same value). A range
 * of a file that was overwritten seldom ends so. */
static bool ends_with_id_end(const uint8_t *data, int size)
{
    enum { END = 7 };
    while (size > 0 && data[size - 1] == 0)
        size--;
    if (size == 0)
        return false;
    unsigned last = (size > 1 ? (unsigned)data[size - 2] << 8 : 0) | data[size - 1];
    while (!(last & 1))
        last >>= 1;
    return (last & END) == END;
}

/* ISO/IEC 14496-3, 1.A.2.2: a header of 7 bytes, or 9 with a checksum. One frame of one block. */
static bool read_adts(const uint8_t *data, int size, int *ret_header)
{
    enum { HEADER = 7, WITH_SUM = 9, BLOCKS = 3 };
    int stated = size >= HEADER ? (data[3] & 3) << 11 | data[4] << 3 | data[5] >> 5 : 0;
    if (size < HEADER || data[0] != 0xff || (data[1] & 0xf6) != 0xf0 || stated != size || (data[6] & BLOCKS))
        return false;
    *ret_header = data[1] & 1 ? HEADER : WITH_SUM;
    return true;
}

static bool read_aac(const AVCodecParameters *params, const uint8_t *data, int size)
{
    enum { ID_END = 7 };
    int header = 0;
    if (params->extradata_size == 0 && !read_adts(data, size, &header))
        return false;
    return size > header && data[header] >> 5 != ID_END && !mr_frame_is_overwritten(data, size) &&
           ends_with_id_end(data + header, size - header);
}

/* The packet may say that it is shorter than the others: the last one is. */
static bool read_alac(const AVCodecParameters *params, const uint8_t *data, int size,
                      struct mr_frame_head *ret)
{
    enum { COOKIE = 36, AT_LENGTH = 12, HEAD = 7, CCE = 2, LFE = 3, MOST = 1 << 16 };
    if (size <= HEAD || params->extradata_size < COOKIE || data[0] >> 5 > LFE || data[0] >> 5 == CCE ||
        mr_frame_is_overwritten(data, size) || !ends_with_id_end(data, size))
        return false;
    bool states_samples = data[2] >> 4 & 1;
    uint32_t samples = AV_RB32(data + 2) << 7 | data[6] >> 1;
    if (!states_samples)
        samples = AV_RB32(params->extradata + AT_LENGTH);
    ret->samples = (int)FFMIN(samples, MOST);
    return samples > 0 && samples <= MOST;
}

/* RFC 9639, 9.1.1: the number of the frame or sample is coded as UTF-8 codes characters. */
static int flac_number_length(uint8_t first)
{
    int ones = 0;
    while (ones < 8 && first & 0x80 >> ones)
        ones++;
    return ones == 0 ? 1 : ones == 1 || ones == 8 ? 0 : ones;
}

static int flac_samples(int code, const uint8_t *at)
{
    enum { OF_8_BITS = 6, OF_16_BITS = 7 };
    if (code == 0)
        return 0;
    if (code == 1)
        return 192;
    if (code < OF_8_BITS)
        return 576 << (code - 2);
    return code == OF_8_BITS ? at[0] + 1 : code == OF_16_BITS ? AV_RB16(at) + 1 : 256 << (code - 8);
}

static int flac_rate(int code, const uint8_t *at)
{
    static const int rates[] = {0,     88200, 176400, 192000, 8000,  16000,
                                22050, 24000, 32000,  44100,  48000, 96000};
    enum { OF_KHZ = 12, OF_HZ, OF_TENS };
    if (code < OF_KHZ)
        return rates[code];
    return code == OF_KHZ    ? at[0] * 1000
           : code == OF_HZ   ? AV_RB16(at)
           : code == OF_TENS ? AV_RB16(at) * 10
                             : -1;
}

/* RFC 9639, 9.3: 0 of a whole frame, with its checksum. */
static uint32_t flac_sum(const uint8_t *data, int size)
{
    return av_crc(av_crc_get_table(AV_CRC_16_ANSI), 0, data, (size_t)size);
}

static bool read_flac(const uint8_t *data, int size, struct mr_frame_head *ret)
{
    enum { LONGEST = 16, LEAST = 8, STEREO_CODES = 8, CODES = 11 };
    if (size < LEAST || data[0] != 0xff || (data[1] & 0xfe) != 0xf8)
        return false;
    uint8_t head[LONGEST + 4] = {0};
    memcpy(head, data, (size_t)FFMIN(size, LONGEST));
    int number = flac_number_length(head[4]), size_code = head[2] >> 4, channel_code = head[3] >> 4;
    const uint8_t *at = head + 4 + number;
    ret->samples = flac_samples(size_code, at);
    at += size_code == 6 ? 1 : size_code == 7 ? 2 : 0;
    ret->rate = flac_rate(head[2] & 0x0f, at);
    ret->channels = channel_code < STEREO_CODES ? channel_code + 1 : 2;
    return number && ret->samples > 0 && ret->rate >= 0 && channel_code < CODES && flac_sum(data, size) == 0;
}

/* RFC 6716, 3.1: the length of a frame in samples of 48 kHz, and how many there are. */
static bool read_opus(const uint8_t *data, int size, struct mr_frame_head *ret)
{
    static const int silk[] = {480, 960, 1920, 2880}, celt[] = {120, 240, 480, 960};
    enum { HYBRID = 12, CELT = 16, MOST = 5760, ANY = 3 };
    if (size < 1)
        return false;
    int config = data[0] >> 3, code = data[0] & ANY;
    int length = config < HYBRID ? silk[config & 3] : config < CELT ? silk[config & 1] : celt[config & 3];
    int frames = code == 0 ? 1 : code < ANY ? 2 : size > 1 ? data[1] & 0x3f : 0;
    ret->samples = length * frames;
    ret->rate = 48000;
    return frames > 0 && ret->samples <= MOST;
}

/* A packet is a frame, or one with the frames that belong to it. Each has a checksum behind its two bytes of sync. */
static bool read_ac3(const uint8_t *data, int size, struct mr_frame_head *ret)
{
    enum { SYNC = 2, LEAST = 7, LAST_AC3 = 10, BLOCK = 256, DEPENDENT = 1 };
    static const int blocks[] = {1, 2, 3, 6};
    const AVCRC *table = av_crc_get_table(AV_CRC_16_ANSI);
    for (int at = 0; at < size;) {
        uint8_t id = 0;
        uint16_t length = 0;
        const uint8_t *frame = data + at;
        if (size - at < LEAST || av_ac3_parse_header(frame, (size_t)(size - at), &id, &length) < 0 ||
            length < LEAST || length > size - at ||
            av_crc(table, 0, frame + SYNC, (size_t)length - SYNC) != 0)
            return false;
        bool is_own = id <= LAST_AC3 || (frame[2] >> 6 != DEPENDENT && (frame[2] >> 3 & 7) == 0);
        int count = id <= LAST_AC3 || frame[4] >> 6 == 3 ? 6 : blocks[frame[4] >> 4 & 3];
        ret->samples += is_own ? count * BLOCK : 0;
        at += length;
    }
    return ret->samples > 0;
}

bool mr_frame_has_wrong_sum(enum AVCodecID codec, const AVPacket *packet)
{
    struct mr_frame_head head = {0};
    if (codec == AV_CODEC_ID_FLAC)
        return flac_sum(packet->data, packet->size) != 0;
    return (codec == AV_CODEC_ID_AC3 || codec == AV_CODEC_ID_EAC3) &&
           !read_ac3(packet->data, packet->size, &head);
}

static bool read_pcm(const AVCodecParameters *params, int size, struct mr_frame_head *ret)
{
    int bytes = av_get_exact_bits_per_sample(params->codec_id) / 8 * params->ch_layout.nb_channels;
    ret->samples = bytes > 0 ? size / bytes : 0;
    return ret->samples > 0 && size % bytes == 0;
}

bool mr_frame_head_is_known(enum AVCodecID codec)
{
    static const enum AVCodecID known[] = {
        AV_CODEC_ID_MP3,       AV_CODEC_ID_AAC,       AV_CODEC_ID_ALAC,      AV_CODEC_ID_FLAC,
        AV_CODEC_ID_OPUS,      AV_CODEC_ID_AC3,       AV_CODEC_ID_EAC3,      AV_CODEC_ID_PCM_S16LE,
        AV_CODEC_ID_PCM_S16BE, AV_CODEC_ID_PCM_S24LE, AV_CODEC_ID_PCM_S24BE,
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i] == codec)
            return true;
    return false;
}

bool mr_frame_head_read(const AVCodecParameters *params, const AVPacket *packet, struct mr_frame_head *ret)
{
    const uint8_t *data = packet->data;
    int size = packet->size;
    *ret = (struct mr_frame_head){0};
    if (size <= 0 || packet->flags & AV_PKT_FLAG_CORRUPT)
        return false;
    switch (params->codec_id) {
    case AV_CODEC_ID_MP3:
        return mr_mp3_frame_read(data, size, ret);
    case AV_CODEC_ID_AAC:
        return read_aac(params, data, size);
    case AV_CODEC_ID_ALAC:
        return read_alac(params, data, size, ret);
    case AV_CODEC_ID_FLAC:
        return read_flac(data, size, ret);
    case AV_CODEC_ID_OPUS:
        return read_opus(data, size, ret);
    case AV_CODEC_ID_AC3:
    case AV_CODEC_ID_EAC3:
        return read_ac3(data, size, ret);
    default:
        return read_pcm(params, size, ret);
    }
}
