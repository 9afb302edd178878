#include "worker/media/describe.h"

#include "worker/media/geometry.h"
#include "worker/media/muxer_head.h"
#include "worker/media/streams.h"

#include <ctype.h>
#include <libavutil/pixdesc.h>
#include <limits.h>
#include <string.h>

/* A file may hold any number of tags of any length. In bytes of JSON, so that escapes count. */
enum { TAGS_MAX = 64, KEY_MAX = 64, VALUE_MAX = 1000, TAGS_BYTES = 16 << 10, TITLE_MAX = 200 };

static size_t size_of(const json_t *value)
{
    return json_dumpb(value, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY);
}

/* The setters leave out what is not known; json_object_set_new refuses NULL. */
static void set_text(json_t *to, const char *key, const char *text)
{
    if (text && text[0])
        (void)json_object_set_new(to, key, mr_json_text(text));
}

static void set_positive(json_t *to, const char *key, int64_t number)
{
    if (number > 0)
        (void)json_object_set_new(to, key, json_integer(number));
}

static int64_t milliseconds(int64_t us)
{
    return us > 0 ? (us + 500) / 1000 : 0;
}

/* Matroska's covers are attached files; demuxers show those of these codecs as pictures. */
static bool is_attached_picture(const AVCodecParameters *params)
{
    return params->codec_type == AVMEDIA_TYPE_ATTACHMENT &&
           (params->codec_id == AV_CODEC_ID_MJPEG || params->codec_id == AV_CODEC_ID_PNG);
}

static const char *type_of(const AVStream *stream)
{
    if (is_attached_picture(stream->codecpar))
        return "cover";
    if (stream->disposition & (AV_DISPOSITION_ATTACHED_PIC | AV_DISPOSITION_TIMED_THUMBNAILS))
        return "cover";
    const char *name = av_get_media_type_string(stream->codecpar->codec_type);
    return name ? name : "data";
}

static int rotation_of(const AVStream *stream)
{
    enum { MATRIX_SIZE = 9 * sizeof(int32_t) };
    size_t size = 0;
    const uint8_t *matrix = av_stream_get_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, &size);
    return matrix && size >= MATRIX_SIZE ? mr_geometry_degrees((const int32_t *)(const void *)matrix) : 0;
}

static void describe_video(json_t *to, const AVStream *stream)
{
    const AVCodecParameters *params = stream->codecpar;
    AVRational sar =
        stream->sample_aspect_ratio.num > 0 ? stream->sample_aspect_ratio : params->sample_aspect_ratio;
    char ratio[32] = "1:1";
    (void)av_reduce(&sar.num, &sar.den, sar.num, sar.den, INT_MAX);
    if (sar.num > 0 && sar.den > 0)
        snprintf(ratio, sizeof ratio, "%d:%d", sar.num, sar.den);
    set_positive(to, "width", params->width);
    set_positive(to, "height", params->height);
    if (stream->avg_frame_rate.num > 0 && stream->avg_frame_rate.den > 0)
        (void)json_object_set_new(to, "fps", json_real(av_q2d(stream->avg_frame_rate)));
    (void)json_object_set_new(to, "rotation", json_integer(rotation_of(stream)));
    set_text(to, "sample_aspect_ratio", ratio);
    set_text(to, "pixel_format", av_get_pix_fmt_name(params->format));
}

static void describe_audio(json_t *to, const AVStream *stream)
{
    const AVCodecParameters *params = stream->codecpar;
    char layout[64];
    set_positive(to, "sample_rate", params->sample_rate);
    set_positive(to, "channels", params->ch_layout.nb_channels);
    if (av_channel_layout_describe(&params->ch_layout, layout, sizeof layout) > 0)
        set_text(to, "layout", layout);
}

/* Leaves out what is too long. */
static void set_tag(json_t *to, const char *key, const AVDictionary *tags)
{
    const AVDictionaryEntry *entry = av_dict_get(tags, key, NULL, 0);
    json_t *value = entry && entry->value[0] ? json_string(entry->value) : NULL;
    if (value && size_of(value) <= TITLE_MAX)
        (void)json_object_set(to, key, value);
    json_decref(value);
}

static json_t *describe_stream(const AVStream *stream)
{
    const AVCodecParameters *params = stream->codecpar;
    char codec[MR_STREAM_NAME_MAX];
    mr_streams_codec_name(stream, codec);
    json_t *to =
        json_pack("{s:i, s:s, s:s}", "index", stream->index, "type", type_of(stream), "codec", codec);
    if (!to)
        return NULL;
    if (params->codec_type == AVMEDIA_TYPE_VIDEO)
        describe_video(to, stream);
    else if (params->codec_type == AVMEDIA_TYPE_AUDIO)
        describe_audio(to, stream);
    set_tag(to, "language", stream->metadata);
    set_tag(to, "title", stream->metadata);
    return to;
}

/* A demuxer knows what a muxer does not yet. */
static json_t *describe_input_stream(const AVStream *stream)
{
    json_t *to = describe_stream(stream);
    set_positive(to, "bit_rate", stream->codecpar->bit_rate);
    if (stream->duration != AV_NOPTS_VALUE)
        set_positive(to, "duration_ms",
                     milliseconds(av_rescale_q(stream->duration, stream->time_base, AV_TIME_BASE_Q)));
    return to;
}

