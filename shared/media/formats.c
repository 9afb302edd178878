#include "shared/media/formats.h"

#include <limits.h>
#include <string.h>
#include <strings.h>

/* "acc" is the spelling of aac that one of the older systems' clients sends. */
/* clang-format off */
static const struct mr_format formats[] = {
    {"mp3",    {NULL},              "mp3",  "audio/mpeg",             MR_MEDIA_AUDIO, {"mp3"},                    NULL},
    {"aac",    {"acc", "adts"},     "aac",  "audio/aac",              MR_MEDIA_AUDIO, {"aac"},                    NULL},
    {"m4a",    {NULL},              "m4a",  "audio/mp4",              MR_MEDIA_AUDIO, {"aac", "alac"},            NULL},
    {"m4b",    {NULL},              "m4b",  "audio/mp4",              MR_MEDIA_AUDIO, {"aac", "alac"},            NULL},
    {"ogg",    {"oga", "vorbis"},   "ogg",  "audio/ogg",              MR_MEDIA_AUDIO, {"vorbis", "flac"},         NULL},
    {"opus",   {NULL},              "opus", "audio/ogg; codecs=opus", MR_MEDIA_AUDIO, {"opus"},                   NULL},
    {"wav",    {"wave"},            "wav",  "audio/wav",              MR_MEDIA_AUDIO, {"pcm"},                    NULL},
    {"aiff",   {"aif"},             "aiff", "audio/aiff",             MR_MEDIA_AUDIO, {"pcm"},                    NULL},
    {"caf",    {NULL},              "caf",  "audio/x-caf",            MR_MEDIA_AUDIO, {"pcm"},                    NULL},
    {"flac",   {NULL},              "flac", "audio/flac",             MR_MEDIA_AUDIO, {"flac"},                   NULL},
    {"wma",    {NULL},              "wma",  "audio/x-ms-wma",         MR_MEDIA_AUDIO, {"wma"},                    NULL},
    {"ac3",    {NULL},              "ac3",  "audio/ac3",              MR_MEDIA_AUDIO, {"ac3"},                    NULL},
    {"eac3",   {"ec3"},             "eac3", "audio/eac3",             MR_MEDIA_AUDIO, {"eac3"},                   NULL},
    {"mka",    {NULL},              "mka",  "audio/x-matroska",       MR_MEDIA_AUDIO,
     {"aac", "opus", "vorbis", "mp3", "ac3", "eac3", "flac", "alac", "pcm"},                                      NULL},
    {"mp4",    {"m4v"},             "mp4",  "video/mp4",              MR_MEDIA_VIDEO, {"h264", "hevc", "av1", "mpeg4"}, "aac"},
    {"mov",    {"qt", "quicktime"}, "mov",  "video/quicktime",        MR_MEDIA_VIDEO, {"h264", "hevc", "mpeg4"},          "aac"},
    {"mkv",    {"matroska"},        "mkv",  "video/x-matroska",       MR_MEDIA_VIDEO, {"h264", "hevc", "av1", "vp9", "mpeg4"},   "aac"},
    {"webm",   {NULL},              "webm", "video/webm",             MR_MEDIA_VIDEO, {"vp9", "av1"},                    "opus"},
    {"avi",    {NULL},              "avi",  "video/x-msvideo",        MR_MEDIA_VIDEO, {"mpeg4", "h264"},          "mp3"},
    {"mpegts", {"ts", "mts"},       "ts",   "video/mp2t",             MR_MEDIA_VIDEO, {"h264", "hevc"},                   "aac"},
    {"3gp",    {"3gpp"},            "3gp",  "video/3gpp",             MR_MEDIA_VIDEO, {"h264", "mpeg4"},          "aac"},
    {"gif",    {NULL},              "gif",  "image/gif",              MR_MEDIA_VIDEO, {"gif"},                    NULL},
};
/* clang-format on */

/* Hz, as the encoders take them. */
static const int aac_rates[] = {8000,  11025, 12000, 16000, 22050, 24000, 32000,
                                44100, 48000, 64000, 88200, 96000, 0};
static const int mp3_rates[] = {8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 0};
static const int ac3_rates[] = {32000, 44100, 48000, 0};
static const int opus_rates[] = {48000, 0};

static const char *const speeds[] = {"ultrafast", "superfast", "veryfast", "faster",   "fast",
                                     "medium",    "slow",      "slower",   "veryslow", NULL};

#define VIDEO_BIT_RATE                                                                                       \
    {                                                                                                        \
        MR_BIT_RATE_MIN, MR_BIT_RATE_MAX                                                                     \
    }
#define FRAME_RATE                                                                                           \
    {                                                                                                        \
        1, MR_FRAME_RATE_MAX                                                                                 \
    }

