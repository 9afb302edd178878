#include "worker/media/foreign.h"

#include <libavutil/common.h>
#include <libavutil/intreadwrite.h>
#include <string.h>
#include <strings.h>

enum { HEAD_MAX = 512, BOXES_MAX = 1000 };

struct sign {
    size_t at;
    const char *bytes;
    size_t len;
};
#define SIGN(at, text)                                                                                       \
    {                                                                                                        \
        (at), (text), sizeof(text) - 1                                                                       \
    }

/* Both signs must match; the first row decides. */
static const struct {
    enum mr_code code;
    const char *what; /* "the file is …" */
    struct sign signs[2];
} formats[] = {
    {MR_CODE_UNSUPPORTED_INPUT,
     "an animated WebP image, which cannot be decoded",
     {SIGN(8, "WEBPVP8X"), SIGN(30, "ANIM")}},
    {MR_CODE_UNSUPPORTED_INPUT, "a WebP image", {SIGN(0, "RIFF"), SIGN(8, "WEBP")}},
    {MR_CODE_UNSUPPORTED_INPUT, "a PNG image", {SIGN(0, "\x89PNG\r\n")}},
    {MR_CODE_UNSUPPORTED_INPUT, "a JPEG image", {SIGN(0, "\xff\xd8\xff")}},
    {MR_CODE_UNSUPPORTED_INPUT, "a BMP image", {SIGN(0, "BM"), SIGN(6, "\0\0\0\0")}},
    {MR_CODE_UNSUPPORTED_INPUT, "a TIFF or raw image", {SIGN(0, "II*\0")}},
    {MR_CODE_UNSUPPORTED_INPUT, "a TIFF image", {SIGN(0, "MM\0*")}},
    {MR_CODE_UNSUPPORTED_INPUT, "a HEIC image", {SIGN(4, "ftyphei")}},
    {MR_CODE_UNSUPPORTED_INPUT, "a HEIC image", {SIGN(4, "ftypmif1")}},
    {MR_CODE_UNSUPPORTED_INPUT, "an AVIF image", {SIGN(4, "ftypavif")}},
    {MR_CODE_UNSUPPORTED_INPUT, "an AVIF image", {SIGN(4, "ftypavis")}},
    {MR_CODE_UNSUPPORTED_INPUT, "a JPEG XL image", {SIGN(0, "\xff\x0a")}},
    {MR_CODE_UNSUPPORTED_INPUT, "a JPEG XL image", {SIGN(4, "JXL ")}},
    {MR_CODE_UNSUPPORTED_INPUT, "a JPEG 2000 image", {SIGN(4, "jP  ")}},
    {MR_CODE_UNSUPPORTED_INPUT, "a Photoshop document", {SIGN(0, "8BPS")}},
    {MR_CODE_UNSUPPORTED_INPUT, "an icon", {SIGN(0, "\0\0\1\0"), SIGN(5, "\0")}},
    {MR_CODE_UNSUPPORTED_INPUT, "a MIDI file, which holds notes and no audio", {SIGN(0, "MThd")}},
    {MR_CODE_UNSUPPORTED_INPUT,
     "a MIDI file, which holds notes and no audio",
     {SIGN(0, "RIFF"), SIGN(8, "RMID")}},
    {MR_CODE_UNSUPPORTED_INPUT, "subtitles without audio or video", {SIGN(0, "WEBVTT")}},
    {MR_CODE_UNSUPPORTED_INPUT, "a Flash animation", {SIGN(1, "WS"), SIGN(7, "\0")}},
    {MR_CODE_UNSUPPORTED_INPUT, "a disc image", {SIGN(0, "CISO")}},
    {MR_CODE_NOT_MEDIA, "a PDF document", {SIGN(0, "%PDF-")}},
    {MR_CODE_NOT_MEDIA, "a ZIP archive or an office document", {SIGN(0, "PK\3\4")}},
    {MR_CODE_NOT_MEDIA, "a RAR archive", {SIGN(0, "Rar!\x1a\7")}},
    {MR_CODE_NOT_MEDIA, "a 7-Zip archive", {SIGN(0, "7z\xbc\xaf\x27\x1c")}},
    {MR_CODE_NOT_MEDIA, "a gzip archive", {SIGN(0, "\x1f\x8b\x08")}},
    {MR_CODE_NOT_MEDIA, "an office document", {SIGN(0, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")}},
    {MR_CODE_NOT_MEDIA, "a web page", {SIGN(0, "<!DOCTYPE html")}},
    {MR_CODE_NOT_MEDIA, "a web page", {SIGN(0, "<html")}},
    {MR_CODE_NOT_MEDIA, "an XML document", {SIGN(0, "<?xml")}},
    {MR_CODE_NOT_MEDIA,
     "a program",
     {SIGN(0, "\x7f"
              "ELF")}},
};

static bool matches(const struct sign *sign, const char *head, size_t len)
{
    return sign->at + sign->len <= len && strncasecmp(head + sign->at, sign->bytes, sign->len) == 0 &&
           memcmp(head + sign->at, sign->bytes, 1) == 0;
}

static enum mr_status unfinished(struct mr_err *err)
{
    return mr_fail_code(err, MR_CODE_TRUNCATED,
                        "the file has no index (moov): the recorder was stopped before it finished the file");
}

enum mr_status mr_foreign_refuse(struct mr_source *source, struct mr_err *err)
{
    char head[HEAD_MAX];
    size_t len = (size_t)FFMIN(source->size, HEAD_MAX);
    if (!mr_source_peek(source, 0, head, len))
        len = 0;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (matches(&formats[i].signs[0], head, len) &&
            (!formats[i].signs[1].len || matches(&formats[i].signs[1], head, len)))
            return mr_fail_code(err, formats[i].code, "the file is %s", formats[i].what);
    if (mr_foreign_lacks_index(source))
        return unfinished(err);
    return mr_fail_code(err, MR_CODE_INVALID_MEDIA, "the file is not audio or video of a known format");
}

static bool is_one_of(const uint8_t *type, const char *types)
{
    for (; *types; types += 4)
        if (memcmp(type, types, 4) == 0)
            return true;
    return false;
}

bool mr_foreign_lacks_index(struct mr_source *source)
{
    bool has_media = false;
    int64_t at = 0;
    for (int i = 0; i < BOXES_MAX && at < source->size; i++) {
        uint8_t box[16] = {0};
        if (!mr_source_peek(source, at, box, (size_t)FFMIN(source->size - at, (int64_t)sizeof box)))
            return false;
        if (is_one_of(box + 4, "moovmoofsidx") || !is_one_of(box + 4, "ftypmdatwidefreeskipuuidpnotstyp"))
            return has_media && box[4] == 0;
        has_media |= memcmp(box + 4, "mdat", 4) == 0;
        uint64_t size = AV_RB32(box);
        size = size == 1 ? AV_RB64(box + 8) : size;
        if (size == 0 || size > (uint64_t)(source->size - at))
            return has_media; /* to the end, or beyond it */
        if (size < 8)
            return false;
        at += (int64_t)size;
    }
    return has_media;
}
