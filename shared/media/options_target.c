/* What makes sense: options together, and options for a target. */
#include "shared/media/options_internal.h"

#include "shared/base/buf.h"

#include <math.h>
#include <string.h>

enum { PARTS_MAX = 1000, SHAPE_MAX = 10, RATE_MIN = 8000, RATES_TEXT_MAX = 128 };

static const json_t *part(const json_t *options, const char *option, const char *name)
{
    return json_object_get(json_object_get(options, option), name);
}

static enum mr_status bad(struct mr_err *err, const char *option, const char *why)
{
    return mr_fail_code(err, MR_CODE_BAD_OPTION, "options.%s: %s", option, why);
}

/* ---- options together -------------------------------------------------------------------- */

/* The two may not both be there (or be true). */
static const struct {
    const char *one, *other;
} conflicts[] = {{"crf", "bitrate"}, {"loudness", "mute"}, {"sample_rate", "mute"}, {"channels", "mute"}};

static bool is_set(const json_t *options, const char *name)
{
    const json_t *value = json_object_get(options, name);
    return value && !json_is_false(value);
}

static enum mr_status check_conflicts(const json_t *options, struct mr_err *err)
{
    for (size_t i = 0; i < sizeof conflicts / sizeof *conflicts; i++)
        if (is_set(options, conflicts[i].one) && is_set(options, conflicts[i].other))
            return mr_fail_code(err, MR_CODE_BAD_OPTION, "options.%s: not together with options.%s",
                                conflicts[i].one, conflicts[i].other);
    return MR_OK;
}

bool mr_option_aspect(const char *text, int *ret_width, int *ret_height)
{
    int width = 0, height = 0, end = 0;
    if (strspn(text, "0123456789:") != strlen(text) || strlen(text) > 9 ||
        sscanf(text, "%d:%d%n", &width, &height, &end) != 2 || text[end])
        return false;
    if (width < 1 || height < 1 || width > SHAPE_MAX * height || height > SHAPE_MAX * width)
        return false;
    *ret_width = width;
    *ret_height = height;
    return true;
}

/* The sides that are named, or follow from one and the aspect; 0: the file says. */
static void find_sides(const json_t *options, double *ret_width, double *ret_height)
{
    int across = 0, down = 0;
    const char *aspect = json_string_value(part(options, "resize", "aspect"));
    double width = json_number_value(part(options, "resize", "width"));
    double height = json_number_value(part(options, "resize", "height"));
    bool is_shaped = aspect && mr_option_aspect(aspect, &across, &down);
    *ret_width = width > 0 || !is_shaped ? width : height * across / down;
    *ret_height = height > 0 || !is_shaped ? height : width * down / across;
}

enum mr_status mr_options_check_pixels(const json_t *options, int64_t most, struct mr_err *err)
{
    double width, height;
    find_sides(options, &width, &height);
    if (width * height <= (double)most)
        return MR_OK;
    return mr_fail_code(err, MR_CODE_OUT_OF_RANGE,
                        "options.resize.%s: %.0f×%.0f are more than the %lld pixels that a picture may have",
                        part(options, "resize", "width") ? "width" : "height", width, height,
                        (long long)most);
}

/* One side and the aspect say the other, which has bounds, too. */
static enum mr_status check_other_side(const json_t *options, struct mr_err *err)
{
    double wide, high;
    find_sides(options, &wide, &high);
    if (wide <= 0 || high <= 0)
        return MR_OK;
    if (wide >= MR_WIDTH_MIN && wide <= MR_WIDTH_MAX && high >= MR_HEIGHT_MIN && high <= MR_HEIGHT_MAX)
        return MR_OK;
    return mr_fail_code(err, MR_CODE_OUT_OF_RANGE,
                        "options.resize.aspect: it makes %.0f×%.0f pixels, not from %d×%d to %d×%d", wide,
                        high, MR_WIDTH_MIN, MR_HEIGHT_MIN, MR_WIDTH_MAX, MR_HEIGHT_MAX);
}

static enum mr_status check_resize(const json_t *options, struct mr_err *err)
{
    const json_t *width = part(options, "resize", "width"), *height = part(options, "resize", "height");
    const char *aspect = json_string_value(part(options, "resize", "aspect"));
    if (!json_object_get(options, "resize"))
        return MR_OK;
    if (!width && !height && !aspect)
        return bad(err, "resize", "width, height or aspect is needed");
    if (width && height && aspect)
        return bad(err, "resize.aspect", "width and height say it already");
    if (part(options, "resize", "fit") && !aspect && !(width && height))
        return bad(err, "resize.fit",
                   "with width or height alone there is nothing to fit: the aspect is kept");
    return aspect ? check_other_side(options, err) : MR_OK;
}

