#include "shared/media/formats.h"

#include <string.h>
#include <strings.h>

/* "acc" is the spelling of aac that one of the older systems' clients sends. */
/* clang-format off */
static const struct mr_format formats[] = {
    {"mp3",  {NULL},              "mp3",  "audio/mpeg",             MR_MEDIA_AUDIO},
    {"aac",  {"acc", "adts"},     "aac",  "audio/aac",              MR_MEDIA_AUDIO},
    {"m4a",  {NULL},              "m4a",  "audio/mp4",              MR_MEDIA_AUDIO},
    {"ogg",  {"oga", "vorbis"},   "ogg",  "audio/ogg",              MR_MEDIA_AUDIO},
    {"opus", {NULL},              "opus", "audio/ogg; codecs=opus", MR_MEDIA_AUDIO},
    {"wav",  {"wave"},            "wav",  "audio/wav",              MR_MEDIA_AUDIO},
    {"flac", {NULL},              "flac", "audio/flac",             MR_MEDIA_AUDIO},
    {"wma",  {NULL},              "wma",  "audio/x-ms-wma",         MR_MEDIA_AUDIO},
    {"mp4",  {"m4v"},             "mp4",  "video/mp4",              MR_MEDIA_VIDEO},
    {"mov",  {"qt", "quicktime"}, "mov",  "video/quicktime",        MR_MEDIA_VIDEO},
    {"mkv",  {"matroska"},        "mkv",  "video/x-matroska",       MR_MEDIA_VIDEO},
    {"webm", {NULL},              "webm", "video/webm",             MR_MEDIA_VIDEO},
    {"avi",  {NULL},              "avi",  "video/x-msvideo",        MR_MEDIA_VIDEO},
    {"gif",  {NULL},              "gif",  "image/gif",              MR_MEDIA_VIDEO},
};
/* clang-format on */
enum { FORMATS = sizeof formats / sizeof *formats };

static int has_name(const struct mr_format *format, const char *name)
{
    if (strcasecmp(format->name, name) == 0)
        return 1;
    for (size_t i = 0; i < sizeof format->aliases / sizeof *format->aliases && format->aliases[i]; i++)
        if (strcasecmp(format->aliases[i], name) == 0)
            return 1;
    return 0;
}

const struct mr_format *mr_format_find(const char *name)
{
    for (size_t i = 0; name && i < FORMATS; i++)
        if (has_name(&formats[i], name))
            return &formats[i];
    return NULL;
}

const struct mr_format *mr_format_of_file(const char *file_name)
{
    const char *dot = file_name ? strrchr(file_name, '.') : NULL;
    return dot && !strchr(dot, '/') ? mr_format_find(dot + 1) : NULL;
}

const struct mr_format *mr_format_at(size_t index)
{
    return index < FORMATS ? &formats[index] : NULL;
}
