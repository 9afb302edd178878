#include "worker/media/file_end.h"

#include "worker/media/ogg_end.h"

#include <libavutil/common.h>
#include <libavutil/intreadwrite.h>
#include <string.h>

enum { ZEROS_MAX = 64 << 20 }; /* looked at */
enum { MAX_PARTS = 64 };       /* boxes or objects looked at: real files have a handful at the top */

/* Each returns where the file should end at least, 0 if it does not know. `head` is the file's first 16 bytes.
 */
typedef int64_t declared_end_fn(struct mr_source *source, const uint8_t *head);

static int64_t end_of(int64_t start, uint64_t size)
{
    return size > (uint64_t)(INT64_MAX - start) ? INT64_MAX : start + (int64_t)size;
}

/* Programs append what is no box: tags, ids of a vendor, zeros. Only these boxes hold media or lead to it. */
static bool is_needed(const uint8_t *type)
{
    return memcmp(type, "moov", 4) == 0 || memcmp(type, "mdat", 4) == 0 || memcmp(type, "moof", 4) == 0;
}

/* ISO/IEC 14496-12, 4.2: boxes of 32-bit size and type; size 1 means a 64-bit size follows, 0 "to the end".
 */
static int64_t iso_end(struct mr_source *source, const uint8_t *head)
{
    int64_t at = 0;
    if (memcmp(head + 4, "ftyp", 4) != 0)
        return 0;
    for (int i = 0; i < MAX_PARTS && at < source->size; i++) {
        uint8_t box[16];
        if (!mr_source_peek(source, at, box, 8))
            return source->size;
        uint64_t size = AV_RB32(box);
        if (size == 1) {
            if (!mr_source_peek(source, at + 8, box + 8, 8))
                return at + 16;
            size = AV_RB64(box + 8);
        }
        if (size < 8)
            return 0;
        if (end_of(at, size) > source->size && !is_needed(box + 4))
            return source->size;
        at = end_of(at, size);
    }
    return at < source->size ? source->size : at; /* of many fragments not each is looked at */
}

bool mr_file_end_is_placeholder(int64_t declared, int64_t size)
{
    enum { LARGE = 500 * 1000 * 1000, HEADERS_MAX = 256, ROUND_2 = 1 << 24, ROUND_10 = 10 * 1000 * 1000 };
    if (declared <= size)
        return false;
    if (declared >= LARGE && size < declared / 2)
        return true;
    /* Headers may be counted with it. */
    return declared >= ROUND_10 && (declared % ROUND_2 < HEADERS_MAX || declared % ROUND_10 < HEADERS_MAX ||
                                    (declared + 1) % ROUND_2 == 0);
}

bool mr_file_end_is_guess(struct mr_source *source)
{
    uint8_t head[12];
    if (!mr_source_peek(source, 0, head, sizeof head))
        return false;
    return (memcmp(head, "RIFF", 4) == 0 && memcmp(head + 8, "WAVE", 4) == 0) ||
           (memcmp(head, "FORM", 4) == 0 && memcmp(head + 8, "AIF", 3) == 0) ||
           memcmp(head, "caff", 4) == 0 || memcmp(head, "riff", 4) == 0;
}

/* The size of the whole but 8 bytes. Writers that could not seek leave 0 or some large number. Behind its first gigabyte an
 * AVI file goes on in further parts (OpenDML 1.02, 2.0); a file that was joined to it looks the same. */
static int64_t riff_end(struct mr_source *source, const uint8_t *head)
{
    enum { RIFF_PARTS_MAX = 1024, HEADER = 12 };
    uint8_t part[HEADER];
    int64_t at = 0, end = 0;
    memcpy(part, head, sizeof part);
    for (int i = 0; i < RIFF_PARTS_MAX && memcmp(part, "RIFF", 4) == 0; i++) {
        int64_t size = AV_RL32(part + 4);
        if (size == 0 || mr_file_end_is_placeholder(at + size, source->size))
            return 0;
        end = at + 8 + size;
        at = end + (end & 1);
        if (memcmp(part + 8, "AVI", 3) != 0 || !mr_source_peek(source, at, part, sizeof part))
            break;
    }
    return end;
}

