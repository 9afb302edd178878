#include "worker/media/tags.h"

#include "shared/base/encoding.h"
#include "shared/base/utf8.h"

#include <ctype.h>
#include <errno.h>
#include <libavutil/intreadwrite.h>
#include <libavutil/mathematics.h>
#include <string.h>
#include <strings.h>

/* A file may hold any number of tags of any length; a tag is a line of text. */
enum {
    COVER_MAX = 12 * 1024 * 1024,
    TAGS_MAX = 200,
    KEY_MAX = 100,
    VALUE_MAX = 64 * 1024,
    CHAPTERS_MAX = 999
};

/* What containers write about themselves: not the user's, and wrong in another container. */
static const char *const technical[] = {
    "encoder",
    "major_brand",
    "minor_version",
    "compatible_brands",
    "creation_time",
    "handler_name",
    "vendor_id",
    "duration",
    "bps",
    "iTunSMPB",
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

/* NULL if the tag can be carried over. */
static const char *why_not(const AVDictionaryEntry *tag, const struct mr_media_format *format)
{
    if (!mr_utf8_is_valid(tag->key, strlen(tag->key)) || !mr_utf8_is_valid(tag->value, strlen(tag->value)))
        return "it is not text";
    if (!format->has_tags || (format->tags && !is_listed(format->tags, tag->key)))
        return "the format has no place for it";
    if (strlen(tag->value) > VALUE_MAX)
        return "it is too long";
    return NULL;
}

static enum mr_status carry_one(const AVDictionaryEntry *tag, const struct mr_media_format *format,
                                AVDictionary **target, struct mr_notes *notes, struct mr_err *err)
{
    char what[KEY_MAX + 8] = "tag:";
    size_t len = strlen(tag->key);
    if (len == 0 || len > KEY_MAX || is_technical(tag->key) || av_dict_get(*target, tag->key, NULL, 0) ||
        av_dict_count(*target) >= TAGS_MAX)
        return MR_OK;
    for (size_t i = 0; i < len; i++)
        what[4 + i] = (char)tolower((unsigned char)tag->key[i]);
    const char *reason = why_not(tag, format);
    if (reason) {
        mr_notes_dropped(notes, what, reason);
        return MR_OK;
    }
    int rc = av_dict_set(target, tag->key, tag->value, 0);
    if (rc < 0)
        return mr_av_fail(err, MR_CODE_INTERNAL, rc, "carry the tags over");
    mr_notes_kept(notes, what);
    return MR_OK;
}

static const AVStream *main_of(const struct mr_demuxer *input)
{
    return input->audio ? input->audio : input->video;
}

enum mr_status mr_tags_carry(const struct mr_demuxer *input, const struct mr_media_format *format,
                             AVFormatContext *output, AVStream *main, struct mr_notes *notes,
                             struct mr_err *err)
{
    AVDictionary **target = format->tags_on_stream ? &main->metadata : &output->metadata;
    /* Ogg keeps its tags with the stream, others with the file; where both speak, the file's word counts. */
    const AVDictionary *sources[] = {input->format->metadata, main_of(input)->metadata};
    for (size_t i = 0; i < 2; i++) {
        const AVDictionaryEntry *tag = NULL;
        while ((tag = av_dict_get(sources[i], "", tag, AV_DICT_IGNORE_SUFFIX))) {
            bool of_stream = i == 1 && strcmp(tag->key, "language") == 0;
            MR_TRY(of_stream ? MR_OK : carry_one(tag, format, target, notes, err));
        }
    }
    return MR_OK;
}

static const AVStream *find_cover(const AVFormatContext *format)
{
    for (unsigned i = 0; i < format->nb_streams; i++) {
        const AVStream *stream = format->streams[i];
        if ((stream->disposition & AV_DISPOSITION_ATTACHED_PIC) && stream->attached_pic.size > 0)
            return stream;
    }
    return NULL;
}

static const char *mime_of(enum AVCodecID codec)
{
    return codec == AV_CODEC_ID_MJPEG ? "image/jpeg" : codec == AV_CODEC_ID_PNG ? "image/png" : NULL;
}

static enum mr_status cover_as_stream(const AVStream *cover, AVFormatContext *output, AVStream **ret_stream,
                                      struct mr_err *err)
{
    AVStream *stream = avformat_new_stream(output, NULL);
    int rc = stream ? avcodec_parameters_copy(stream->codecpar, cover->codecpar) : AVERROR(ENOMEM);
    if (rc >= 0)
        rc = av_dict_copy(&stream->metadata, cover->metadata, 0);
    if (rc < 0)
        return mr_av_fail(err, MR_CODE_INTERNAL, rc, "carry the cover art over");
    stream->codecpar->codec_tag = 0;
    stream->time_base = (AVRational){1, 90000};
    stream->disposition = AV_DISPOSITION_ATTACHED_PIC;
    *ret_stream = stream;
    return MR_OK;
}

/* The picture block of FLAC (RFC 9639, section 8.8), as Ogg's comments hold it: in base64. */
static enum mr_status cover_as_comment(const AVStream *cover, AVStream *main, struct mr_err *err)
{
    enum { FIXED = 8 * 4, FRONT_COVER = 3 };
    const AVPacket *image = &cover->attached_pic;
    const char *mime = mime_of(cover->codecpar->codec_id);
    size_t mime_len = strlen(mime), len = FIXED + mime_len + (size_t)image->size;
    uint8_t *block = av_malloc(len);
    if (!block)
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "carry the cover art over");
    uint8_t *at = block;
    AV_WB32(at, FRONT_COVER);
    AV_WB32(at + 4, (uint32_t)mime_len);
    memcpy(at + 8, mime, mime_len);
    at += 8 + mime_len;
    AV_WB32(at, 0); /* no description */
    AV_WB32(at + 4, (uint32_t)cover->codecpar->width);
    AV_WB32(at + 8, (uint32_t)cover->codecpar->height);
    AV_WB32(at + 12, 24); /* bits per pixel */
    AV_WB32(at + 16, 0);  /* no palette */
    AV_WB32(at + 20, (uint32_t)image->size);
    memcpy(at + 24, image->data, (size_t)image->size);
    MR_AUTO_STR char *text = NULL;
    enum mr_status status = mr_base64_encode(block, len, &text, err);
    av_free(block);
    if (status)
        return status;
    int rc = av_dict_set(&main->metadata, "METADATA_BLOCK_PICTURE", text, 0);
    return rc < 0 ? mr_av_fail(err, MR_CODE_INTERNAL, rc, "carry the cover art over") : MR_OK;
}

enum mr_status mr_cover_carry(const struct mr_demuxer *input, const struct mr_media_format *format,
                              AVFormatContext *output, AVStream *main, AVStream **ret_stream,
                              const AVPacket **ret_packet, struct mr_notes *notes, struct mr_err *err)
{
    const AVStream *cover = find_cover(input->format);
    if (!cover)
        return MR_OK;
    const AVCodecParameters *params = cover->codecpar;
    const char *reason = format->cover == MR_COVER_NONE              ? "the format has no place for it"
                         : cover->attached_pic.size > COVER_MAX      ? "the picture is too large"
                         : !mime_of(params->codec_id)                ? "it is neither JPEG nor PNG"
                         : params->width <= 0 || params->height <= 0 ? "the picture cannot be read"
                                                                     : NULL;
    if (reason) {
        mr_notes_dropped(notes, "cover_art", reason);
        return MR_OK;
    }
    MR_TRY(format->cover == MR_COVER_STREAM ? cover_as_stream(cover, output, ret_stream, err)
                                            : cover_as_comment(cover, main, err));
    *ret_packet = &cover->attached_pic;
    mr_notes_kept(notes, "cover_art");
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
