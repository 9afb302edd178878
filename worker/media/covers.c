#include "worker/media/covers.h"

#include "shared/base/encoding.h"
#include "worker/media/picture.h"

#include <errno.h>
#include <libavutil/avstring.h>
#include <libavutil/intreadwrite.h>
#include <string.h>
#include <strings.h>

enum { COVERS_BYTES = 12 * 1024 * 1024 /* all together */, FRONT = 3, WHAT_MAX = 64 };

/* ID3v2's types of pictures, which FLAC has, too (id3v2.4.0-frames, 4.14), as libav calls them. */
static const char *const types[] = {
    "Other",
    "32x32 pixels 'file icon'",
    "Other file icon",
    "Cover (front)",
    "Cover (back)",
    "Leaflet page",
    "Media (e.g. label side of CD)",
    "Lead artist/lead performer/soloist",
    "Artist/performer",
    "Conductor",
    "Band/Orchestra",
    "Composer",
    "Lyricist/text writer",
    "Recording Location",
    "During recording",
    "During performance",
    ("Mov"
     "ie/video screen capture"),
    "A bright coloured fish",
    "Illustration",
    "Band/artist logotype",
    "Publisher/Studio logotype",
};

/* -1: the file does not say. */
static int type_of(const AVStream *stream)
{
    const AVDictionaryEntry *entry = av_dict_get(stream->metadata, "comment", NULL, 0);
    for (size_t i = 0; entry && i < sizeof types / sizeof *types; i++)
        if (strcasecmp(entry->value, types[i]) == 0)
            return (int)i;
    return -1;
}

int mr_covers_set_type(AVStream *stream, unsigned type)
{
    return av_dict_set(&stream->metadata, "comment", types[type < sizeof types / sizeof *types ? type : 0],
                       0);
}

enum AVCodecID mr_covers_codec(const AVStream *stream)
{
    return mr_picture_codec(stream->attached_pic.data, stream->attached_pic.size);
}

static bool is_cover(const AVStream *stream)
{
    return (stream->disposition & AV_DISPOSITION_ATTACHED_PIC) && stream->attached_pic.size > 0;
}

void mr_covers_free(struct mr_covers *covers)
{
    for (size_t i = 0; i < covers->count; i++)
        av_packet_free(&covers->at[i].packet);
    covers->count = 0;
}

static int set_type(AVStream *stream, const struct mr_cover_image *cover, bool is_first)
{
    int rc = av_dict_copy(&stream->metadata, cover->source->metadata, 0);
    if (rc >= 0 && is_first && type_of(stream) < 0)
        rc = av_dict_set(&stream->metadata, "comment", types[FRONT], 0);
    return rc;
}

static int add_stream(const struct mr_carry *carry, struct mr_cover_image *cover, bool is_first)
{
    AVStream *stream = cover->stream = avformat_new_stream(carry->output, NULL);
    int rc = stream ? avcodec_parameters_copy(stream->codecpar, cover->source->codecpar) : AVERROR(ENOMEM);
    if (rc >= 0)
        rc = set_type(stream, cover, is_first);
    if (rc < 0)
        return rc;
    stream->codecpar->codec_id = cover->codec;
    stream->codecpar->codec_tag = 0;
    stream->codecpar->width = cover->width;
    stream->codecpar->height = cover->height;
    stream->time_base = (AVRational){1, 90000};
    stream->disposition = AV_DISPOSITION_ATTACHED_PIC;
    return 0;
}