/* AIFF: the same, in the other order of bytes. */
static int64_t form_end(struct mr_source *source, const uint8_t *head)
{
    int64_t size = AV_RB32(head + 4);
    if (memcmp(head, "FORM", 4) != 0 || size == 0 || mr_file_end_is_placeholder(size, source->size))
        return 0;
    return 8 + size;
}

/* Sony Wave64: the size of the whole behind the first GUID. */
static int64_t w64_end(struct mr_source *source, const uint8_t *head)
{
    uint8_t size[8];
    if (memcmp(head, "riff\x2e\x91\xcf\x11", 8) != 0 || !mr_source_peek(source, 16, size, sizeof size))
        return 0;
    int64_t end = end_of(0, AV_RL64(size));
    return mr_file_end_is_placeholder(end, source->size) ? 0 : end;
}

/* Apple Core Audio Format: chunks of a type and 64 bits of size; -1 of the samples: to the end of the file. */
static int64_t caf_end(struct mr_source *source, const uint8_t *head)
{
    enum { FIRST = 8, HEADER = 12 };
    int64_t at = FIRST;
    uint8_t chunk[HEADER];
    if (memcmp(head, "caff", 4) != 0)
        return 0;
    for (int i = 0; i < MAX_PARTS && mr_source_peek(source, at, chunk, sizeof chunk); i++) {
        int64_t size = (int64_t)AV_RB64(chunk + 4);
        if (size < 0 || mr_file_end_is_placeholder(size, source->size))
            return 0;
        at = end_of(at + HEADER, (uint64_t)size);
        if (memcmp(chunk, "data", 4) == 0)
            break;
    }
    return at;
}

int64_t mr_file_end_skip_id3(struct mr_source *source)
{
    enum { TAGS_MAX = 4, HEADER = 10 };
    int64_t at = 0;
    for (int i = 0; i < TAGS_MAX; i++) {
        uint8_t tag[HEADER];
        if (!mr_source_peek(source, at, tag, sizeof tag) || memcmp(tag, "ID3", 3) != 0)
            break;
        int64_t size = (tag[6] & 127) << 21 | (tag[7] & 127) << 14 | (tag[8] & 127) << 7 | (tag[9] & 127);
        at += HEADER + size;
    }
    return at;
}

/* The first frame of many MP3 files is a table (Xing, or Info) that may state how many bytes there are. The number of
 * frames beside it says nothing of the file's end. */
static int64_t mp3_end(struct mr_source *source, const uint8_t *head)
{
    enum { FRAME = 64, HAS_FRAMES = 1, HAS_BYTES = 2 };
    uint8_t frame[FRAME];
    if (memcmp(head, "ID3", 3) != 0 && (head[0] != 0xff || (head[1] & 0xe0) != 0xe0))
        return 0;
    int64_t at = mr_file_end_skip_id3(source);
    if (!mr_source_peek(source, at, frame, sizeof frame) || frame[0] != 0xff)
        return 0;
    bool is_mpeg_1 = (frame[1] >> 3 & 3) == 3, is_mono = (frame[3] >> 6) == 3;
    size_t table = 4 + (is_mpeg_1 ? (is_mono ? 17U : 32U) : (is_mono ? 9U : 17U));
    if (memcmp(frame + table, "Xing", 4) != 0 && memcmp(frame + table, "Info", 4) != 0)
        return 0;
    uint32_t flags = AV_RB32(frame + table + 4);
    int64_t bytes = AV_RB32(frame + table + (flags & HAS_FRAMES ? 12 : 8));
    return (flags & HAS_BYTES) && !mr_file_end_is_placeholder(bytes, source->size) ? at + bytes : 0;
}

/* RFC 8794: a variable-length size; all value bits set mean "unknown". Returns its length, 0 if it is invalid.
 */
