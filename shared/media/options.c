#include "shared/media/options.h"

#include "shared/media/options_internal.h"

#include <stdlib.h>
#include <string.h>

enum { HUNDRED_HOURS = 360000, SHAPE_MAX = 10, TRACKS_TEXT_MAX = 16 };

static const char *codec_name(size_t index)
{
    const struct mr_codec *codec = mr_codec_at(index);
    return codec ? codec->name : NULL;
}

/* All codecs that have some have these. */
static const char *speed_preset(size_t index)
{
    const char *const *preset = mr_codec_find("h264")->speed_presets;
    for (size_t i = 0; preset[i]; i++)
        if (i == index)
            return preset[i];
    return NULL;
}

/* In the order of enum mr_fit. */
static const char *fit(size_t index)
{
    static const char *const fits[] = {"pad", "crop", "stretch"};
    return index < sizeof fits / sizeof *fits ? fits[index] : NULL;
}

/* In the order of enum mr_verify. */
static const char *verification(size_t index)
{
    static const char *const ways[] = {"packets", "decode"};
    return index < sizeof ways / sizeof *ways ? ways[index] : NULL;
}

static const struct mr_field_words codec_words = {codec_name, NULL}, preset_words = {speed_preset, NULL},
                                   fit_words = {fit, NULL}, verify_words = {verification, NULL};

/* "all", "first", or a language by ISO 639: two or three letters, and what may follow them in BCP 47. */
static enum mr_status check_tracks(void *base, const char *path, json_t **value, struct mr_err *err)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    const char *text = json_string_value(*value);
    (void)base;
    size_t len = text ? strspn(text, letters) : 0;
    bool is_word = text && (strcmp(text, "all") == 0 || strcmp(text, "first") == 0);
    if (is_word || ((len == 2 || len == 3) && (!text[len] || text[len] == '-')))
        return MR_OK;
    return mr_fail_code(err, MR_CODE_OUT_OF_RANGE,
                        "%s must be \"all\", \"first\" or a language such as \"de\"", path);
}

#define AT(member)    MR_FIELD_AT(struct mr_options, member)
#define LIMIT(member) .limit = offsetof(struct mr_codec, member)

/* clang-format off */
static const struct mr_field resize_parts[] = {
    {"width", MR_FIELD_INTEGER, AT(resize.width), .min = MR_WIDTH_MIN, .max = MR_WIDTH_MAX, .even = true,
     .meaning = "In pixels."},
    {"height", MR_FIELD_INTEGER, AT(resize.height), .min = MR_HEIGHT_MIN, .max = MR_HEIGHT_MAX, .even = true,
     .meaning = "In pixels."},
    {"aspect", MR_FIELD_RATIO, AT(resize.aspect), .max = SHAPE_MAX,
     .meaning = "Aspect ratio, instead of `width`, `height` or both."},
    {"fit", MR_FIELD_WORD, AT(resize.fit), .words = &fit_words,
     .meaning = "`pad` adds bars (the default), `crop` cuts off what does not fit, `stretch` distorts."},
};
static const struct mr_field trim_parts[] = {
    {"start", MR_FIELD_SECONDS, AT(trim_start_us), .max = HUNDRED_HOURS,
     .meaning = "In seconds."},
    {"duration", MR_FIELD_SECONDS, AT(trim_us), .min = 0.001, .max = HUNDRED_HOURS,
     .meaning = "In seconds; default: to the end."},
};
static const struct mr_field split_parts[] = {
    {"seconds", MR_FIELD_SECONDS, AT(split_us), .min = 1, .max = 3600, .required = true,
     .meaning = "Length of a part, in seconds."},
};
static const struct mr_field logo_parts[] = {
    {"intro", MR_FIELD_SECONDS, AT(intro_us), .max = 10, .meaning = "In seconds, before."},
    {"outro", MR_FIELD_SECONDS, AT(outro_us), .max = 10, .meaning = "In seconds, after."},
};
static const struct mr_field thumbnail_parts[] = {
    {"at", MR_FIELD_SECONDS, AT(thumbnail_us), .max = HUNDRED_HOURS, .required = true,
     .meaning = "In seconds after the start that `trim` leaves."},
    {"width", MR_FIELD_INTEGER, AT(thumbnail_width), .min = 16, .max = 1920,
     .meaning = "In pixels; default: the width of the video."},
};
static const struct mr_field filmstrip_parts[] = {
    {"frames", MR_FIELD_INTEGER, AT(filmstrip_frames), .min = MR_FILMSTRIP_MIN, .max = MR_FILMSTRIP_MAX, .required = true,
     .meaning = "At most so many frames, and at least half as many of video that is long enough."},
    {"width", MR_FIELD_INTEGER, AT(filmstrip_width), .min = 16, .max = 320, .even = true,
     .meaning = "Of a frame, in pixels; default: 160."},
};
static const struct mr_field waveform_parts[] = {
    {"points", MR_FIELD_INTEGER, AT(waveform_points), .min = MR_WAVEFORM_MIN, .max = MR_WAVEFORM_MAX, .required = true,
     .meaning = "At most so many points, and more than half as many of audio that is long enough."},
    {"height", MR_FIELD_INTEGER, AT(waveform_height), .min = 16, .max = 1080,
     .meaning = "Adds a PNG picture, too: `points` wide and so many pixels high, black on transparent."},
};
static const struct mr_field_rows resize = MR_FIELD_ROWS(resize_parts), trim = MR_FIELD_ROWS(trim_parts),
                                  split = MR_FIELD_ROWS(split_parts), logo = MR_FIELD_ROWS(logo_parts),
                                  thumbnail = MR_FIELD_ROWS(thumbnail_parts),
                                  filmstrip = MR_FIELD_ROWS(filmstrip_parts),
                                  waveform = MR_FIELD_ROWS(waveform_parts);

