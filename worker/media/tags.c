#include "worker/media/tags.h"

#include "shared/base/utf8.h"
#include "worker/media/id3.h"

#include <ctype.h>
#include <errno.h>
#include <libavutil/mathematics.h>
#include <string.h>
#include <strings.h>

/* A file may hold any number of tags of any length; a tag is a line of text. */
enum { TAGS_MAX = 200, KEY_MAX = 100, VALUE_MAX = 64 * 1024, CHAPTERS_MAX = 999 };

/* What containers write about themselves: not the user's, and wrong in another container. */
static const char *const technical[] = {
    "encoder",
    "major_brand",
    "minor_version",
    "compatible_brands",
    "handler_name",
    "vendor_id",
    "duration",
    "bps",
    "iTunSMPB",
    "alpha_mode",
    "encoder_options",
    "encoder_settings",
    "encodersettings",
    "encoding_settings",
    "encoding_tool",
    "WMFSDKVersion",
    "WMFSDKNeeded",
    "IsVBR",
    "DeviceConformanceTemplate",
    "waveformatextensible_channel_mask",
    NULL,
};
static const char *const technical_prefixes[] = {"NUMBER_OF_", "_STATISTICS_", "METADATA_BLOCK_PICTURE",
                                                 NULL};

static bool is_technical(const char *key)
{
    for (size_t i = 0; technical[i]; i++)
        if (strcasecmp(technical[i], key) == 0)
            return true;
    for (size_t i = 0; technical_prefixes[i]; i++)
        if (strncasecmp(technical_prefixes[i], key, strlen(technical_prefixes[i])) == 0)
            return true;
    return false;
}

static bool is_listed(const char *const *list, const char *key)
{
    for (size_t i = 0; list[i]; i++)
        if (strcasecmp(list[i], key) == 0)
            return true;
    return false;
}

/* What QuickTime's newer metadata call these; a format that has no place for any key may have one for its facts. */
static const struct {
    const char *key, *plain;
} quicktime_keys[] = {
    {"com.apple.quicktime.album", "album"},
    {"com.apple.quicktime.artist", "artist"},
    {"com.apple.quicktime.author", "author"},
    {"com.apple.quicktime.comment", "comment"},
    {"com.apple.quicktime.copyright", "copyright"},
    {"com.apple.quicktime.creationdate", "date"},
    {"com.apple.quicktime.description", "description"},
    {"com.apple.quicktime.genre", "genre"},
    {"com.apple.quicktime.keywords", "keywords"},
    {"com.apple.quicktime.location.ISO6709", "location"},
    {"com.apple.quicktime.make", "make"},
    {"com.apple.quicktime.model", "model"},
    {"com.apple.quicktime.title", "title"},
};

static bool is_lyrics(const char *key)
{
    return strcasecmp(key, "lyrics") == 0 || strcasecmp(key, "unsyncedlyrics") == 0 ||
           strncasecmp(key, MR_ID3_LYRICS, strlen(MR_ID3_LYRICS)) == 0;
}

/* The key under which the format holds the tag; NULL: it has no place for it. */
static const char *key_in(const struct mr_media_format *format, const char *key)
{
    if (!format->has_tags)
        return NULL;
    if (is_lyrics(key) && !format->has_id3)
        key = "lyrics";
    else if (is_lyrics(key) && strncasecmp(key, MR_ID3_LYRICS, strlen(MR_ID3_LYRICS)) != 0)
        key = MR_ID3_LYRICS MR_ID3_NO_LANGUAGE;
    if (!format->tags || is_listed(format->tags, key))
        return key;
    for (size_t i = 0; i < sizeof quicktime_keys / sizeof *quicktime_keys; i++)
        if (strcasecmp(quicktime_keys[i].key, key) == 0 && is_listed(format->tags, quicktime_keys[i].plain))
            return quicktime_keys[i].plain;
    return NULL;
}

/* How loud the audio is, as players that play all titles alike know it. */
static bool is_gain(const char *key)
{
    return strncasecmp(key, "replaygain_", 11) == 0 || strncasecmp(key, "r128_", 5) == 0 ||
           strcasecmp(key, "iTunNORM") == 0;
}