static int read_vint(const uint8_t *at, uint64_t *ret)
{
    int len = 1;
    while (len <= 8 && !(at[0] & (0x80 >> (len - 1))))
        len++;
    if (len > 8)
        return 0;
    uint64_t value = at[0] & (0xffu >> len), all = (1ULL << (7 * len)) - 1;
    for (int i = 1; i < len; i++)
        value = value << 8 | at[i];
    *ret = value == all ? UINT64_MAX : value;
    return len;
}

/* RFC 9559: the EBML header, then one Segment that holds everything. */
int64_t mr_file_end_of_segment(struct mr_source *source, int64_t at)
{
    enum { EBML = 0x1a45dfa3, SEGMENT = 0x18538067, EBML_MAX = 4096 };
    uint8_t header[12];
    uint64_t size;
    int len;
    if (!mr_source_peek(source, at, header, sizeof header) || AV_RB32(header) != EBML ||
        !(len = read_vint(header + 4, &size)) || size > EBML_MAX)
        return -1;
    at += 4 + len + (int64_t)size;
    if (!mr_source_peek(source, at, header, sizeof header) || AV_RB32(header) != SEGMENT ||
        !(len = read_vint(header + 4, &size)) || size == UINT64_MAX)
        return 0;
    return end_of(at + 4 + len, size);
}

/* libav reads on in files that were joined to the first. */
static int64_t matroska_end(struct mr_source *source, const uint8_t *head)
{
    (void)head;
    int64_t end = mr_file_end_of_segment(source, 0), next = end;
    for (int i = 0; i < MAX_PARTS && next > 0; i++)
        next = mr_file_end_of_segment(source, end = next);
    return next < 0 ? FFMAX(end, 0) : 0;
}

/* The elements that follow a packet: those of clusters and of the segment, CRC-32 and Void. */
static bool is_element(uint32_t id)
{
    static const uint32_t ids[] = {0xa3,       0xa0,       0xa1,       0xa4,       0x9b,       0xfb,
                                   0xe7,       0xa7,       0xab,       0xbf,       0xec,       0x75a2,
                                   0x1f43b675, 0x1c53bb6b, 0x1254c367, 0x1043a770, 0x1941a469, 0x114d9b74};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        if (ids[i] == id)
            return true;
    return false;
}

bool mr_file_end_matroska_is_open(struct mr_source *source, int64_t at)
{
    enum { ELEMENTS_MAX = 4096, HEADER_MAX = 12, CLUSTER = 0x1f43b675 };
    for (int i = 0; i < ELEMENTS_MAX && at > 0 && at < source->size; i++) {
        uint8_t header[HEADER_MAX] = {0};
        int64_t left = source->size - at;
        if (!mr_source_peek(source, at, header, left < HEADER_MAX ? (size_t)left : HEADER_MAX))
            return false;
        int id_len = header[0] & 0x80 ? 1 : header[0] & 0x40 ? 2 : header[0] & 0x20 ? 3 : 4;
        uint32_t id = AV_RB32(header) >> (8 * (4 - id_len));
        uint64_t size = 0;
        int size_len = read_vint(header + id_len, &size);
        if (left <= id_len)
            return true;
        if (!is_element(id) || !size_len)
            return false; /* laced, or of a kind that is not known here */
        at += id_len + size_len;
        if (id != CLUSTER)
            at = end_of(at, size);
    }
    return at > source->size;
}

/* Advanced Systems Format, 3.2: the File Properties object states the size, unless its broadcast flag is set.
 */
