/* What options there are, their types and bounds: mr_options_check. What makes sense for which target is
 * options_target.c's. */
#include "shared/media/options.h"

#include "shared/base/encoding.h"
#include "shared/media/options_internal.h"

#include <stdio.h>
#include <string.h>

enum { PATH_SIZE = 64, QUOTE_MAX = 60, HUNDRED_HOURS = 360000 };

enum type { INTEGER, NUMBER, FLAG, WORD, CODEC, RATIO, OBJECT };

struct rule {
    const char *name;
    enum type type;
    double min, max;          /* of a number, both included */
    bool even;                /* of a whole number: colour is kept for two pixels by two */
    const char *const *words; /* of a word; NULL after the last */
    const struct rule *parts; /* of an object; a rule without a name after the last */
    bool required;            /* in its object */
};

static const char *const fits[] = {"pad", "crop", "stretch", NULL};
static const char *const x264_presets[] = {"ultrafast", "superfast", "veryfast", "faster",   "fast",
                                           "medium",    "slow",      "slower",   "veryslow", NULL};

/* clang-format off */
static const struct rule resize_parts[] = {
    {.name = "width", .type = INTEGER, .min = MR_WIDTH_MIN, .max = MR_WIDTH_MAX, .even = true},
    {.name = "height", .type = INTEGER, .min = MR_HEIGHT_MIN, .max = MR_HEIGHT_MAX, .even = true},
    {.name = "aspect", .type = RATIO},
    {.name = "fit", .type = WORD, .words = fits},
    {.name = NULL},
};
static const struct rule trim_parts[] = {
    {.name = "start", .type = NUMBER, .min = 0, .max = HUNDRED_HOURS},
    {.name = "duration", .type = NUMBER, .min = 0.001, .max = HUNDRED_HOURS},
    {.name = NULL},
};
static const struct rule split_parts[] = {
    {.name = "seconds", .type = NUMBER, .min = 1, .max = 3600, .required = true},
    {.name = NULL},
};
static const struct rule logo_parts[] = {
    {.name = "intro", .type = NUMBER, .min = 0, .max = 10},
    {.name = "outro", .type = NUMBER, .min = 0, .max = 10},
    {.name = NULL},
};
static const struct rule thumbnail_parts[] = {
    {.name = "at", .type = NUMBER, .min = 0, .max = HUNDRED_HOURS, .required = true},
    {.name = "width", .type = INTEGER, .min = 16, .max = 1920},
    {.name = NULL},
};
static const struct rule rules[] = {
    {.name = "bitrate", .type = INTEGER, .min = MR_BITRATE_MIN, .max = MR_BITRATE_MAX},
    {.name = "sample_rate", .type = INTEGER, .min = 8000, .max = 192000},
    {.name = "channels", .type = INTEGER, .min = 1, .max = 8},
    {.name = "loudness", .type = NUMBER, .min = -70, .max = -5},
    {.name = "codec", .type = CODEC},
    {.name = "crf", .type = INTEGER, .min = 0, .max = 63},
    {.name = "preset", .type = WORD, .words = x264_presets},
    {.name = "fps", .type = NUMBER, .min = 1, .max = 120},
    {.name = "resize", .type = OBJECT, .parts = resize_parts},
    {.name = "trim", .type = OBJECT, .parts = trim_parts},
    {.name = "mute", .type = FLAG},
    {.name = "split", .type = OBJECT, .parts = split_parts},
    {.name = "logo", .type = OBJECT, .parts = logo_parts},
    {.name = "thumbnail", .type = OBJECT, .parts = thumbnail_parts},
    {.name = NULL},
};
/* clang-format on */

/* ---- one value ------------------------------------------------------------------------- */

static enum mr_status check_number(const struct rule *rule, const char *path, const json_t *value,
                                   struct mr_err *err)
{
    if (rule->type == INTEGER ? !json_is_integer(value) : !json_is_number(value))
        return mr_fail_code(err, MR_CODE_WRONG_TYPE, "%s: it must be a %snumber", path,
                            rule->type == INTEGER ? "whole " : "");
    double number = json_number_value(value);
    if (number >= rule->min && number <= rule->max && !(rule->even && json_integer_value(value) % 2))
        return MR_OK;
    return mr_fail_code(err, MR_CODE_OUT_OF_RANGE, "%s: not a%s number from %.15g to %.15g", path,
                        rule->even ? "n even" : "", rule->min, rule->max);
}

static enum mr_status check_flag(const struct rule *rule, const char *path, const json_t *value,
                                 struct mr_err *err)
{
    (void)rule;
    if (json_is_boolean(value))
        return MR_OK;
    return mr_fail_code(err, MR_CODE_WRONG_TYPE, "%s: it must be true or false", path);
}