/* Vorbis comments have one field for both. */
static bool is_second_comment(const AVDictionaryEntry *tag, const struct mr_carry *carry)
{
    return carry->format->chapters == MR_CHAPTERS_COMMENT && strcasecmp(tag->key, "description") == 0 &&
           av_dict_get(carry->input->format->metadata, "comment", NULL, 0);
}

/* Muxers take "now" for a time as well. */
static bool is_no_time(const AVDictionaryEntry *tag)
{
    int year, month, day;
    return strcmp(tag->key, "creation_time") == 0 &&
           sscanf(tag->value, "%4d-%2d-%2d", &year, &month, &day) != 3;
}

/* NULL if the tag can be carried over. */
static const char *why_not(const AVDictionaryEntry *tag, const char *key, const struct mr_carry *carry)
{
    if (!key)
        return "the format has no place for it";
    if (is_no_time(tag))
        return "it is no time";
    if (is_second_comment(tag, carry))
        return "the format has one place for it and the comment";
    if (carry->options->loudness < 0 && is_gain(tag->key))
        return "the loudness was changed";
    if (strlen(tag->value) > VALUE_MAX)
        return "it is too long";
    return NULL;
}

static enum mr_status carry_one(const AVDictionaryEntry *tag, const struct mr_carry *carry,
                                AVDictionary **target, struct mr_err *err)
{
    char what[KEY_MAX + 8] = "tag:";
    size_t len = strlen(tag->key);
    if (len == 0 || len > KEY_MAX || is_technical(tag->key) || av_dict_count(*target) >= TAGS_MAX)
        return MR_OK;
    for (size_t i = 0; i < len; i++)
        what[4 + i] = (char)tolower((unsigned char)tag->key[i]);
    const char *key = key_in(carry->format, tag->key);
    const char *reason = why_not(tag, key, carry);
    const AVDictionaryEntry *taken = key ? av_dict_get(*target, key, NULL, 0) : NULL;
    if (!reason && taken && strcmp(taken->value, tag->value) != 0 && strcasecmp(key, tag->key) != 0)
        reason = "the format holds one of them";
    if (reason || taken) {
        if (reason)
            mr_notes_dropped(carry->notes, what, reason);
        return MR_OK;
    }
    int rc = av_dict_set(target, key, tag->value, 0);
    if (rc < 0)
        return mr_av_fail(err, MR_CODE_INTERNAL, rc, "carry the tags over");
    if (carry->claims)
        (void)json_array_append_new(
            carry->claims, json_pack("{s:s, s:s, s:s}", "what", what, "key", key, "value", tag->value));
    return MR_OK;
}

/* What a track is called is no fact of the file, but where a container has no other place for the file's tags. */
static bool is_of_stream(const struct mr_demuxer *input, const char *key)
{
    bool is_ogg = strcmp(input->format->iformat->name, "ogg") == 0;
    return strcasecmp(key, "language") == 0 || (!is_ogg && strcasecmp(key, "title") == 0);
}

static const AVStream *main_of(const struct mr_demuxer *input)
{
    return input->audio ? input->audio : input->video;
}

enum mr_status mr_tags_carry(const struct mr_carry *carry, struct mr_err *err)
{
    const struct mr_demuxer *input = carry->input;
    AVDictionary **target = carry->format->tags_on_stream ? &carry->main->metadata : &carry->output->metadata;
    /* Ogg keeps its tags with the stream, others with the file; where both speak, the file's word counts. */
    const AVDictionary *sources[] = {input->format->metadata, main_of(input)->metadata};
    for (size_t i = 0; i < 2; i++) {
        const AVDictionaryEntry *tag = NULL;
        while ((tag = av_dict_get(sources[i], "", tag, AV_DICT_IGNORE_SUFFIX))) {
            MR_TRY(i == 1 && is_of_stream(input, tag->key) ? MR_OK : carry_one(tag, carry, target, err));
        }
    }
    return MR_OK;
}

