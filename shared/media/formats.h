/*
 * Formats and codecs: what a task may ask for, and within which limits. One const table of each; web checks
 * requests with them, and the worker encodes by them (worker/media/formats.h adds what libav calls things).
 * docs/guide.md and web/static/openapi.json are printed from them. Read-only; any thread.
 */
#ifndef MR_SHARED_MEDIA_FORMATS_H
#define MR_SHARED_MEDIA_FORMATS_H

#include "shared/base/fields.h"

enum mr_media_class { MR_MEDIA_AUDIO = 1, MR_MEDIA_VIDEO };

enum { MR_CODECS_OF_FORMAT_MAX = 9 };
/* What options may ask of any codec: bits per second, frames per second. */
enum { MR_BIT_RATE_MIN = 8000, MR_BIT_RATE_MAX = 100000000, MR_FRAME_RATE_MAX = 120 };

/* Both included; max 0: the codec has no such setting. */
struct mr_range {
    int min, max;
};

struct mr_codec {
    const char *name;  /* as the option `codec` names it */
    const char *title; /* for people */
    enum mr_media_class media_class;
    int threads; /* that its encoder always makes, as many as have work at once; 0: it needs none */
    struct mr_range bit_rate; /* bits per second */

    struct mr_range rate_factor;      /* constant quality in the place of a bit rate; smaller is better */
    const char *const *speed_presets; /* names, NULL after the last; NULL: none */
    struct mr_range frame_rate;       /* frames per second */

    struct mr_range sample_rate; /* Hz */
    const int *sample_rates;     /* Hz, rising, 0 after the last: the only ones; NULL: any in sample_rate */
    struct mr_range channels;
};

struct mr_format {
    const char *name;       /* the public name, lower case, e.g. "mp3" */
    const char *aliases[3]; /* other spellings that clients send; NULL after the last */
    const char *extension;  /* of a result's file name, without the dot */
    const char *mime;       /* the Content-Type of a result */
    enum mr_media_class media_class;
    /* for the video where the format has it, else for the audio: the usual one first; NULL after the last */
    const char *codecs[MR_CODECS_OF_FORMAT_MAX + 1];
    const char *audio_codec; /* beside video; NULL: none */
};

/* For fields that name a format, in any of its spellings. */
extern const struct mr_field_words mr_format_words;

/* The format of that name or alias, upper or lower case. NULL if there is none (or name is NULL). */
const struct mr_format *mr_format_find(const char *name);

/* Iteration in the table's order: 0, 1, …; NULL past the last. */
const struct mr_format *mr_format_at(size_t index);
const struct mr_codec *mr_codec_at(size_t index);

/* NULL if there is none of that name (or name is NULL). */
const struct mr_codec *mr_codec_find(const char *name);

/* The codec of the format's video, else of its audio: the one of that name, or (NULL) the usual one. NULL if the format
 * cannot hold it. */
const struct mr_codec *mr_format_codec(const struct mr_format *format, const char *name);
/* The codec of the format's audio, where `name` is asked for as above; NULL: it has no audio. */
const struct mr_codec *mr_format_audio_codec(const struct mr_format *format, const char *name);

#endif
