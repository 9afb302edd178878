#include "shared/media/options_internal.h"

#include <string.h>

enum { NAMES_TEXT_MAX = 128 };

/* Options among each other. */

static enum mr_status check_exclusions(const struct mr_options *options, struct mr_err *err)
{
    const struct mr_option *option;
    for (size_t i = 0; (option = mr_option_at(i)); i++)
        if (option->excludes && mr_option_is_given(options, &option->field) &&
            mr_option_is_given(options, &mr_option_find(option->excludes)->field))
            return mr_fail_code(err, MR_CODE_BAD_OPTION, "options.%s cannot be combined with options.%s",
                                option->field.name, option->excludes);
    return MR_OK;
}

/* What an option that is there needs of its parts. */

static bool has_no_size(const struct mr_options *options)
{
    return !mr_options_resize(options);
}

static bool has_two_shapes(const struct mr_options *options)
{
    return options->resize.width && options->resize.height && options->resize.aspect.width;
}

static bool has_nothing_to_fit(const struct mr_options *options)
{
    return options->resize.fit != MR_FIT_NOT_GIVEN && !options->resize.aspect.width &&
           !(options->resize.width && options->resize.height);
}

static bool has_nothing_to_trim(const struct mr_options *options)
{
    return options->trim_us == INT64_MAX && options->trim_start_us == 0;
}

static bool has_no_logo(const struct mr_options *options)
{
    return options->intro_us == 0 && options->outro_us == 0;
}

static const struct {
    const char *option; /* the rule is for requests that hold it */
    const char *field;
    bool (*is_broken)(const struct mr_options *options);
    const char *text;
} rules[] = {
    {"resize", "resize", has_no_size, "needs width, height or aspect"},
    {"resize", "resize.aspect", has_two_shapes, "cannot be combined with both width and height"},
    {"resize", "resize.fit", has_nothing_to_fit, "needs aspect, or both width and height"},
    {"trim", "trim", has_nothing_to_trim, "needs duration, or a start later than 0"},
    {"logo", "logo", has_no_logo, "needs intro or outro, longer than 0"},
};

static enum mr_status check_parts(const struct mr_options *options, const json_t *json, struct mr_err *err)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (json_object_get(json, rules[i].option) && rules[i].is_broken(options))
            return mr_fail_code(err, MR_CODE_BAD_OPTION, "options.%s %s", rules[i].field, rules[i].text);
    return MR_OK;
}

/* The sides that are given, or follow from one and the aspect; 0: the file says. */
static void find_sides(const struct mr_options *options, double *ret_width, double *ret_height)
{
    double width = options->resize.width, height = options->resize.height;
    struct mr_ratio aspect = options->resize.aspect;
    *ret_width = width > 0 || !aspect.width ? width : height * aspect.width / aspect.height;
    *ret_height = height > 0 || !aspect.width ? height : width * aspect.height / aspect.width;
}

enum mr_status mr_options_check_pixels(const struct mr_options *options, int64_t max, struct mr_err *err)
{
    double width, height;
    find_sides(options, &width, &height);
    if (width * height <= (double)max)
        return MR_OK;
    return mr_fail_code(err, MR_CODE_OUT_OF_RANGE,
                        "options.resize.%s makes %.0f×%.0f pixels, more than the %lld that are accepted",
                        options->resize.width ? "width" : "height", width, height, (long long)max);
}

/* One side and the aspect make the other, which has bounds, too. */
static enum mr_status check_sides(const struct mr_options *options, struct mr_err *err)
{
    double width, height;
    find_sides(options, &width, &height);
    if (width <= 0 || height <= 0)
        return MR_OK;
    if (width >= MR_WIDTH_MIN && width <= MR_WIDTH_MAX && height >= MR_HEIGHT_MIN && height <= MR_HEIGHT_MAX)
        return MR_OK;
    return mr_fail_code(err, MR_CODE_OUT_OF_RANGE,
                        "options.resize.aspect makes %.0f×%.0f pixels; it must make %d×%d to %d×%d", width,
                        height, MR_WIDTH_MIN, MR_HEIGHT_MIN, MR_WIDTH_MAX, MR_HEIGHT_MAX);
}

static enum mr_status check_count(const struct mr_options *options, struct mr_err *err)
{
    if (!options->split_us || options->trim_us == INT64_MAX)
        return MR_OK;
    int64_t parts = (options->trim_us + options->split_us - 1) / options->split_us;
    if (parts <= MR_PARTS_MAX)
        return MR_OK;
    return mr_fail_code(err, MR_CODE_OUT_OF_RANGE, "options.split makes %lld parts, more than %d",
                        (long long)parts, MR_PARTS_MAX);
}

static enum mr_status check_rules(const struct mr_options *options, const json_t *json, struct mr_err *err)
{
    MR_TRY(check_exclusions(options, err));
    MR_TRY(check_parts(options, json, err));
    MR_TRY(check_sides(options, err));
    return check_count(options, err);
}

/* Options for a target. */

struct target {
    const struct mr_format *format;
    const struct mr_codec *main;  /* of the video, or of the audio where there is none */
    const struct mr_codec *audio; /* NULL: the format has none */
};