static const struct mr_codec codecs[] = {
    {
        .name = "h264",
        .title = "H.264",
        .media_class = MR_MEDIA_VIDEO,
        .threads = 2,
        .bit_rate = VIDEO_BIT_RATE,
        .rate_factor = {0, 51},
        .speed_presets = speeds,
        .frame_rate = FRAME_RATE,
    },
    {
        .name = "hevc",
        .title = "HEVC",
        .media_class = MR_MEDIA_VIDEO,
        .threads = 1,
        .bit_rate = VIDEO_BIT_RATE,
        .rate_factor = {0, 51},
        .speed_presets = speeds,
        .frame_rate = FRAME_RATE,
    },
    {
        .name = "av1",
        .title = "AV1",
        .media_class = MR_MEDIA_VIDEO,
        .threads = 1,
        .bit_rate = VIDEO_BIT_RATE,
        .rate_factor = {1, 63},
        .speed_presets = speeds,
        .frame_rate = FRAME_RATE,
    },
    {
        .name = "vp9",
        .title = "VP9",
        .media_class = MR_MEDIA_VIDEO,
        .bit_rate = VIDEO_BIT_RATE,
        .rate_factor = {0, 63},
        .frame_rate = FRAME_RATE,
    },
    {
        .name = "mpeg4",
        .title = "MPEG-4",
        .media_class = MR_MEDIA_VIDEO,
        .bit_rate = VIDEO_BIT_RATE,
        .frame_rate = FRAME_RATE,
    },
    {
        .name = "gif",
        .title = "GIF",
        .media_class = MR_MEDIA_VIDEO,
        .frame_rate = {1, 25},
    },
    {
        .name = "mp3",
        .title = "MP3",
        .media_class = MR_MEDIA_AUDIO,
        .bit_rate = {MR_BIT_RATE_MIN, 320000},
        .sample_rate = {8000, 48000},
        .sample_rates = mp3_rates,
        .channels = {1, 2},
    },
    {
        .name = "aac",
        .title = "AAC",
        .media_class = MR_MEDIA_AUDIO,
        .bit_rate = {MR_BIT_RATE_MIN, 512000},
        .sample_rate = {8000, 96000},
        .sample_rates = aac_rates,
        .channels = {1, 6},
    },
    {
        .name = "vorbis",
        .title = "Vorbis",
        .media_class = MR_MEDIA_AUDIO,
        .bit_rate = {32000, 480000},
        .sample_rate = {8000, 200000},
        .channels = {1, 8},
    },
    {
        .name = "opus",
        .title = "Opus",
        .media_class = MR_MEDIA_AUDIO,
        .bit_rate = {MR_BIT_RATE_MIN, 510000},
        .sample_rate = {48000, 48000},
        .sample_rates = opus_rates,
        .channels = {1, 8},
    },
    {
        .name = "flac",
        .title = "FLAC",
        .media_class = MR_MEDIA_AUDIO,
        .sample_rate = {8000, 192000},
        .channels = {1, 8},
    },
    {
        .name = "alac",
        .title = "ALAC",
        .media_class = MR_MEDIA_AUDIO,
        .sample_rate = {8000, 192000},
        .channels = {1, 8},
    },
    {
        .name = "ac3",
        .title = "AC-3",
        .media_class = MR_MEDIA_AUDIO,
        .bit_rate = {32000, 640000},
        .sample_rate = {32000, 48000},
        .sample_rates = ac3_rates,
        .channels = {1, 6},
    },
    {
        .name = "eac3",
        .title = "E-AC-3",
        .media_class = MR_MEDIA_AUDIO,
        .bit_rate = {32000, 3024000},
        .sample_rate = {32000, 48000},
        .sample_rates = ac3_rates,
        .channels = {1, 6},
    },
    {
        .name = "pcm",
        .title = "PCM, 16 or 24 bits",
        .media_class = MR_MEDIA_AUDIO,
        .sample_rate = {1, INT_MAX},
        .channels = {1, 16},
    },
    {
        .name = "wma",
        .title = "WMA 2",
        .media_class = MR_MEDIA_AUDIO,
        .bit_rate = {24000, 320000},
        .sample_rate = {8000, 48000},
        .channels = {1, 2},
    },
};

enum { FORMATS = sizeof formats / sizeof *formats, CODECS = sizeof codecs / sizeof *codecs };

static bool has_name(const struct mr_format *format, const char *name)
{
    if (strcasecmp(format->name, name) == 0)
        return true;
    for (size_t i = 0; i < sizeof format->aliases / sizeof *format->aliases && format->aliases[i]; i++)
        if (strcasecmp(format->aliases[i], name) == 0)
            return true;
    return false;
}

const struct mr_format *mr_format_find(const char *name)
{
    for (size_t i = 0; name && i < FORMATS; i++)
        if (has_name(&formats[i], name))
            return &formats[i];
    return NULL;
}

const struct mr_format *mr_format_at(size_t index)
{
    return index < FORMATS ? &formats[index] : NULL;
}

static const char *name_at(size_t index)
{
    return index < FORMATS ? formats[index].name : NULL;
}

static const char *name_of(const char *spelled)
{
    const struct mr_format *format = mr_format_find(spelled);
    return format ? format->name : NULL;
}

const struct mr_field_words mr_format_words = {name_at, name_of};

const struct mr_codec *mr_codec_at(size_t index)
{
    return index < CODECS ? &codecs[index] : NULL;
}

const struct mr_codec *mr_codec_find(const char *name)
{
    for (size_t i = 0; name && i < CODECS; i++)
        if (strcmp(codecs[i].name, name) == 0)
            return &codecs[i];
    return NULL;
}

const struct mr_codec *mr_format_codec(const struct mr_format *format, const char *name)
{
    for (const char *const *codec = format->codecs; *codec; codec++)
        if (!name || strcmp(*codec, name) == 0)
            return mr_codec_find(*codec);
    return NULL;
}

const struct mr_codec *mr_format_audio_codec(const struct mr_format *format, const char *name)
{
    return format->media_class == MR_MEDIA_VIDEO ? mr_codec_find(format->audio_codec)
                                                 : mr_format_codec(format, name);
}