static json_t *describe_streams(const AVFormatContext *format, json_t *(*describe)(const AVStream *stream))
{
    json_t *streams = json_array();
    for (unsigned i = 0; streams && i < format->nb_streams; i++)
        (void)json_array_append_new(streams, describe(format->streams[i]));
    return streams;
}

/* Some containers (Ogg) keep the file's tags with its first stream. */
static const AVDictionary *tags_of_file(const AVFormatContext *format)
{
    bool with_stream = av_dict_count(format->metadata) == 0 && format->nb_streams > 0;
    return with_stream ? format->streams[0]->metadata : format->metadata;
}

/* Adds the tag, its key in lower case, if it is text and within *room, which shrinks. */
static bool add_tag(json_t *tags, const AVDictionaryEntry *entry, size_t *room)
{
    char key[KEY_MAX + 1];
    size_t len = strlen(entry->key);
    if (len > KEY_MAX || json_object_size(tags) >= TAGS_MAX)
        return false;
    for (size_t i = 0; i <= len; i++)
        key[i] = (char)tolower((unsigned char)entry->key[i]);
    MR_AUTO_JSON json_t *value = json_string(entry->value);
    MR_AUTO_JSON json_t *name = json_string(key);
    if (!value || !name || size_of(value) > VALUE_MAX || size_of(value) + size_of(name) + 2 > *room)
        return false;
    *room -= size_of(value) + size_of(name) + 2;
    return json_object_set(tags, key, value) == 0;
}

static void describe_tags(json_t *to, const AVFormatContext *format)
{
    json_t *tags = json_object();
    const AVDictionaryEntry *entry = NULL;
    const AVDictionary *from = tags_of_file(format);
    size_t room = TAGS_BYTES;
    int64_t left_out = 0;
    while (tags && (entry = av_dict_get(from, "", entry, AV_DICT_IGNORE_SUFFIX)))
        left_out += !add_tag(tags, entry, &room);
    (void)json_object_set_new(to, "tags", tags);
    set_positive(to, "tags_left_out", left_out);
}

static const AVStream *first_of(const AVFormatContext *format, const char *type)
{
    for (unsigned i = 0; i < format->nb_streams; i++)
        if (strcmp(type_of(format->streams[i]), type) == 0)
            return format->streams[i];
    return NULL;
}

/* Keys of the main stream stand at the top, too: programs that know one stream alone look for them there. */
static void describe_main(json_t *to, const AVStream *video, const AVStream *audio)
{
    const AVStream *main = video ? video : audio;
    if (main)
        set_text(to, "codec", avcodec_get_name(main->codecpar->codec_id));
    if (video) {
        set_positive(to, "width", video->codecpar->width);
        set_positive(to, "height", video->codecpar->height);
    }
    if (audio) {
        set_positive(to, "sample_rate", audio->codecpar->sample_rate);
        set_positive(to, "channels", audio->codecpar->ch_layout.nb_channels);
    }
}

/* AAC without a container states neither: libav takes the size of the first frames for that of all. */
static void leave_guesses_out(json_t *streams, const char *container)
{
    size_t i;
    json_t *stream;
    if (strcmp(container, "aac") != 0)
        return;
    json_array_foreach (streams, i, stream) {
        (void)json_object_del(stream, "bit_rate");
        (void)json_object_del(stream, "duration_ms");
    }
}

json_t *mr_describe_input(const struct mr_demuxer *input)
{
    const AVFormatContext *format = input->format;
    char container[32];
    mr_demuxer_container(input, container, sizeof container);
    int64_t us = format->duration != AV_NOPTS_VALUE ? format->duration : 0;
    json_t *to =
        json_pack("{s:s, s:I, s:I, s:I, s:o, s:i}", "container", container, "duration_ms",
                  (json_int_t)milliseconds(us), "size", (json_int_t)input->source->size, "bit_rate",
                  (json_int_t)(format->bit_rate > 0 ? format->bit_rate : 0), "streams",
                  describe_streams(format, describe_input_stream), "chapters", (int)format->nb_chapters);
    if (!to)
        return NULL;
    leave_guesses_out(json_object_get(to, "streams"), container);
    describe_tags(to, format);
    describe_main(to, input->video ? input->video : first_of(format, "video"),
                  input->audio ? input->audio : first_of(format, "audio"));
    return to;
}

/* As comments they are no streams of the muxer's, but players find them behind the others. */
static void describe_comment_covers(const struct mr_muxer *output, json_t *streams)
{
    int index = (int)output->format->nb_streams;
    for (size_t i = 0; streams && i < output->covers.count; i++)
        if (!output->covers.at[i].stream)
            (void)json_array_append_new(streams,
                                        json_pack("{s:i, s:s, s:s}", "index", index++, "type", "cover",
                                                  "codec", avcodec_get_name(output->covers.at[i].codec)));
}

json_t *mr_describe_output(const struct mr_muxer *output, int64_t us)
{
    int64_t size = output->sink.end;
    json_t *streams = describe_streams(output->format, describe_stream);
    describe_comment_covers(output, streams);
    json_t *to = json_pack("{s:s, s:s, s:I, s:I, s:I, s:o}", "format", output->spec->name, "container",
                           output->spec->name, "duration_ms", (json_int_t)milliseconds(us), "bit_rate",
                           (json_int_t)(us > 0 ? av_rescale(size, 8 * 1000000, us) : 0), "size",
                           (json_int_t)size, "streams", streams);
    if (to)
        describe_main(to, output->tracks[MR_SLOT_VIDEO].stream, mr_muxer_audio(output));
    return to;
}