static int64_t asf_end(struct mr_source *source, const uint8_t *head)
{
    static const uint8_t header[16] = {0x30, 0x26, 0xb2, 0x75, 0x8e, 0x66, 0xcf, 0x11,
                                       0xa6, 0xd9, 0x00, 0xaa, 0x00, 0x62, 0xce, 0x6c};
    static const uint8_t properties[16] = {0xa1, 0xdc, 0xab, 0x8c, 0x47, 0xa9, 0xcf, 0x11,
                                           0x8e, 0xe4, 0x00, 0xc0, 0x0c, 0x20, 0x53, 0x65};
    enum { FIRST_OBJECT = 30, FILE_SIZE = 40, FLAGS = 88, BROADCAST = 1, PROPERTIES_SIZE = 104 };
    int64_t at = FIRST_OBJECT;
    if (memcmp(head, header, sizeof header) != 0)
        return 0;
    for (int i = 0; i < MAX_PARTS; i++) {
        uint8_t object[PROPERTIES_SIZE];
        if (!mr_source_peek(source, at, object, 24))
            return 0;
        if (memcmp(object, properties, sizeof properties) == 0) {
            if (!mr_source_peek(source, at, object, sizeof object) || (AV_RL32(object + FLAGS) & BROADCAST))
                return 0;
            return end_of(0, AV_RL64(object + FILE_SIZE));
        }
        uint64_t size = AV_RL64(object + 16);
        if (size < 24 || size > (uint64_t)(source->size - at))
            return 0;
        at += (int64_t)size;
    }
    return 0;
}

int64_t mr_file_end_declared(struct mr_source *source)
{
    static declared_end_fn *const containers[] = {iso_end, riff_end,     form_end, w64_end,
                                                  caf_end, matroska_end, asf_end,  mp3_end};
    uint8_t head[16];
    int64_t end = 0;
    if (!mr_source_peek(source, 0, head, sizeof head))
        return 0;
    for (size_t i = 0; !end && i < sizeof containers / sizeof *containers; i++)
        end = containers[i](source, head);
    return end;
}

int64_t mr_file_end_missing_bytes(struct mr_source *source)
{
    int64_t end = mr_file_end_declared(source);
    return !end ? -1 : end > source->size ? end - source->size : 0;
}

/* How many zeros a last page or frame may end with; -1: it may be of nothing else, or is not known here. */
static int64_t zeros_of_a_frame(struct mr_source *source)
{
    enum { LAYERS = 0x06, FRAME_MAX = 1729, ADTS_MAX = 8191 };
    uint8_t head[4];
    if (!mr_source_peek(source, mr_file_end_skip_id3(source), head, sizeof head))
        return -1;
    if (memcmp(head, "OggS", 4) == 0)
        return MR_OGG_ZEROS_MAX;
    if (head[0] != 0xff || (head[1] & 0xe0) != 0xe0)
        return -1;
    return head[1] & LAYERS ? FRAME_MAX : ADTS_MAX;
}

/* Where the zeros at the end of the file begin, but not before `from`. */
static int64_t find_zeros(struct mr_source *source, int64_t from)
{
    enum { FIRST = 64, BLOCK = 16 * 1024 };
    static const uint8_t zeros[BLOCK];
    uint8_t block[BLOCK];
    int64_t at = source->size;
    for (size_t len = FIRST; at > from; len = BLOCK) {
        len = at - from < (int64_t)len ? (size_t)(at - from) : len;
        if (!mr_source_peek(source, at - (int64_t)len, block, len))
            return at;
        if (memcmp(block, zeros, len) != 0) {
            while (len > 0 && block[len - 1] == 0)
                len--, at--;
            return at;
        }
        at -= (int64_t)len;
    }
    return at;
}

void mr_file_end_blank(struct mr_source *source)
{
    enum { SHORTEST = 512 }; /* less may be the end of a tag */
    int64_t end = mr_file_end_declared(source), slack = zeros_of_a_frame(source);
    if (end >= source->size || mr_file_end_is_guess(source) || (!end && slack < 0))
        return;
    int64_t from = source->size - end > ZEROS_MAX ? source->size - ZEROS_MAX : end;
    int64_t at = find_zeros(source, from);
    if (at > from && slack < 0) /* a tag, or another file, whose own zeros these may be */
        return;
    if (source->size - at >= SHORTEST)
        source->size = FFMIN(at > from ? at + slack : at, source->size);
}
