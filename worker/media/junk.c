#include "worker/media/junk.h"

#include <libavcodec/ac3_parser.h>
#include <libavutil/crc.h>
#include <libavutil/intreadwrite.h>
#include <string.h>

/* ISO/IEC 11172-3, 2.4.1.3: eleven bits of sync, and no reserved version, layer, bit rate or sample rate. */
static bool is_header(const uint8_t *at)
{
    return at[0] == 0xff && (at[1] & 0xe0) == 0xe0 && (at[1] & 0x18) != 0x08 && (at[1] & 0x06) != 0 &&
           (at[2] & 0xf0) != 0xf0 && (at[2] & 0x0c) != 0x0c;
}

static bool is_tag(const uint8_t *at, int size)
{
    static const char *const magic[] = {"ID3", "TAG", "APETAGEX", "LYRICSBEGIN", "3DI"};
    for (size_t i = 0; i < sizeof magic / sizeof *magic; i++)
        if ((size_t)size >= strlen(magic[i]) && memcmp(at, magic[i], strlen(magic[i])) == 0)
            return true;
    return false;
}

/* An ID3v2 tag states its size, and may hold a picture in which bytes look like a frame. */
static int skip_id3(const uint8_t *at, int size)
{
    enum { HEADER = 10 };
    if (size < HEADER || memcmp(at, "ID3", 3) != 0)
        return 0;
    int body = (at[6] & 127) << 21 | (at[7] & 127) << 14 | (at[8] & 127) << 7 | (at[9] & 127);
    return body <= size - HEADER ? HEADER + body : size;
}

bool mr_junk_trim(AVPacket *packet, bool is_first)
{
    enum { HEADER = 4 };
    if (packet->size < HEADER || is_header(packet->data) || !(is_first || is_tag(packet->data, packet->size)))
        return true;
    int at = skip_id3(packet->data, packet->size);
    while (at <= packet->size - HEADER && !is_header(packet->data + at))
        at++;
    if (at > packet->size - HEADER)
        return false;
    packet->data += at;
    packet->size -= at;
    return true;
}

static void trim_ac3(AVPacket *packet)
{
    enum { SYNC = 0x0b77 };
    uint8_t id = 0;
    uint16_t size = 0;
    if (av_ac3_parse_header(packet->data, (size_t)packet->size, &id, &size) < 0 || size == 0 ||
        size + 2 > packet->size)
        return;
    if (AV_RB16(packet->data + size) != SYNC) /* else a frame of further channels */
        packet->size = size;
}

/* The length without the tags and zeros at the end. */
static int strip(const uint8_t *data, int size)
{
    enum { ID3V1 = 128, FOOTER = 32, FLAGS = 20 };
    for (int before = 0; before != size;) {
        before = size;
        if (size >= ID3V1 && memcmp(data + size - ID3V1, "TAG", 3) == 0)
            size -= ID3V1;
        if (size >= FOOTER && memcmp(data + size - FOOTER, "APETAGEX", 8) == 0) {
            const uint8_t *footer = data + size - FOOTER;
            int64_t len = AV_RL32(footer + 12) + (AV_RL32(footer + FLAGS) >> 31 ? INT64_C(32) : 0);
            size -= len < size ? (int)len : size;
        }
        while (size > 0 && data[size - 1] == 0)
            size--;
    }
    return size;
}

static void trim_flac(AVPacket *packet)
{
    enum { SUM = 2 }; /* bytes of the frame's sum, which may be zeros (RFC 9639, 9.3) */
    int size = strip(packet->data, packet->size);
    if (packet->size - size <= SUM || !mr_junk_begins_frame(AV_CODEC_ID_FLAC, packet))
        return;
    const AVCRC *table = av_crc_get_table(AV_CRC_16_ANSI);
    for (int end = size; size > 0 && end <= FFMIN(size + SUM, packet->size); end++)
        if (av_crc(table, 0, packet->data, (size_t)end) == 0) {
            packet->size = end;
            return;
        }
}

bool mr_junk_begins_frame(enum AVCodecID codec, const AVPacket *packet)
{
    enum { HEADER = 4 };
    const uint8_t *at = packet->data;
    if (packet->size < HEADER)
        return false;
    switch (codec) {
    case AV_CODEC_ID_MP1:
    case AV_CODEC_ID_MP2:
    case AV_CODEC_ID_MP3:
        return is_header(at);
    case AV_CODEC_ID_AC3:
    case AV_CODEC_ID_EAC3:
        return (at[0] == 0x0b && at[1] == 0x77) || (at[0] == 0x77 && at[1] == 0x0b);
    case AV_CODEC_ID_FLAC:
        return at[0] == 0xff && (at[1] & 0xfe) == 0xf8;
    default:
        return true;
    }
}

void mr_junk_trim_behind(enum AVCodecID codec, AVPacket *packet)
{
    if (codec == AV_CODEC_ID_AC3 || codec == AV_CODEC_ID_EAC3)
        trim_ac3(packet);
    else if (codec == AV_CODEC_ID_FLAC)
        trim_flac(packet);
}

bool mr_junk_ends(const AVPacket *packet)
{
    enum { ZEROS = 32, ID3V1 = 128, APE_FOOTER = 32 };
    static const uint8_t zeros[ZEROS];
    const uint8_t *end = packet->data + packet->size;
    if (packet->size >= ID3V1 && memcmp(end - ID3V1, "TAG", 3) == 0)
        return true;
    if (packet->size >= APE_FOOTER && memcmp(end - APE_FOOTER, "APETAGEX", 8) == 0)
        return true;
    return (packet->size >= ZEROS && memcmp(end - ZEROS, zeros, ZEROS) == 0) ||
           is_tag(packet->data, packet->size);
}
