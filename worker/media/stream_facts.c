#include "worker/media/stream_facts.h"

#include "worker/media/geometry.h"
#include "worker/media/languages.h"
#include "worker/media/streams.h"

#include <errno.h>
#include <libavutil/mastering_display_metadata.h>
#include <libavutil/mathematics.h>
#include <stdlib.h>
#include <string.h>

enum { WHAT_MAX = 96, LANGUAGE_LEN = 3 };

enum language_form { NO_LANGUAGE, ANY_LANGUAGE, THREE_LETTERS, LISTED_LANGUAGE };

#define COMMON_DISPOSITIONS                                                                                  \
    (AV_DISPOSITION_DEFAULT | AV_DISPOSITION_FORCED | AV_DISPOSITION_HEARING_IMPAIRED |                      \
     AV_DISPOSITION_VISUAL_IMPAIRED | AV_DISPOSITION_COMMENT | AV_DISPOSITION_DUB)
#define TEXT_DISPOSITIONS (AV_DISPOSITION_CAPTIONS | AV_DISPOSITION_DESCRIPTIONS)

/* What libav's muxers write and its demuxers read again (movenc.c, matroskaenc.c, avienc.c; tried with 5.1). */
static const struct place {
    const char *muxer;
    enum language_form language;
    bool title;
    int dispositions, text_dispositions;
    bool sphere; /* and stereo */
    bool light;  /* mastering display and content light level */
} places[] = {
    {"mp4", THREE_LETTERS, false, COMMON_DISPOSITIONS | TEXT_DISPOSITIONS, 0, true, true},
    {"ipod", THREE_LETTERS, false, AV_DISPOSITION_DEFAULT, 0, false, false},
    {"3gp", THREE_LETTERS, false, AV_DISPOSITION_DEFAULT, 0, false, false},
    {"mov", LISTED_LANGUAGE, false, AV_DISPOSITION_DEFAULT, 0, false, true},
    {"matroska", ANY_LANGUAGE, true, COMMON_DISPOSITIONS | AV_DISPOSITION_ORIGINAL, TEXT_DISPOSITIONS, true,
     true},
    {"webm", ANY_LANGUAGE, true, AV_DISPOSITION_DEFAULT | AV_DISPOSITION_FORCED, TEXT_DISPOSITIONS, true,
     true},
    {"mpegts", THREE_LETTERS, false, 0, 0, false, false},
    {"avi", NO_LANGUAGE, true, 0, 0, false, false},
};

/* The languages of QuickTime's own list, as libav spells them. */
static const char quicktime[] = "amh ara asm aym aze bel ben tib bul cat ces wel dan ger dzo gre eng epo est "
                                "baq per fin fra grn guj heb hin "
                                "hun arm ind ice ita jav jpn kan kas geo kaz khm kin kir kor kur lao lat lav "
                                "lit mal mar mac mlg mlt mon may "
                                "bur nep dut nor nya ori orm pol por pus que ron run rus san sin slk slv smi "
                                "snd som spa alb swa tam tat tel "
                                "tgk tgl tha tir tuk tur uig ukr urd uzb vie yid chi";

static const struct place *place_of(const char *muxer)
{
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (strcmp(places[i].muxer, muxer) == 0)
            return &places[i];
    return NULL;
}

struct carrier {
    const AVStream *from;
    AVStream *to;
    const struct place *place;
    struct mr_notes *notes;
    bool is_ogg;   /* the stream's tags are the file's (tags.h) */
    char name[32]; /* "audio:1" */
};

static void note(const struct carrier *carrier, const char *fact, const char *why)
{
    char what[WHAT_MAX];
    snprintf(what, sizeof what, "%s.%s", carrier->name, fact);
    if (why)
        mr_notes_dropped(carrier->notes, what, why);
    else
        mr_notes_kept(carrier->notes, what);
}

/* The code of QuickTime's list for a language. False: it has none. */
static bool find_quicktime_code(const char *tag, char code[LANGUAGE_LEN + 1])
{
    for (const char *at = quicktime; *at; at += LANGUAGE_LEN + (at[LANGUAGE_LEN] == ' ')) {
        snprintf(code, LANGUAGE_LEN + 1, "%.3s", at);
        if (mr_language_is(tag, code))
            return true;
    }
    return false;
}

static bool is_three_letters(const char *tag)
{
    return strlen(tag) == LANGUAGE_LEN && strspn(tag, "abcdefghijklmnopqrstuvwxyz") == LANGUAGE_LEN;
}