/* Matroska's covers are attached files of certain names (matroska.org/technical/attachments.html). */
static int add_attachment(const struct mr_carry *carry, struct mr_cover_image *cover, size_t number)
{
    AVStream *stream = cover->stream = avformat_new_stream(carry->output, NULL);
    int size = cover->packet->size;
    uint8_t *data = stream ? av_mallocz((size_t)size + AV_INPUT_BUFFER_PADDING_SIZE) : NULL;
    if (!data)
        return AVERROR(ENOMEM);
    memcpy(data, cover->packet->data, (size_t)size);
    stream->codecpar->codec_type = AVMEDIA_TYPE_ATTACHMENT;
    stream->codecpar->codec_id = cover->codec;
    stream->codecpar->extradata = data;
    stream->codecpar->extradata_size = size;
    char name[32], suffix[16] = "";
    if (number)
        snprintf(suffix, sizeof suffix, "_%zu", number + 1);
    snprintf(name, sizeof name, "cover%s.%s", suffix, cover->codec == AV_CODEC_ID_PNG ? "png" : "jpg");
    int rc = av_dict_set(&stream->metadata, "filename", name, 0);
    return rc < 0 ? rc : av_dict_set(&stream->metadata, "mimetype", mr_picture_mime(cover->codec), 0);
}

/* The picture block of FLAC (RFC 9639, section 8.8). Spaces behind the description make its length 2 modulo 3. */
static uint8_t *make_block(const struct mr_cover_image *cover, bool is_first, size_t *ret_len)
{
    enum { FIXED = 8 * 4, REST = 2 };
    const AVPacket *image = cover->packet;
    const AVDictionaryEntry *title = av_dict_get(cover->source->metadata, "title", NULL, 0);
    const char *mime = mr_picture_mime(cover->codec), *text = title ? title->value : "";
    int type = type_of(cover->source);
    size_t mime_len = strlen(mime), text_len = strlen(text), spaces = 0;
    size_t len = FIXED + mime_len + text_len + (size_t)image->size;
    for (; len % 3 != REST; len++)
        spaces++;
    uint8_t *block = av_malloc(len), *at = block;
    if (!block)
        return NULL;
    AV_WB32(at, (uint32_t)(type >= 0 ? type : is_first ? FRONT : 0));
    AV_WB32(at + 4, (uint32_t)mime_len);
    memcpy(at + 8, mime, mime_len);
    at += 8 + mime_len;
    AV_WB32(at, (uint32_t)(text_len + spaces));
    memcpy(at + 4, text, text_len);
    memset(at + 4 + text_len, ' ', spaces);
    at += text_len + spaces;
    AV_WB32(at + 4, (uint32_t)cover->width);
    AV_WB32(at + 8, (uint32_t)cover->height);
    AV_WB32(at + 12, 24); /* bits per pixel */
    AV_WB32(at + 16, 0);  /* no palette */
    AV_WB32(at + 20, (uint32_t)image->size);
    memcpy(at + 24, image->data, (size_t)image->size);
    *ret_len = len;
    return block;
}

/* Ogg's comments hold such a block in base64. libav writes KEY=VALUE, but each key once only: so the block is part of
 * the key, and its last character, which is "=", the one that libav writes between the two. */
static enum mr_status add_comment(const struct mr_carry *carry, const struct mr_cover_image *cover,
                                  bool is_first, struct mr_err *err)
{
    static const char name[] = "METADATA_BLOCK_PICTURE=";
    MR_AUTO_STR char *coded = NULL;
    size_t len = 0;
    uint8_t *block = make_block(cover, is_first, &len);
    if (!block)
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "carry the cover art over");
    enum mr_status status = mr_base64_encode(block, len, &coded, err);
    av_free(block);
    if (status)
        return status;
    char *key = av_asprintf("%s%.*s", name, (int)strlen(coded) - 1, coded);
    int rc = key ? av_dict_set(&carry->main->metadata, key, "", AV_DICT_DONT_STRDUP_KEY) : AVERROR(ENOMEM);
    return rc < 0 ? mr_av_fail(err, MR_CODE_INTERNAL, rc, "carry the cover art over") : MR_OK;
}

static enum mr_status add(const struct mr_carry *carry, struct mr_covers *covers, struct mr_err *err)
{
    struct mr_cover_image *cover = &covers->at[covers->count];
    bool is_first = covers->count == 0;
    if (carry->format->cover == MR_COVER_COMMENT)
        return add_comment(carry, cover, is_first, err);
    int rc = carry->format->cover == MR_COVER_ATTACHMENT ? add_attachment(carry, cover, covers->count)
                                                         : add_stream(carry, cover, is_first);
    return rc < 0 ? mr_av_fail(err, MR_CODE_INTERNAL, rc, "carry the cover art over") : MR_OK;
}

