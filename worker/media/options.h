/*
 * The options of a task as the conversion reads them: numbers in libav's units. Web has checked them
 * (shared/media/options.h); what it cannot have let through is "internal". Read-only after reading.
 */
#ifndef MR_WORKER_MEDIA_OPTIONS_H
#define MR_WORKER_MEDIA_OPTIONS_H

#include "shared/base/err.h"
#include "shared/base/json.h"

#include <libavutil/rational.h>

enum mr_fit { MR_FIT_PAD, MR_FIT_CROP, MR_FIT_STRETCH };

struct mr_media_options {
    int64_t bit_rate; /* of the picture where there is one, else of the sound; 0: not said */
    int sample_rate;  /* Hz; 0: not said */
    int channels;     /* 0: not said */
    bool has_loudness;
    double loudness;   /* LUFS */
    const char *codec; /* NULL: not said; this and preset live as long as the JSON */
    int crf;           /* -1: not said */
    const char *preset;
    AVRational fps; /* 0/1: not said */
    struct {
        int width, height; /* 0: not said */
        AVRational aspect; /* 0/1: not said */
        enum mr_fit fit;
    } resize;
    int64_t trim_start_us;
    int64_t trim_us;  /* length; INT64_MAX: to the end */
    int64_t split_us; /* length of a part; 0: one */
    int64_t intro_us, outro_us;
    int64_t thumbnail_us; /* -1: none */
    int thumbnail_width;  /* 0: the picture's */
    bool mute;
};

/* json NULL or {}: the defaults. */
MR_MUST_CHECK enum mr_status mr_media_options_read(const json_t *json, struct mr_media_options *ret,
                                                   struct mr_err *err);

/* True if the sound, or the picture, cannot stay as it is. */
bool mr_media_options_touch_all(const struct mr_media_options *options);
bool mr_media_options_touch_audio(const struct mr_media_options *options, bool has_video);
bool mr_media_options_resize(const struct mr_media_options *options);
bool mr_media_options_touch_video(const struct mr_media_options *options);

#endif