static enum mr_status needs_text(const char *path, const json_t *value, struct mr_err *err)
{
    if (json_is_string(value))
        return MR_OK;
    return mr_fail_code(err, MR_CODE_WRONG_TYPE, "%s: it must be a string", path);
}

static enum mr_status check_word(const struct rule *rule, const char *path, const json_t *value,
                                 struct mr_err *err)
{
    enum mr_status status = needs_text(path, value, err);
    if (status != MR_OK)
        return status;
    MR_AUTO(mr_buf) struct mr_buf all = MR_BUF_INIT(200);
    for (const char *const *word = rule->words; *word; word++) {
        if (strcmp(json_string_value(value), *word) == 0)
            return MR_OK;
        status = mr_buf_appendf(&all, err, "%s%s", word == rule->words ? "" : ", ", *word);
        if (status != MR_OK)
            return status;
    }
    return mr_fail_code(err, MR_CODE_OUT_OF_RANGE, "%s: none of %s", path, mr_buf_str(&all));
}

static enum mr_status check_codec(const struct rule *rule, const char *path, const json_t *value,
                                  struct mr_err *err)
{
    (void)rule;
    enum mr_status status = needs_text(path, value, err);
    if (status != MR_OK || mr_option_codec_exists(json_string_value(value)))
        return status;
    return mr_fail_code(err, MR_CODE_OUT_OF_RANGE, "%s: there is no codec `%.*s`", path,
                        (int)mr_utf8_prefix(json_string_value(value), QUOTE_MAX), json_string_value(value));
}

static enum mr_status check_ratio(const struct rule *rule, const char *path, const json_t *value,
                                  struct mr_err *err)
{
    (void)rule;
    int width, height;
    enum mr_status status = needs_text(path, value, err);
    if (status != MR_OK || mr_option_aspect(json_string_value(value), &width, &height))
        return status;
    return mr_fail_code(err, MR_CODE_OUT_OF_RANGE,
                        "%s: not two whole numbers like 16:9, and not from 1:10 to 10:1", path);
}

static enum mr_status check_object(const struct rule *rule, const char *path, const json_t *value,
                                   struct mr_err *err);

static enum mr_status check_value(const struct rule *rule, const char *path, const json_t *value,
                                  struct mr_err *err)
{
    static enum mr_status (*const checks[])(const struct rule *rule, const char *path, const json_t *value,
                                            struct mr_err *err) = {
        [INTEGER] = check_number, [NUMBER] = check_number, [FLAG] = check_flag,    [WORD] = check_word,
        [CODEC] = check_codec,    [RATIO] = check_ratio,   [OBJECT] = check_object};
    return checks[rule->type](rule, path, value, err);
}

/* ---- objects --------------------------------------------------------------------------- */

static const struct rule *find(const struct rule *parts, const char *name)
{
    for (; parts->name; parts++)
        if (strcmp(parts->name, name) == 0)
            return parts;
    return NULL;
}

static enum mr_status check_required(const struct rule *parts, const char *path, const json_t *object,
                                     struct mr_err *err)
{
    for (; parts->name; parts++)
        if (parts->required && !json_object_get(object, parts->name))
            return mr_fail_code(err, MR_CODE_MISSING_OPTION, "%s.%s: it is needed", path, parts->name);
    return MR_OK;
}

/* Recursion is as deep as the table: two levels. */
static enum mr_status check_object(const struct rule *rule, const char *path, const json_t *value,
                                   struct mr_err *err)
{
    if (!json_is_object(value))
        return mr_fail_code(err, MR_CODE_WRONG_TYPE, "%s: it must be a JSON object", path);
    const char *name;
    json_t *part;
    json_object_foreach ((json_t *)(uintptr_t)value, name, part) {
        char part_path[PATH_SIZE];
        const struct rule *part_rule = find(rule->parts, name);
        if (!part_rule)
            return mr_fail_code(err, MR_CODE_UNKNOWN_OPTION, "%s.%.*s: there is no such option", path,
                                (int)mr_utf8_prefix(name, QUOTE_MAX), name);
        snprintf(part_path, sizeof part_path, "%s.%s", path, name);
        enum mr_status status = check_value(part_rule, part_path, part, err);
        if (status != MR_OK)
            return status;
    }
    return check_required(rule->parts, path, value, err);
}

enum mr_status mr_options_check(const json_t *options, const struct mr_format *target, struct mr_err *err)
{
    static const struct rule root = {.name = "options", .type = OBJECT, .parts = rules};
    if (!options)
        return MR_OK;
    enum mr_status status = check_object(&root, root.name, options, err);
    if (status == MR_OK)
        status = mr_options_check_sense(options, err);
    return status == MR_OK && target ? mr_options_check_target(options, target, err) : status;
}