/* "#rrggbb". */
static enum mr_status check_colour(void *base, const char *path, json_t **value, struct mr_err *err)
{
    enum { LENGTH = 7, HEX = 16 };
    struct mr_options *read = base;
    const char *text = json_string_value(*value);
    if (strlen(text) != LENGTH || text[0] != '#' || strspn(text + 1, "0123456789abcdefABCDEF") != LENGTH - 1)
        return mr_fail_code(err, MR_CODE_OUT_OF_RANGE, "%s must be a colour like #ffffff", path);
    read->background = (unsigned)strtoul(text + 1, NULL, HEX);
    return MR_OK;
}

static const struct mr_option options[] = {
    {{"bitrate", MR_FIELD_INTEGER, AT(bit_rate), .min = MR_BIT_RATE_MIN, .max = MR_BIT_RATE_MAX,
      .meaning = "Bits per second, of the video or, in an audio format, of the audio."},
     .changes = MR_OF_MAIN, LIMIT(bit_rate)},
    {{"sample_rate", MR_FIELD_INTEGER, AT(sample_rate), .min = 8000, .max = 192000, .meaning = "In Hz."},
     .needs = MR_OF_AUDIO, .changes = MR_OF_AUDIO, .excludes = "mute", LIMIT(sample_rate)},
    {{"channels", MR_FIELD_INTEGER, AT(channels), .min = 1, .max = 8, .meaning = "Audio channels."},
     .needs = MR_OF_AUDIO, .changes = MR_OF_AUDIO, .excludes = "mute", LIMIT(channels)},
    {{"loudness", MR_FIELD_NUMBER, AT(loudness), .min = -70, .max = -5,
      .meaning = "LUFS: the integrated loudness to reach (EBU R 128), within 0.5 LU and with true peaks up to -1 dBTP. "
                 "If it cannot be reached, the receipt warns: `loudness_missed`, `true_peak_missed`."},
     .needs = MR_OF_AUDIO, .changes = MR_OF_AUDIO, .excludes = "mute"},
    {{"codec", MR_FIELD_WORD, AT(codec), .words = &codec_words,
      .meaning = "Codec of the video or, in an audio format, of the audio."},
     .changes = MR_OF_MAIN},
    {{"crf", MR_FIELD_INTEGER, AT(crf), .min = 0, .max = 63,
      .meaning = "Constant rate factor, instead of `bitrate`: lower means better."},
     .needs = MR_OF_VIDEO, .changes = MR_OF_VIDEO, .excludes = "bitrate", LIMIT(rate_factor)},
    {{"preset", MR_FIELD_WORD, AT(preset), .words = &preset_words,
      .meaning = "Preset of H.264, HEVC and AV1: slower ones make smaller files."},
     .needs = MR_OF_VIDEO, .changes = MR_OF_VIDEO},
    {{"fps", MR_FIELD_NUMBER, AT(fps), .min = 1, .max = MR_FRAME_RATE_MAX, .meaning = "Frames per second."},
     .needs = MR_OF_VIDEO, .changes = MR_OF_VIDEO, LIMIT(frame_rate)},
    {{"resize", MR_FIELD_OBJECT, .parts = &resize,
      .meaning = "With only `width` or `height` the aspect ratio is kept; with both, or with `aspect`, `fit` says how the "
                 "picture gets its new shape."},
     .needs = MR_OF_VIDEO, .changes = MR_OF_VIDEO},
    {{"trim", MR_FIELD_OBJECT, .parts = &trim, .meaning = "Keeps only this part."},
     .changes = MR_OF_AUDIO | MR_OF_VIDEO},
    {{"mute", MR_FIELD_FLAG, AT(mute), .meaning = "True: no audio."}, .needs = MR_OF_AUDIO | MR_OF_VIDEO},
    {{"audio", MR_FIELD_TEXT, AT(audio), .max = TRACKS_TEXT_MAX, .check = check_tracks,
      .meaning = "Which tracks of audio: `all` (the default for video formats, where the format holds several), `first` (the "
                 "one that the file marks) or a language, such as `de` or `deu`."},
     .needs = MR_OF_AUDIO, .excludes = "mute"},
    {{"subtitles", MR_FIELD_TEXT, AT(subtitles), .max = TRACKS_TEXT_MAX, .check = check_tracks,
      .meaning = "Which subtitles: `all` (the default), `first` or a language."},
     .needs = MR_OF_VIDEO},
    {{"split", MR_FIELD_OBJECT, .parts = &split, .meaning = "Splits into parts, each an output; at most 1000."},
     .changes = MR_OF_AUDIO | MR_OF_VIDEO},
    {{"logo", MR_FIELD_OBJECT, .parts = &logo, .meaning = "Shows the logo before and after the video, or each of its parts."},
     .needs = MR_OF_VIDEO, .changes = MR_OF_AUDIO | MR_OF_VIDEO},
    {{"background", MR_FIELD_TEXT, .max = 7, .code = MR_CODE_OUT_OF_RANGE, .check = check_colour,
      .meaning = "Colour like #ffcc00 under transparent pixels, where the output cannot have any; default: white, #ffffff."},
     .needs = MR_OF_VIDEO, .is_preview = true},
    {{"thumbnail", MR_FIELD_OBJECT, .parts = &thumbnail,
      .meaning = "Adds a picture, as the output after the parts."},
     .needs = MR_OF_VIDEO, .is_preview = true},
    {{"filmstrip", MR_FIELD_OBJECT, .parts = &filmstrip,
      .meaning = "Adds frames of the video at equal intervals, as one JPEG picture, and a WebVTT file that says when each is shown "
                 "and where it is in the picture: the previews that players show above their time line."},
     .needs = MR_OF_VIDEO, .is_preview = true},
    {{"waveform", MR_FIELD_OBJECT, .parts = &waveform,
      .meaning = "Adds the lowest and highest sample of each stretch of the audio, to draw it by: JSON as audiowaveform "
                 "writes it (version 2, one channel, 8 bits), which the players wavesurfer.js and Peaks.js read."},
     .needs = MR_OF_AUDIO, .excludes = "mute", .is_preview = true},
    {{"verify", MR_FIELD_WORD, AT(verify), .words = &verify_words,
      .meaning = "How streams that are copied are checked. `packets` (the default): by the sizes, times and checksums of "
                 "their packets, without decoding; the loudness is then not measured. `decode`: all of them are decoded, too."},
     .needs = 0},
};
/* clang-format on */
static const struct mr_field_table table = {.rows = MR_FIELD_LARGER_ROWS(options),
                                            .path = "options",
                                            .noun = "option",
                                            .unknown = MR_CODE_UNKNOWN_OPTION,
                                            .missing = MR_CODE_MISSING_OPTION};

