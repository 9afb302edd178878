#include "worker/media/options.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { FPS_DENOMINATOR_MAX = 1001 };

static int64_t microseconds(double seconds)
{
    return llround(seconds * 1e6);
}

static enum mr_fit fit_of(const char *word)
{
    return strcmp(word, "crop") == 0      ? MR_FIT_CROP
           : strcmp(word, "stretch") == 0 ? MR_FIT_STRETCH
                                          : MR_FIT_PAD;
}

static bool are_sane(const struct mr_media_options *options)
{
    return options->bit_rate >= 0 && options->sample_rate >= 0 && options->channels >= 0 &&
           options->resize.width >= 0 && options->resize.height >= 0 && options->resize.width <= 16384 &&
           options->resize.height <= 16384 && options->trim_start_us >= 0 && options->trim_us > 0 &&
           options->split_us >= 0 && options->intro_us >= 0 && options->outro_us >= 0 &&
           options->resize.aspect.num >= 0 && options->resize.aspect.den > 0 && options->fps.num >= 0;
}

enum mr_status mr_media_options_read(const json_t *json, struct mr_media_options *ret, struct mr_err *err)
{
    const char *fit = "pad", *aspect = NULL, *codec = NULL, *preset = NULL;
    double loudness = NAN, fps = 0, start = 0, duration = 0, split = 0, intro = 0, outro = 0, at = -1;
    json_int_t bit_rate = 0;
    int rate = 0, channels = 0, crf = -1, width = 0, height = 0, thumbnail_width = 0, mute = 0;
    if (json &&
        json_unpack((json_t *)(uintptr_t)json,
                    "{s?I, s?i, s?i, s?F, s?s, s?i, s?s, s?F, s?{s?i, s?i, s?s, s?s}, s?{s?F, s?F}, s?b, "
                    "s?{s?F}, s?{s?F, s?F}, s?{s?F, s?i}}",
                    "bitrate", &bit_rate, "sample_rate", &rate, "channels", &channels, "loudness", &loudness,
                    "codec", &codec, "crf", &crf, "preset", &preset, "fps", &fps, "resize", "width", &width,
                    "height", &height, "fit", &fit, "aspect", &aspect, "trim", "start", &start, "duration",
                    &duration, "mute", &mute, "split", "seconds", &split, "logo", "intro", &intro, "outro",
                    &outro, "thumbnail", "at", &at, "width", &thumbnail_width) < 0)
        return mr_fail_code(err, MR_CODE_INTERNAL, "the options cannot be read");
    *ret = (struct mr_media_options){
        .bit_rate = bit_rate,
        .sample_rate = rate,
        .channels = channels,
        .has_loudness = !isnan(loudness),
        .loudness = loudness,
        .codec = codec,
        .crf = crf,
        .preset = preset,
        .fps = fps > 0 ? av_d2q(fps, FPS_DENOMINATOR_MAX) : (AVRational){0, 1},
        .resize = {width, height, {0, 1}, fit_of(fit)},
        .trim_start_us = microseconds(start),
        .trim_us = duration > 0 ? microseconds(duration) : INT64_MAX,
        .split_us = microseconds(split),
        .intro_us = microseconds(intro),
        .outro_us = microseconds(outro),
        .thumbnail_us = at >= 0 ? microseconds(at) : -1,
        .thumbnail_width = thumbnail_width,
        .mute = mute,
    };
    if (aspect && sscanf(aspect, "%d:%d", &ret->resize.aspect.num, &ret->resize.aspect.den) != 2)
        ret->resize.aspect = (AVRational){0, 0};
    if (!are_sane(ret))
        return mr_fail_code(err, MR_CODE_INTERNAL, "the options make no sense");
    return MR_OK;
}

bool mr_media_options_touch_all(const struct mr_media_options *options)
{
    return options->trim_start_us || options->trim_us != INT64_MAX || options->split_us ||
           options->intro_us || options->outro_us;
}

bool mr_media_options_touch_audio(const struct mr_media_options *options, bool has_video)
{
    return mr_media_options_touch_all(options) || options->sample_rate || options->channels ||
           options->has_loudness || (!has_video && (options->bit_rate || options->codec));
}

bool mr_media_options_resize(const struct mr_media_options *options)
{
    return options->resize.width || options->resize.height || options->resize.aspect.num;
}

bool mr_media_options_touch_video(const struct mr_media_options *options)
{
    return mr_media_options_touch_all(options) || options->bit_rate || options->codec || options->crf >= 0 ||
           options->preset || options->fps.num || mr_media_options_resize(options);
}