/* NULL, and *cover, if the picture can be carried over. */
static const char *why_not(const struct mr_carry *carry, const AVStream *stream, int64_t bytes,
                           struct mr_cover_image *cover)
{
    const AVPacket *image = &stream->attached_pic;
    *cover = (struct mr_cover_image){.source = stream,
                                     .codec = mr_covers_codec(stream),
                                     .width = stream->codecpar->width,
                                     .height = stream->codecpar->height};
    (void)!mr_picture_size(image->data, image->size, &cover->width, &cover->height);
    if (carry->format->cover == MR_COVER_NONE)
        return "the format has no place for it";
    if (image->size > COVERS_BYTES - bytes)
        return "the pictures are too large";
    if (cover->codec == AV_CODEC_ID_NONE)
        return "it is no picture of a known format";
    bool is_usual = cover->codec == AV_CODEC_ID_MJPEG || cover->codec == AV_CODEC_ID_PNG;
    if (!is_usual || cover->width <= 0 || cover->height <= 0) {
        cover->packet = mr_picture_to_jpeg(image, cover->codec, &cover->width, &cover->height);
        cover->codec = AV_CODEC_ID_MJPEG;
        return cover->packet ? NULL : "the picture cannot be decoded";
    }
    cover->packet = av_packet_clone(image);
    return cover->packet ? NULL : "memory is short";
}

static enum mr_status carry_one(const struct mr_carry *carry, const AVStream *stream, bool is_only,
                                struct mr_covers *covers, struct mr_err *err)
{
    struct mr_cover_image cover;
    enum AVCodecID from = mr_covers_codec(stream);
    char what[WHAT_MAX] = "cover_art";
    if (!is_only)
        snprintf(what, sizeof what, "cover_art:%d", stream->index);
    const char *reason =
        covers->count == MR_COVERS_MAX ? "there are too many" : why_not(carry, stream, covers->bytes, &cover);
    if (reason) {
        mr_notes_dropped(carry->notes, what, reason);
        return MR_OK;
    }
    covers->at[covers->count] = cover;
    covers->bytes += cover.packet->size;
    enum mr_status status = add(carry, covers, err);
    covers->count++;
    if (from != cover.codec)
        mr_notes_changed(carry->notes, is_only ? "cover_art.codec" : what, avcodec_get_name(from),
                         avcodec_get_name(cover.codec), "players expect JPEG or PNG");
    return status;
}

enum mr_status mr_covers_carry(const struct mr_carry *carry, struct mr_covers *covers, struct mr_err *err)
{
    const AVFormatContext *input = carry->input->format;
    const AVStream *front = NULL; /* players show the first one */
    unsigned all = 0;
    for (unsigned i = 0; i < input->nb_streams; i++) {
        bool is_one = is_cover(input->streams[i]);
        all += is_one;
        if (is_one && !front && type_of(input->streams[i]) == FRONT)
            front = input->streams[i];
    }
    if (front)
        MR_TRY(carry_one(carry, front, all == 1, covers, err));
    for (unsigned i = 0; i < input->nb_streams; i++)
        if (input->streams[i] != front && is_cover(input->streams[i]))
            MR_TRY(carry_one(carry, input->streams[i], all == 1, covers, err));
    return MR_OK;
}

int mr_covers_write(const struct mr_covers *covers, AVFormatContext *output)
{
    int rc = 0;
    for (size_t i = 0; i < covers->count && rc >= 0; i++) {
        const struct mr_cover_image *cover = &covers->at[i];
        if (!cover->stream || cover->stream->codecpar->codec_type == AVMEDIA_TYPE_ATTACHMENT)
            continue;
        MR_AUTO_PACKET AVPacket *packet = av_packet_clone(cover->packet);
        if (!packet)
            return AVERROR(ENOMEM);
        packet->stream_index = cover->stream->index;
        packet->pts = packet->dts = 0;
        packet->pos = -1;
        packet->flags |= AV_PKT_FLAG_KEY;
        rc = av_write_frame(output, packet);
    }
    return rc;
}