/* The language as the target spells it; NULL: it cannot. code has room for it. */
static const char *spell(enum language_form form, const char *tag, char code[LANGUAGE_LEN + 1])
{
    switch (form) {
    case ANY_LANGUAGE:
        return tag;
    case THREE_LETTERS:
        return is_three_letters(tag) ? tag : mr_language_three(tag);
    case LISTED_LANGUAGE:
        return find_quicktime_code(tag, code) ? code : NULL;
    default:
        return NULL;
    }
}

static int carry_language(const struct carrier *carrier)
{
    const AVDictionaryEntry *tag = av_dict_get(carrier->from->metadata, "language", NULL, 0);
    if (!tag || !tag->value[0] || strcmp(tag->value, "und") == 0)
        return 0;
    char code[LANGUAGE_LEN + 1];
    const char *spelled = spell(carrier->place->language, tag->value, code);
    note(carrier, "language", spelled ? NULL : "the format has no place for it");
    return spelled ? av_dict_set(&carrier->to->metadata, "language", spelled, 0) : 0;
}

static int carry_title(const struct carrier *carrier)
{
    const AVDictionaryEntry *tag = av_dict_get(carrier->from->metadata, "title", NULL, 0);
    if (!tag || !tag->value[0] || carrier->is_ogg)
        return 0;
    note(carrier, "title", carrier->place->title ? NULL : "the format has no place for it");
    return carrier->place->title ? av_dict_set(&carrier->to->metadata, "title", tag->value, 0) : 0;
}

/* A file with one track of a kind says nothing by marking it. */
static bool is_worth_a_note(const AVStream *stream, int disposition)
{
    return disposition != AV_DISPOSITION_DEFAULT || stream->codecpar->codec_type == AVMEDIA_TYPE_SUBTITLE;
}

static void carry_dispositions(const struct carrier *carrier)
{
    const AVStream *from = carrier->from;
    int held = carrier->place->dispositions, seen = from->disposition & ~AV_DISPOSITION_ATTACHED_PIC;
    if (from->codecpar->codec_type == AVMEDIA_TYPE_SUBTITLE)
        held |= carrier->place->text_dispositions;
    carrier->to->disposition = seen & held;
    for (int i = 0; i < 31; i++) {
        const char *name = seen >> i & 1 ? av_disposition_to_string(1 << i) : NULL;
        if (name && is_worth_a_note(from, 1 << i))
            note(carrier, name, held >> i & 1 ? NULL : "the format has no place for it");
    }
}

static int set_side_data(AVStream *to, enum AVPacketSideDataType type, const void *data, size_t size)
{
    uint8_t *copy = av_stream_new_side_data(to, type, size);
    if (!copy)
        return AVERROR(ENOMEM);
    memcpy(copy, data, size);
    return 0;
}

/* Bars, or a part that was cut out, would change what every point of the picture means. */
static bool has_same_shape(const AVStream *from, const AVStream *to)
{
    const AVCodecParameters *a = from->codecpar, *b = to->codecpar;
    AVRational from_sar =
        from->sample_aspect_ratio.num > 0 ? from->sample_aspect_ratio : a->sample_aspect_ratio;
    AVRational to_sar = b->sample_aspect_ratio.num > 0 ? b->sample_aspect_ratio : (AVRational){1, 1};
    if (from_sar.num <= 0 || from_sar.den <= 0)
        from_sar = (AVRational){1, 1};
    if (a->width <= 0 || a->height <= 0 || b->width <= 0 || b->height <= 0)
        return false;
    double before = av_q2d(from_sar) * a->width / a->height, after = av_q2d(to_sar) * b->width / b->height;
    return after > before * 0.97 && after < before * 1.03;
}

/* why: NULL, or why the data is dropped. */
static int carry_data(const struct carrier *carrier, enum AVPacketSideDataType type, const char *name,
                      const uint8_t *data, size_t size, const char *why)
{
    note(carrier, name, why);
    return why ? 0 : set_side_data(carrier->to, type, data, size);
}

