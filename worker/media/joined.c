#include "worker/media/joined.h"

#include "worker/media/container.h"
#include "worker/media/file_end.h"

#include <libavutil/avstring.h>
#include <libavutil/common.h>
#include <libavutil/intfloat.h>
#include <libavutil/intreadwrite.h>
#include <string.h>

enum { MAGIC = 12, BOXES_MAX = 64 };

/* Is it a header, whose first bytes these may be by chance? */
typedef bool is_header_fn(const uint8_t *at);

/* Where the first `len` bytes of the file are once more, and a header follows; 0: nowhere in the next megabyte. */
static int64_t find_again(struct mr_source *source, int64_t from, const uint8_t *head, size_t len,
                          is_header_fn *is_header)
{
    enum { CHUNK = 32 * 1024, FURTHEST = 1 << 20, HEADER = 32 };
    uint8_t chunk[CHUNK];
    int64_t end = FFMIN(source->size, from + FURTHEST);
    for (int64_t at = from; end - at >= HEADER; at += CHUNK - HEADER) {
        size_t size = (size_t)FFMIN(end - at, CHUNK);
        if (!mr_source_peek(source, at, chunk, size))
            return 0;
        for (const uint8_t *found = chunk; (found = memmem(found, size - (size_t)(found - chunk), head, len));
             found++)
            if ((size_t)(found - chunk) + HEADER <= size && is_header(found))
                return at + (found - chunk);
    }
    return 0;
}

/* ISO/IEC 14496-12, 8.8.12: fragments that go on with the time of those before belong to one recording, of which each piece
 * was stored with the file's beginning. `at`: of a box `moof`. */
static bool goes_on(struct mr_source *source, int64_t at)
{
    enum { LOOKED_AT = 512, VERSION = 4, TIME = 8, TIME_MAX = 16 };
    uint8_t moof[LOOKED_AT] = {0};
    int64_t left = source->size - at;
    if (!mr_source_peek(source, at, moof, (size_t)FFMIN(left, LOOKED_AT)))
        return false;
    const uint8_t *tfdt = memmem(moof, sizeof moof - TIME_MAX, "tfdt", 4);
    return tfdt && (tfdt[VERSION] ? AV_RB64(tfdt + TIME) : AV_RB32(tfdt + TIME)) > 0;
}

/* libav reads one index, and media where that says it is. */
static int64_t find_in_iso(struct mr_source *source)
{
    int64_t at = 0, second = 0;
    for (int i = 0; i < BOXES_MAX && at < source->size; i++) {
        uint8_t box[16];
        if (!mr_source_peek(source, at, box, 8))
            return 0;
        uint64_t size = AV_RB32(box);
        if (size == 1 && mr_source_peek(source, at + 8, box + 8, 8))
            size = AV_RB64(box + 8);
        if (memcmp(box + 4, "ftyp", 4) == 0 && at > 0 && !second)
            second = at;
        else if (memcmp(box + 4, "moof", 4) == 0 && second)
            return goes_on(source, at) ? 0 : second;
        if (size < 8 || size > (uint64_t)(source->size - at))
            break;
        at += (int64_t)size;
    }
    return second;
}

/* FLV states its size among the values of its first tag. */
static int64_t find_in_flv(struct mr_source *source)
{
    enum { LOOKED_AT = 2048, NUMBER = 1 + 8 };
    uint8_t head[LOOKED_AT], magic[4];
    size_t len = (size_t)FFMIN(source->size, LOOKED_AT);
    if (!mr_source_peek(source, 0, head, len))
        return 0;
    const uint8_t *name = memmem(head, len, "filesize", 8);
    if (!name || name + 8 + NUMBER > head + len || name[8] != 0)
        return 0;
    double size = av_int2double(AV_RB64(name + 9));
    if (!(size > 0 && size < (double)(source->size - MAGIC)))
        return 0;
    return mr_source_peek(source, (int64_t)size, magic, sizeof magic) &&
                   memcmp(magic, head, sizeof magic) == 0
               ? (int64_t)size
               : 0;
}