/* The part of a chapter that is within the output; false: none of it. */
static bool clip_chapter(const AVChapter *from, int64_t from_us, int64_t length_us, AVChapter *ret)
{
    int64_t start = av_rescale_q(from->start, from->time_base, AV_TIME_BASE_Q) - from_us;
    int64_t end = av_rescale_q(from->end, from->time_base, AV_TIME_BASE_Q) - from_us;
    *ret = (AVChapter){.id = from->id,
                       .time_base = from->time_base,
                       .start = from->start,
                       .end = from->end,
                       .metadata = from->metadata};
    if (from_us == 0 && length_us == INT64_MAX)
        return true;
    if (end <= 0 || start >= length_us)
        return false;
    ret->time_base = AV_TIME_BASE_Q;
    ret->start = FFMAX(start, 0);
    ret->end = FFMIN(end, length_us);
    return true;
}

static int add_chapter(AVFormatContext *output, const AVChapter *from)
{
    AVChapter *chapter = av_mallocz(sizeof *chapter);
    if (!chapter)
        return AVERROR(ENOMEM);
    *chapter = *from;
    chapter->metadata = NULL;
    int rc = av_dict_copy(&chapter->metadata, from->metadata, 0);
    int count = (int)output->nb_chapters;
    if (rc >= 0)
        rc = av_dynarray_add_nofree(&output->chapters, &count, chapter);
    if (rc < 0) {
        av_dict_free(&chapter->metadata);
        av_free(chapter);
        return rc;
    }
    output->nb_chapters = (unsigned)count;
    return 0;
}

/* The chapter extension of Vorbis comments (wiki.xiph.org/Chapter_Extension), one comment for time and name.
 */
static int comment_chapter(AVDictionary **comments, unsigned number, const AVChapter *from)
{
    char key[32], value[32];
    int64_t ms = FFMAX(av_rescale_q(from->start, from->time_base, (AVRational){1, 1000}), 0);
    snprintf(key, sizeof key, "CHAPTER%03u", number);
    snprintf(value, sizeof value, "%02d:%02d:%02d.%03d", (int)(ms / 3600000 % 100), (int)(ms / 60000 % 60),
             (int)(ms / 1000 % 60), (int)(ms % 1000));
    int rc = av_dict_set(comments, key, value, 0);
    const AVDictionaryEntry *title = av_dict_get(from->metadata, "title", NULL, 0);
    snprintf(key, sizeof key, "CHAPTER%03uNAME", number);
    if (rc >= 0 && title && mr_utf8_is_valid(title->value, strlen(title->value)))
        rc = av_dict_set(comments, key, title->value, 0);
    return rc;
}

enum mr_status mr_chapters_carry(const struct mr_demuxer *input, const struct mr_media_format *format,
                                 int64_t from_us, int64_t length_us, AVFormatContext *output, AVStream *main,
                                 struct mr_notes *notes, struct mr_err *err)
{
    unsigned count = input->format->nb_chapters, carried = 0;
    if (count == 0)
        return MR_OK;
    if (format->chapters == MR_CHAPTERS_NONE || count > CHAPTERS_MAX) {
        mr_notes_dropped(notes, "chapters",
                         format->chapters ? "they are too many" : "the format has no place for them");
        return MR_OK;
    }
    AVDictionary **comments = format->tags_on_stream ? &main->metadata : &output->metadata;
    for (unsigned i = 0; i < count; i++) {
        AVChapter chapter;
        if (!clip_chapter(input->format->chapters[i], from_us, length_us, &chapter))
            continue;
        int rc = format->chapters == MR_CHAPTERS_NATIVE ? add_chapter(output, &chapter)
                                                        : comment_chapter(comments, i + 1, &chapter);
        if (rc < 0)
            return mr_av_fail(err, MR_CODE_INTERNAL, rc, "carry the chapters over");
        carried++;
    }
    if (carried)
        mr_notes_kept(notes, "chapters");
    else
        mr_notes_dropped(notes, "chapters", "they are outside the clip");
    return MR_OK;
}