static int carry_sphere(const struct carrier *carrier, bool is_copied)
{
    static const struct {
        enum AVPacketSideDataType type;
        const char *name;
    } kinds[] = {{AV_PKT_DATA_SPHERICAL, "spherical"}, {AV_PKT_DATA_STEREO3D, "stereo_mode"}};
    for (size_t i = 0; i < 2; i++) {
        size_t size = 0;
        const uint8_t *data = av_stream_get_side_data(carrier->from, kinds[i].type, &size);
        if (!data)
            continue;
        const char *why = !carrier->place->sphere ? "the format has no place for it"
                          : !is_copied && !has_same_shape(carrier->from, carrier->to)
                              ? "the frames have another shape now"
                              : NULL;
        int rc = carry_data(carrier, kinds[i].type, kinds[i].name, data, size, why);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* From the container, or from the frames, where a codec says it. */
static int carry_light(const struct carrier *carrier, const struct mr_muxer_track *track)
{
    const struct {
        enum AVPacketSideDataType type;
        const char *name;
        const uint8_t *of_frame;
        size_t size;
    } kinds[] = {
        {AV_PKT_DATA_MASTERING_DISPLAY_METADATA, "mastering_display", track->mastering,
         track->mastering_size},
        {AV_PKT_DATA_CONTENT_LIGHT_LEVEL, "content_light_level", track->light, track->light_size},
    };
    bool is_bright = track->is_copied || mr_geometry_is_hdr(carrier->to->codecpar->color_trc);
    for (size_t i = 0; i < 2; i++) {
        size_t size = 0;
        const uint8_t *data = av_stream_get_side_data(carrier->from, kinds[i].type, &size);
        if (!data) {
            data = kinds[i].of_frame;
            size = kinds[i].size;
        }
        if (!data)
            continue;
        const char *why = !carrier->place->light ? "the format has no place for it"
                          : !is_bright           ? "the tones were mapped to those of an ordinary screen"
                                                 : NULL;
        int rc = carry_data(carrier, kinds[i].type, kinds[i].name, data, size, why);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* Formats whose only place for a language is a tag of the file. */
static int carry_language_as_tag(const struct carrier *carrier, const struct mr_muxer *output)
{
    const struct mr_media_format *spec = output->spec;
    const AVDictionaryEntry *tag = av_dict_get(carrier->from->metadata, "language", NULL, 0);
    bool is_held = spec->has_tags && !mr_media_has_video(spec);
    for (size_t i = 0; is_held && spec->tags; i++) {
        is_held = spec->tags[i];
        if (is_held && strcmp(spec->tags[i], "language") == 0)
            break;
    }
    if (!tag || !tag->value[0] || strcmp(tag->value, "und") == 0)
        return 0;
    note(carrier, "language", is_held ? NULL : "the format has no place for it");
    AVDictionary **tags = spec->tags_on_stream ? &carrier->to->metadata : &output->format->metadata;
    return is_held ? av_dict_set(tags, "language", tag->value, AV_DICT_DONT_OVERWRITE) : 0;
}

int mr_stream_facts_carry(const struct mr_muxer *output, enum mr_slot slot, AVStream *to)
{
    static const struct place nowhere = {.muxer = ""};
    const struct mr_muxer_track *track = &output->tracks[slot];
    const struct place *place = place_of(output->spec->muxer);
    bool is_ogg = strcmp(output->input->format->iformat->name, "ogg") == 0;
    struct carrier carrier = {track->source, to, place ? place : &nowhere, output->notes, is_ogg, ""};
    const char *type = av_get_media_type_string(track->source->codecpar->codec_type);
    snprintf(carrier.name, sizeof carrier.name, "%s:%d", type ? type : "data", track->source->index);
    int rc = place ? carry_language(&carrier) : carry_language_as_tag(&carrier, output);
    if (rc >= 0)
        rc = carry_title(&carrier);
    carry_dispositions(&carrier);
    if (rc >= 0 && slot == MR_SLOT_VIDEO)
        rc = carry_sphere(&carrier, track->is_copied);
    if (rc >= 0 && slot == MR_SLOT_VIDEO)
        rc = carry_light(&carrier, track);
    return rc;
}

bool mr_stream_facts_include(enum AVPacketSideDataType type)
{
    return type == AV_PKT_DATA_SPHERICAL || type == AV_PKT_DATA_STEREO3D ||
           type == AV_PKT_DATA_MASTERING_DISPLAY_METADATA || type == AV_PKT_DATA_CONTENT_LIGHT_LEVEL;
}

bool mr_stream_facts_are_unofficial(const AVFormatContext *output)
{
    for (unsigned i = 0; i < output->nb_streams; i++)
        if (av_stream_get_side_data(output->streams[i], AV_PKT_DATA_SPHERICAL, NULL) ||
            av_stream_get_side_data(output->streams[i], AV_PKT_DATA_STEREO3D, NULL))
            return true;
    return false;
}