static enum mr_status choose_codecs(const struct mr_options *options, const struct mr_format *format,
                                    struct target *ret, struct mr_err *err)
{
    *ret = (struct target){.format = format,
                           .main = mr_format_codec(format, options->codec),
                           .audio = mr_format_audio_codec(format, options->codec)};
    if (ret->main)
        return MR_OK;
    MR_AUTO(mr_buf) struct mr_buf names = MR_BUF_INIT(NAMES_TEXT_MAX);
    for (const char *const *codec = format->codecs; *codec; codec++)
        MR_TRY(mr_buf_appendf(&names, err, "%s%s", codec == format->codecs ? "" : ", ", *codec));
    return mr_fail_code(err, MR_CODE_BAD_OPTION, "options.codec must be %s%s for %s",
                        format->codecs[1] ? "one of " : "", mr_buf_str(&names), format->name);
}

static enum mr_status check_needs(const struct mr_option *option, const struct target *target,
                                  struct mr_err *err)
{
    bool lacks_video = (option->needs & MR_OF_VIDEO) && target->format->media_class != MR_MEDIA_VIDEO;
    bool lacks_audio = (option->needs & MR_OF_AUDIO) && !target->audio;
    if (!lacks_video && !lacks_audio)
        return MR_OK;
    return mr_fail_code(err, MR_CODE_BAD_OPTION, "options.%s needs a format with %s; %s has none",
                        option->field.name, lacks_video ? "video" : "audio", target->format->name);
}

static enum mr_status check_limit(const struct mr_option *option, const struct mr_codec *codec,
                                  const json_t *value, struct mr_err *err)
{
    const struct mr_range *range = (const void *)((const char *)codec + option->limit);
    if (!range->max)
        return mr_fail_code(err, MR_CODE_BAD_OPTION, "options.%s cannot be used with %s", option->field.name,
                            codec->name);
    if (json_number_value(value) >= range->min && json_number_value(value) <= range->max)
        return MR_OK;
    return mr_fail_code(err, MR_CODE_OUT_OF_RANGE, "options.%s must be a %snumber from %d to %d for %s",
                        option->field.name, option->field.type == MR_FIELD_INTEGER ? "whole " : "",
                        range->min, range->max, codec->name);
}

static enum mr_status check_option(const struct mr_option *option, const struct target *target,
                                   const json_t *value, struct mr_err *err)
{
    MR_TRY(check_needs(option, target, err));
    if (!option->limit)
        return MR_OK;
    return check_limit(option, option->changes & MR_OF_AUDIO ? target->audio : target->main, value, err);
}

static enum mr_status check_preset(const struct mr_options *options, const struct mr_codec *codec,
                                   struct mr_err *err)
{
    if (!options->preset || codec->speed_presets)
        return MR_OK;
    return mr_fail_code(err, MR_CODE_BAD_OPTION, "options.preset cannot be used with %s", codec->name);
}

static enum mr_status check_rate(const struct mr_options *options, const struct mr_codec *codec,
                                 struct mr_err *err)
{
    if (!options->sample_rate || !codec->sample_rates)
        return MR_OK;
    MR_AUTO(mr_buf) struct mr_buf rates = MR_BUF_INIT(NAMES_TEXT_MAX);
    for (const int *rate = codec->sample_rates; *rate; rate++) {
        if (*rate == options->sample_rate)
            return MR_OK;
        MR_TRY(mr_buf_appendf(&rates, err, "%s%d", rate == codec->sample_rates ? "" : ", ", *rate));
    }
    return mr_fail_code(err, MR_CODE_OUT_OF_RANGE, "options.sample_rate must be %s%s for %s",
                        codec->sample_rates[1] ? "one of " : "", mr_buf_str(&rates), codec->name);
}

static enum mr_status check_target(const struct mr_options *options, const json_t *json,
                                   const struct mr_format *format, struct mr_err *err)
{
    struct target target;
    const struct mr_option *option;
    MR_TRY(choose_codecs(options, format, &target, err));
    if (target.audio)
        MR_TRY(check_rate(options, target.audio, err));
    for (size_t i = 0; (option = mr_option_at(i)); i++) {
        const json_t *value = json_object_get(json, option->field.name);
        if (value)
            MR_TRY(check_option(option, &target, value, err));
    }
    return check_preset(options, target.main, err);
}

enum mr_status mr_options_read(const json_t *json, const struct mr_format *target, struct mr_options *ret,
                               struct mr_err *err)
{
    struct mr_options read;
    MR_TRY(mr_options_fill(json, &read, err));
    MR_TRY(check_rules(&read, json, err));
    if (target)
        MR_TRY(check_target(&read, json, target, err));
    *ret = read;
    return MR_OK;
}

enum mr_status mr_options_check(const json_t *json, const struct mr_format *target, struct mr_err *err)
{
    struct mr_options ignored;
    return mr_options_read(json, target, &ignored, err);
}

enum mr_status mr_options_check_probe(const json_t *json, struct mr_err *err)
{
    const struct mr_option *option;
    MR_TRY(mr_options_check(json, NULL, err));
    for (size_t i = 0; (option = mr_option_at(i)); i++)
        if (!option->is_preview && json_object_get(json, option->field.name))
            return mr_fail_code(err, MR_CODE_BAD_OPTION,
                                "options.%s changes a file: a probe takes thumbnail, filmstrip and waveform",
                                option->field.name);
    return MR_OK;
}