/* Of containers that state their size: behind it, the same first bytes once more. RIFF and its kin have their size in them. */
static int64_t find_behind(struct mr_source *source, const uint8_t *head)
{
    bool has_size = memcmp(head, "RIFF", 4) == 0 || memcmp(head, "FORM", 4) == 0;
    int64_t at = mr_file_end_declared(source);
    uint8_t magic[MAGIC];
    if (at <= 0 || at > source->size - MAGIC)
        return 0;
    at += has_size ? at & 1 : 0;
    if (!mr_source_peek(source, at, magic, sizeof magic))
        return 0;
    bool is_same = has_size ? memcmp(magic, head, 4) == 0 && memcmp(magic + 8, head + 8, 4) == 0
                            : memcmp(magic, head, memcmp(head, "caff", 4) == 0 ? 8 : MAGIC) == 0;
    return is_same ? at : 0;
}

static bool is_same_stream(const AVCodecParameters *one, const AVCodecParameters *other)
{
    bool may_change = one->codec_id == AV_CODEC_ID_VP8 || one->codec_id == AV_CODEC_ID_VP9;
    bool is_same_size = one->width == other->width && one->height == other->height;
    return one->codec_id == other->codec_id && (is_same_size || may_change) &&
           one->sample_rate == other->sample_rate &&
           one->ch_layout.nb_channels == other->ch_layout.nb_channels &&
           one->extradata_size == other->extradata_size &&
           (one->extradata_size == 0 ||
            memcmp(one->extradata, other->extradata, (size_t)one->extradata_size) == 0);
}

static bool has_same_streams(const AVFormatContext *one, const AVFormatContext *other)
{
    bool same = one && other && one->nb_streams == other->nb_streams;
    for (unsigned i = 0; same && i < one->nb_streams; i++)
        same = is_same_stream(one->streams[i]->codecpar, other->streams[i]->codecpar);
    return same;
}

static enum mr_status open_at(const struct mr_source *file, int64_t at, struct mr_source *part,
                              AVFormatContext **ret, struct mr_err *err)
{
    MR_TRY(mr_source_open(part, file->fds, file->index, file->size - at, err));
    part->base = at;
    (void)!mr_container_read_head(part->io, "", ret);
    return MR_OK;
}

/* The first file of Matroska whose streams are not those of the file before it. */
static enum mr_status find_in_matroska(struct mr_source *source, int64_t *ret_at, struct mr_err *err)
{
    enum { FILES_MAX = 16 };
    AVFormatContext *first = NULL, *other = NULL;
    int64_t at = mr_file_end_of_segment(source, 0), next = 0;
    if (at <= 0 || (next = mr_file_end_of_segment(source, at)) < 0)
        return MR_OK;
    MR_AUTO(mr_source) struct mr_source part = {0};
    enum mr_status status = open_at(source, 0, &part, &first, err);
    for (int i = 0; i < FILES_MAX && !status && !*ret_at && next >= 0; i++) {
        MR_AUTO(mr_source) struct mr_source later = {0};
        status = open_at(source, at, &later, &other, err);
        *ret_at = has_same_streams(first, other) ? 0 : at;
        avformat_close_input(&other);
        at = next;
        next = next > 0 ? mr_file_end_of_segment(source, next) : -1;
    }
    avformat_close_input(&first);
    return status;
}

static bool is_tta(const uint8_t *at)
{
    enum { AT_FORMAT = 4, FORMATS = 3, AT_RATE = 10 };
    return AV_RL16(at + AT_FORMAT) <= FORMATS && AV_RL32(at + AT_RATE) > 0;
}

/* TTA states in a table at its beginning how long each frame is. */
static int64_t find_in_tta(struct mr_source *source, const uint8_t *head)
{
    enum { HEADER = 22, AT_RATE = 10, AT_SAMPLES = 14, TICKS = 256, TICKS_OF_A_SECOND = 245, CHUNK = 256 };
    uint8_t header[HEADER], sizes[4 * CHUNK];
    if (!mr_source_peek(source, 0, header, sizeof header) || AV_RL32(header + AT_RATE) == 0)
        return 0;
    int64_t length = (int64_t)AV_RL32(header + AT_RATE) * TICKS / TICKS_OF_A_SECOND;
    int64_t frames = length ? (AV_RL32(header + AT_SAMPLES) + length - 1) / length : 0;
    int64_t at = HEADER, end = HEADER + 4 * frames + 4;
    for (int64_t left = frames; left > 0; left -= CHUNK) {
        int count = (int)FFMIN(left, CHUNK);
        if (!mr_source_peek(source, at, sizes, 4 * (size_t)count))
            return 0;
        for (int i = 0; i < count; i++)
            end += AV_RL32(sizes + 4 * (size_t)i);
        at += 4 * (int64_t)count;
    }
    return find_again(source, end, head, 4, is_tta);
}

