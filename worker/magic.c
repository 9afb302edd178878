#include "worker/magic.h"

#include <stdint.h>
#include <string.h>

struct bytes {
    size_t at;
    const char *bytes;
    size_t len;
};
#define BYTES(at, text)                                                                                      \
    {                                                                                                        \
        (at), (text), sizeof(text) - 1                                                                       \
    }

/* Both parts must match; the first match decides. */
static const struct {
    const char *extension;
    struct bytes parts[2];
} signatures[] = {
    {"mp3", {BYTES(0, "ID3")}},
    {"wav", {BYTES(0, "RIFF"), BYTES(8, "WAVE")}},
    {"wav", {BYTES(0, "RF64"), BYTES(8, "WAVE")}},
    {"avi", {BYTES(0, "RIFF"), BYTES(8, "AVI ")}},
    {"w64", {BYTES(0, "riff\x2e\x91\xcf\x11")}},
    {"ogg", {BYTES(0, "OggS")}},
    {"flac", {BYTES(0, "fLaC")}},
    {"m4a", {BYTES(4, "ftypM4A")}},
    {"mov", {BYTES(4, "ftypqt  ")}},
    {"mp4", {BYTES(4, "ftyp")}},
    {"mp4", {BYTES(4, "styp")}},
    {"mp4", {BYTES(4, "moof")}},
    {"mp4", {BYTES(4, "sidx")}},
    {"mov", {BYTES(4, "moov")}},
    {"mov", {BYTES(4, "mdat")}},
    {"mov", {BYTES(4, "wide")}},
    {"mov", {BYTES(4, "free")}},
    {"mov", {BYTES(4, "skip")}},
    {"mov", {BYTES(4, "pnot")}},
    {"wma", {BYTES(0, "\x30\x26\xb2\x75\x8e\x66\xcf\x11"), BYTES(8, "\xa6\xd9\x00\xaa\x00\x62\xce\x6c")}},
    {"mkv", {BYTES(0, "\x1a\x45\xdf\xa3")}},
    {"gif", {BYTES(0, "GIF87a")}},
    {"gif", {BYTES(0, "GIF89a")}},
    {"ts", {BYTES(0, "\x47"), BYTES(188, "\x47")}},
    {"m2ts", {BYTES(4, "\x47"), BYTES(196, "\x47")}},
    {"mpg", {BYTES(0, "\0\0\1\xba")}},
    {"mpg", {BYTES(0, "\0\0\1\xb3")}},
    {"flv", {BYTES(0, "FLV\1")}},
    {"aiff", {BYTES(0, "FORM"), BYTES(8, "AIFF")}},
    {"aiff", {BYTES(0, "FORM"), BYTES(8, "AIFC")}},
    {"caf", {BYTES(0, "caff")}},
    {"amr", {BYTES(0, "#!AMR")}},
    {"wv", {BYTES(0, "wvpk")}},
    {"ape", {BYTES(0, "MAC ")}},
    {"tta", {BYTES(0, "TTA1")}},
    {"mpc", {BYTES(0, "MPCK")}},
    {"mpc", {BYTES(0, "MP+")}},
    {"au", {BYTES(0, ".snd")}},
    {"rm", {BYTES(0, ".RMF")}},
    {"aac", {BYTES(0, "ADIF")}},
    {"ac3", {BYTES(0, "\x0b\x77")}},
    {"thd", {BYTES(4, "\xf8\x72\x6f\xba")}},
    {"mlp", {BYTES(4, "\xf8\x72\x6f\xbb")}},
    /* Words of 16 or of 14 bits, of either byte order (ETSI TS 102 114, 6.1.3.1). */
    {"dts", {BYTES(0, "\x7f\xfe\x80\x01")}},
    {"dts", {BYTES(0, "\xfe\x7f\x01\x80")}},
    {"dts", {BYTES(0, "\x1f\xff\xe8\x00\x07")}},
    {"dts", {BYTES(0, "\xff\x1f\x00\xe8"), BYTES(5, "\x07")}},
    {"dtshd", {BYTES(0, "DTSHDHDR")}},
    {"voc", {BYTES(0, "Creative Voice File")}},
    {"ivf", {BYTES(0, "DKIF")}},
    {"mxf", {BYTES(0, "\x06\x0e\x2b\x34\x02\x05\x01\x01")}},
    {"dv", {BYTES(0, "\x1f\x07\x00"), BYTES(80, "\x3f")}},
    {"wtv", {BYTES(0, "\xb7\xd8\x00\x20\x37\x49\xda\x11\xa6\x4e\x00\x07\xe9\x5e\xad\x8d")}},
    {"nut", {BYTES(0, "nut/multimedia container")}},
    {"y4m", {BYTES(0, "YUV4MPEG2 ")}},
    {"ra", {BYTES(0, ".ra\xfd")}},
    {"tak", {BYTES(0, "tBaK")}},
    {"shn", {BYTES(0, "ajkg")}},
    {"dsf", {BYTES(0, "DSD ")}},
    {"dff", {BYTES(0, "FRM8"), BYTES(12, "DSD ")}},
    {"oma", {BYTES(0, "ea3\3")}},
    {"oma", {BYTES(0, "EA3"), BYTES(4, "\0\x60")}},
    {"dss", {BYTES(0, "\2dss")}},
    {"ds2", {BYTES(0, "\3ds2")}},
    {"qcp", {BYTES(0, "RIFF"), BYTES(8, "QLCMfmt ")}},
    /* Without a container, the first unit of H.264 and HEVC (parameters, or a delimiter), MPEG-4, VC-1, AV1. */
    {"h264", {BYTES(0, "\0\0\0\1\x67")}},
    {"h264", {BYTES(0, "\0\0\0\1\x27")}},
    {"h264", {BYTES(0, "\0\0\0\1\x09")}},
    {"hevc", {BYTES(0, "\0\0\0\1\x40\x01")}},
    {"hevc", {BYTES(0, "\0\0\0\1\x46\x01")}},
    {"m4v", {BYTES(0, "\0\0\1\xb0")}},
    {"vc1", {BYTES(0, "\0\0\1\x0f")}},
    {"obu", {BYTES(0, "\x12\0\x0a")}},
    {"loas", {BYTES(0, "\x56\xe0")}},
};