static const struct mr_options defaults = {
    .crf = -1, .trim_us = INT64_MAX, .thumbnail_us = -1, .background = 0xffffff};

enum mr_status mr_options_fill(const json_t *json, struct mr_options *ret, struct mr_err *err)
{
    struct mr_options read = defaults;
    if (json)
        MR_TRY(mr_fields_read(&table, &read, json, err));
    *ret = read;
    return MR_OK;
}

bool mr_option_is_given(const struct mr_options *read, const struct mr_field *field)
{
    const struct mr_field *part;
    if (!field->parts)
        return memcmp((const char *)read + field->offset, (const char *)&defaults + field->offset,
                      field->size) != 0;
    for (size_t i = 0; (part = mr_field_at(field->parts, i)); i++)
        if (mr_option_is_given(read, part))
            return true;
    return false;
}

bool mr_options_change(const struct mr_options *read, unsigned streams, bool has_video)
{
    const struct mr_option *option;
    for (size_t i = 0; (option = mr_option_at(i)); i++) {
        unsigned changes = option->changes;
        if (changes & MR_OF_MAIN)
            changes |= has_video ? MR_OF_VIDEO : MR_OF_AUDIO;
        if ((changes & streams) == streams && mr_option_is_given(read, &option->field))
            return true;
    }
    return false;
}

int mr_options_extras(const struct mr_options *of)
{
    return (of->thumbnail_us >= 0) + (of->filmstrip_frames > 0 ? 2 : 0) + (of->waveform_points > 0) +
           (of->waveform_height > 0);
}

int mr_options_threads(const json_t *json, const struct mr_format *format)
{
    const char *name = json_string_value(json_object_get(json, "codec"));
    const struct mr_codec *codec = format ? mr_format_codec(format, name) : NULL;
    return codec ? codec->threads : 0;
}

int64_t mr_options_clip_us(const struct mr_options *read, int64_t all_us)
{
    int64_t left_us = all_us - read->trim_start_us;
    if (left_us > read->trim_us)
        left_us = read->trim_us;
    return left_us > 0 ? left_us : 0;
}

bool mr_options_resize(const struct mr_options *read)
{
    return read->resize.width || read->resize.height || read->resize.aspect.width;
}

const struct mr_option *mr_option_at(size_t index)
{
    return index < sizeof options / sizeof *options ? &options[index] : NULL;
}

const struct mr_option *mr_option_find(const char *name)
{
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (strcmp(options[i].field.name, name) == 0)
            return &options[i];
    return NULL;
}