/* AU states the size of its samples, unless it was written to a pipe. */
static int64_t find_in_au(struct mr_source *source, const uint8_t *head)
{
    uint32_t size = AV_RB32(head + 8);
    uint8_t magic[4];
    int64_t at = size == UINT32_MAX ? 0 : (int64_t)AV_RB32(head + 4) + size;
    return at > 0 && mr_source_peek(source, at, magic, sizeof magic) && memcmp(magic, head, sizeof magic) == 0
               ? at
               : 0;
}

static bool is_flv(const uint8_t *at)
{
    enum { AT_LENGTH = 5, LENGTH = 9, AT_FLAGS = 4, KINDS = 5 };
    return AV_RB32(at + AT_LENGTH) == LENGTH && !(at[AT_FLAGS] & ~KINDS);
}

/* The first block of a file. */
static bool is_wavpack(const uint8_t *at)
{
    enum { AT_VERSION = 8, VERSION = 4, AT_INDEX = 16 };
    return AV_RL16(at + AT_VERSION) >> 8 == VERSION && AV_RL32(at + AT_INDEX) == 0;
}

int64_t mr_joined_behind(struct mr_source *source, int64_t last_packet)
{
    uint8_t head[MAGIC];
    if (last_packet <= 0 || !mr_source_peek(source, 0, head, sizeof head))
        return 0;
    if (memcmp(head, "FLV\1", 4) == 0)
        return find_again(source, last_packet, head, 4, is_flv);
    return memcmp(head, "wvpk", 4) == 0 ? find_again(source, last_packet, head, 4, is_wavpack) : 0;
}

enum mr_status mr_joined_at(struct mr_source *source, int64_t *ret_at, struct mr_err *err)
{
    uint8_t head[MAGIC];
    *ret_at = 0;
    if (!mr_source_peek(source, 0, head, sizeof head))
        return MR_OK;
    if (AV_RB32(head) == 0x1a45dfa3)
        return find_in_matroska(source, ret_at, err);
    if (memcmp(head + 4, "ftyp", 4) == 0)
        *ret_at = find_in_iso(source);
    else if (memcmp(head, "FLV\1", 4) == 0)
        *ret_at = find_in_flv(source);
    else if (memcmp(head, "TTA1", 4) == 0)
        *ret_at = find_in_tta(source, head);
    else if (memcmp(head, ".snd", 4) == 0)
        *ret_at = find_in_au(source, head);
    else if (mr_file_end_is_guess(source) || memcmp(head, "\x30\x26\xb2\x75", 4) == 0)
        *ret_at = find_behind(source, head);
    return MR_OK;
}

/* Whether the file that begins there has the streams of this one. */
static bool goes_on_in_matroska(struct mr_source *source, int64_t at)
{
    struct mr_err err;
    AVFormatContext *first = NULL, *other = NULL;
    MR_AUTO(mr_source) struct mr_source part = {0}, later = {0};
    if (open_at(source, 0, &part, &first, &err) == MR_OK)
        (void)!open_at(source, at, &later, &other, &err);
    bool is_same = has_same_streams(first, other);
    avformat_close_input(&first);
    avformat_close_input(&other);
    return is_same;
}

/* Bytes at the end that may be the beginning of a header come once more, with the rest of it. */
static size_t watch(struct mr_source *source, int64_t offset, uint8_t *buf, size_t len)
{
    enum { ID = 4 };
    static const uint8_t ebml[ID] = {0x1a, 0x45, 0xdf, 0xa3};
    for (const uint8_t *at = buf; (at = memmem(at, len - (size_t)(at - buf), ebml, ID)); at++) {
        int64_t begin = offset + (at - buf);
        if (begin == 0 || mr_file_end_of_segment(source, begin) < 0 || goes_on_in_matroska(source, begin))
            continue;
        source->joined_bytes = source->size - begin;
        source->size = begin;
        return (size_t)(at - buf);
    }
    for (size_t begun = ID - 1; begun > 0; begun--)
        if (len > begun && memcmp(buf + len - begun, ebml, begun) == 0)
            return len - begun;
    return len;
}

void mr_joined_watch(struct mr_source *source)
{
    if (mr_file_end_of_segment(source, 0) == 0)
        source->pass = watch;
}