static bool holds(const unsigned char *data, size_t len, const struct bytes *part)
{
    return !part->len ||
           (len >= part->at + part->len && memcmp(data + part->at, part->bytes, part->len) == 0);
}

/* An MPEG audio frame without a container (ISO 11172-3, 2.4.2.3), or an AAC frame in ADTS (ISO 13818-7, 6.2):
 * eleven or twelve bits of sync, then no forbidden value. */
static const char *audio_frame(const unsigned char *data, size_t len)
{
    if (len < 4 || data[0] != 0xff || (data[1] & 0xe0) != 0xe0)
        return NULL;
    int version = data[1] >> 3 & 3, layer = data[1] >> 1 & 3;
    int bit_rate = data[2] >> 4, rate = data[2] >> 2 & 3, adts_rate = data[2] >> 2 & 15;
    if ((data[1] & 0xf6) == 0xf0)
        return adts_rate < 13 ? "aac" : NULL;
    return version != 1 && layer != 0 && bit_rate != 15 && rate != 3 ? "mp3" : NULL;
}

/* A PNG file that says before its first picture that it is animated (PNG 3, 11.3.6); the others are pictures. */
static const char *animation(const unsigned char *data, size_t len)
{
    static const struct bytes signature = BYTES(0, "\x89PNG\r\n\x1a\n");
    enum { CHUNK = 8, CHUNK_AND_SUM = 12 };
    if (!holds(data, len, &signature))
        return NULL;
    for (size_t at = signature.len; at + CHUNK <= len;) {
        if (memcmp(data + at + 4, "acTL", 4) == 0)
            return "apng";
        size_t size =
            (size_t)data[at] << 24 | (size_t)data[at + 1] << 16 | (size_t)data[at + 2] << 8 | data[at + 3];
        at += size + CHUNK_AND_SUM;
    }
    return NULL;
}

const char *mr_magic_extension(const void *data, size_t len)
{
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++)
        if (holds(data, len, &signatures[i].parts[0]) && holds(data, len, &signatures[i].parts[1]))
            return signatures[i].extension;
    const char *found = animation(data, len);
    return found ? found : audio_frame(data, len);
}

bool mr_magic_excludes_type(const char *type)
{
    static const char *const prefixes[] = {"text/", "image/", "font/", "model/", "message/", "multipart/"};
    static const char *const whole[] = {"application/json", "application/xml",        "application/xhtml+xml",
                                        "application/pdf",  "application/javascript", "application/zip"};
    static const char *const suffixes[] = {"+json", "+xml", "+zip"};
    if (strcmp(type, "image/gif") == 0)
        return false;
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (strncmp(type, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        if (strcmp(type, whole[i]) == 0)
            return true;
    const char *plus = strrchr(type, '+');
    for (size_t i = 0; plus && i < sizeof suffixes / sizeof *suffixes; i++)
        if (strcmp(plus, suffixes[i]) == 0)
            return true;
    return false;
}
