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
    {"dts", {BYTES(0, "\x7f\xfe\x80\x01")}},
    {"voc", {BYTES(0, "Creative Voice File")}},
    {"ivf", {BYTES(0, "DKIF")}},
    {"mxf", {BYTES(0, "\x06\x0e\x2b\x34\x02\x05\x01\x01")}},
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

const char *mr_magic_extension(const void *data, size_t len)
{
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++)
        if (holds(data, len, &signatures[i].parts[0]) && holds(data, len, &signatures[i].parts[1]))
            return signatures[i].extension;
    return audio_frame(data, len);
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