static enum mr_status check_times(const json_t *options, struct mr_err *err)
{
    const json_t *duration = part(options, "trim", "duration"), *seconds = part(options, "split", "seconds");
    const json_t *logo = json_object_get(options, "logo");
    if (json_object_get(options, "trim") && !duration &&
        json_number_value(part(options, "trim", "start")) <= 0)
        return bad(err, "trim", "duration, or a start later than 0, is needed");
    if (logo && json_number_value(json_object_get(logo, "intro")) <= 0 &&
        json_number_value(json_object_get(logo, "outro")) <= 0)
        return bad(err, "logo", "intro or outro is needed, more than 0");
    if (!duration || !seconds)
        return MR_OK;
    double parts = ceil(json_number_value(duration) / json_number_value(seconds));
    if (parts <= PARTS_MAX)
        return MR_OK;
    return mr_fail_code(err, MR_CODE_OUT_OF_RANGE, "options.split: %.0f parts, and %d are the most", parts,
                        PARTS_MAX);
}

enum mr_status mr_options_check_sense(const json_t *options, struct mr_err *err)
{
    enum mr_status status = check_conflicts(options, err);
    if (status == MR_OK)
        status = check_resize(options, err);
    return status == MR_OK ? check_times(options, err) : status;
}

/* ---- targets ------------------------------------------------------------------------------ */

static const int mp3_rates[] = {8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 0};
static const int aac_rates[] = {8000,  11025, 12000, 16000, 22050, 24000, 32000,
                                44100, 48000, 64000, 88200, 96000, 0};
static const int opus_rates[] = {48000, 0};

/* What may be asked of a codec; 0 where there is nothing to ask for. */
struct codec {
    const char *name;
    int bitrate_min, bitrate_max, crf_max, fps_max; /* bitrate_min 0: as for any */
    bool has_presets;
    int rate_max;     /* Hz */
    const int *rates; /* Hz, in the place of rate_max: all that there are; 0 after the last */
    int channels_max;
};
static const struct codec codecs[] = {
    {.name = "h264", .bitrate_max = MR_BITRATE_MAX, .crf_max = 51, .has_presets = true},
    {.name = "vp9", .bitrate_max = MR_BITRATE_MAX, .crf_max = 63},
    {.name = "mpeg4", .bitrate_max = MR_BITRATE_MAX},
    {.name = "gif", .fps_max = 25},
    {.name = "mp3", .bitrate_max = 320000, .rates = mp3_rates, .channels_max = 2},
    {.name = "aac", .bitrate_max = 512000, .rates = aac_rates, .channels_max = 6},
    {.name = "vorbis", .bitrate_min = 32000, .bitrate_max = 480000, .rate_max = 192000, .channels_max = 8},
    {.name = "opus", .bitrate_max = 510000, .rates = opus_rates, .channels_max = 8},
    {.name = "wma", .bitrate_min = 24000, .bitrate_max = 320000, .rate_max = 48000, .channels_max = 2},
    {.name = "flac", .rate_max = 192000, .channels_max = 8},
    {.name = "pcm", .rate_max = 192000, .channels_max = 8},
};

/* The codecs that `codec` may name, the usual one first; and the sound's in a format with a picture. */
static const struct holder {
    const char *format;
    const char *codecs[4];
    const char *sound;
} holders[] = {
    {"mp3", {"mp3"}, NULL},
    {"aac", {"aac"}, NULL},
    {"m4a", {"aac"}, NULL},
    {"ogg", {"vorbis", "flac"}, NULL},
    {"opus", {"opus"}, NULL},
    {"wav", {"pcm"}, NULL},
    {"flac", {"flac"}, NULL},
    {"wma", {"wma"}, NULL},
    {"mp4", {"h264", "mpeg4"}, "aac"},
    {"mov", {"h264", "mpeg4"}, "aac"},
    {"mkv", {"h264", "vp9", "mpeg4"}, "aac"},
    {"webm", {"vp9"}, "opus"},
    {"avi", {"mpeg4", "h264"}, "mp3"},
    {"gif", {"gif"}, NULL},
};

static const struct codec *find_codec(const char *name)
{
    for (size_t i = 0; name && i < sizeof codecs / sizeof *codecs; i++)
        if (strcmp(codecs[i].name, name) == 0)
            return &codecs[i];
    return NULL;
}

bool mr_option_codec_exists(const char *name)
{
    return find_codec(name) != NULL;
}

static const struct holder *holder_of(const struct mr_format *target)
{
    const struct holder *holder = holders;
    while (strcmp(holder->format, target->name) != 0) /* a test proves that each format is there */
        holder++;
    return holder;
}

const char *mr_option_codec_at(const struct mr_format *target, size_t index)
{
    const struct holder *holder = holder_of(target);
    return index < sizeof holder->codecs / sizeof *holder->codecs ? holder->codecs[index] : NULL;
}

/* ---- options for a target ------------------------------------------------------------------- */

struct aim {
    const json_t *options;
    const char *format;
    bool has_picture;
    const struct codec *codec; /* of the picture, or of the sound where there is none */
    const struct codec *sound; /* NULL: the format has none */
};

static enum mr_status choose_codec(const json_t *options, const struct mr_format *target, struct aim *ret,
                                   struct mr_err *err)
{
    const struct holder *holder = holder_of(target);
    const char *asked = json_string_value(json_object_get(options, "codec"));
    const char *codec = asked ? NULL : holder->codecs[0];
    for (size_t i = 0; asked && !codec && mr_option_codec_at(target, i); i++)
        if (strcmp(mr_option_codec_at(target, i), asked) == 0)
            codec = asked;
    if (!codec)
        return mr_fail_code(err, MR_CODE_BAD_OPTION, "options.codec: %s cannot hold %s here, but %s",
                            target->name, asked, holder->codecs[0]);
    *ret = (struct aim){.options = options,
                        .format = target->name,
                        .has_picture = target->media_class == MR_MEDIA_VIDEO,
                        .codec = find_codec(codec)};
    ret->sound = ret->has_picture ? find_codec(holder->sound) : ret->codec;
    return MR_OK;
}

enum need { PICTURE = 1, SOUND = 2 };
static const struct {
    const char *option;
    unsigned needs;
} needs[] = {
    {"sample_rate", SOUND}, {"channels", SOUND},    {"loudness", SOUND}, {"mute", PICTURE | SOUND},
    {"crf", PICTURE},       {"preset", PICTURE},    {"fps", PICTURE},    {"resize", PICTURE},
    {"logo", PICTURE},      {"thumbnail", PICTURE},
};

static enum mr_status check_needs(const struct aim *aim, struct mr_err *err)
{
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++) {
        bool blind = (needs[i].needs & PICTURE) && !aim->has_picture;
        bool mute = (needs[i].needs & SOUND) && !aim->sound;
        if ((blind || mute) && json_object_get(aim->options, needs[i].option))
            return mr_fail_code(err, MR_CODE_BAD_OPTION, "options.%s: %s has no %s", needs[i].option,
                                aim->format, blind ? "picture" : "sound");
    }
    return MR_OK;
}

/* A number that is there is in these bounds; max 0: the codec does not know such a thing at all. */
static enum mr_status check_bounds(const struct aim *aim, const struct codec *codec, const char *option,
                                   int min, int max, struct mr_err *err)
{
    const json_t *value = json_object_get(aim->options, option);
    if (!value || (max && json_number_value(value) >= min && json_number_value(value) <= max))
        return MR_OK;
    if (!max)
        return mr_fail_code(err, MR_CODE_BAD_OPTION, "options.%s: %s has none", option, codec->name);
    return mr_fail_code(err, MR_CODE_OUT_OF_RANGE, "options.%s: not a number from %d to %d for %s", option,
                        min, max, codec->name);
}

static enum mr_status check_bitrate(const struct aim *aim, struct mr_err *err)
{
    int min = aim->codec->bitrate_min ? aim->codec->bitrate_min : MR_BITRATE_MIN;
    return check_bounds(aim, aim->codec, "bitrate", min, aim->codec->bitrate_max, err);
}

static enum mr_status check_picture(const struct aim *aim, struct mr_err *err)
{
    if (json_object_get(aim->options, "preset") && !aim->codec->has_presets)
        return mr_fail_code(err, MR_CODE_BAD_OPTION, "options.preset: %s has none", aim->codec->name);
    return aim->codec->fps_max ? check_bounds(aim, aim->codec, "fps", 1, aim->codec->fps_max, err) : MR_OK;
}

static enum mr_status check_rate(const struct aim *aim, struct mr_err *err)
{
    const json_t *value = json_object_get(aim->options, "sample_rate");
    const struct codec *sound = aim->sound;
    if (!value || !sound->rates)
        return check_bounds(aim, sound, "sample_rate", RATE_MIN, sound->rate_max, err);
    MR_AUTO(mr_buf) struct mr_buf rates = MR_BUF_INIT(RATES_TEXT_MAX);
    for (const int *rate = sound->rates; *rate; rate++) {
        if (*rate == json_integer_value(value))
            return MR_OK;
        enum mr_status status = mr_buf_appendf(&rates, err, "%s%d", rate == sound->rates ? "" : ", ", *rate);
        if (status != MR_OK)
            return status;
    }
    return mr_fail_code(err, MR_CODE_OUT_OF_RANGE, "options.sample_rate: %s knows %s", sound->name,
                        mr_buf_str(&rates));
}

static enum mr_status check_sound(const struct aim *aim, struct mr_err *err)
{
    enum mr_status status = check_rate(aim, err);
    return status == MR_OK ? check_bounds(aim, aim->sound, "channels", 1, aim->sound->channels_max, err)
                           : status;
}

enum mr_status mr_options_check_target(const json_t *options, const struct mr_format *target,
                                       struct mr_err *err)
{
    struct aim aim = {0};
    enum mr_status status = choose_codec(options, target, &aim, err);
    if (status == MR_OK)
        status = check_needs(&aim, err);
    if (status == MR_OK)
        status = check_bitrate(&aim, err);
    if (status == MR_OK)
        status = check_bounds(&aim, aim.codec, "crf", 0, aim.codec->crf_max, err);
    if (status == MR_OK && aim.has_picture)
        status = check_picture(&aim, err);
    return status == MR_OK && aim.sound ? check_sound(&aim, err) : status;
}
