#include "worker/media/streams.h"

#include "worker/media/inputs.h"
#include "worker/media/languages.h"

#include <libavutil/common.h>
#include <string.h>

bool mr_streams_is_cover(const AVStream *stream)
{
    return stream->disposition & (AV_DISPOSITION_ATTACHED_PIC | AV_DISPOSITION_TIMED_THUMBNAILS);
}

bool mr_streams_is_unknown(const AVStream *stream)
{
    const AVCodecParameters *params = stream->codecpar;
    return params->codec_type == AVMEDIA_TYPE_AUDIO &&
           (params->sample_rate <= 0 || params->ch_layout.nb_channels <= 0);
}

bool mr_streams_is_bitmap(const AVStream *stream)
{
    const AVCodecDescriptor *codec = avcodec_descriptor_get(stream->codecpar->codec_id);
    return codec && (codec->props & AV_CODEC_PROP_BITMAP_SUB);
}

void mr_streams_codec_name(const AVStream *stream, char out[MR_STREAM_NAME_MAX])
{
    const AVCodecParameters *params = stream->codecpar;
    if (params->codec_id != AV_CODEC_ID_NONE || !params->codec_tag) {
        snprintf(out, MR_STREAM_NAME_MAX, "%s", avcodec_get_name(params->codec_id));
        return;
    }
    size_t len = 0;
    for (uint32_t tag = params->codec_tag; tag; tag >>= 8) {
        char letter = (char)(tag & 0xff);
        out[len++] = letter > ' ' && letter <= '~' ? letter : '?';
    }
    out[len] = '\0';
}

void mr_streams_name(const AVStream *stream, char out[MR_STREAM_NAME_MAX])
{
    char codec[MR_STREAM_NAME_MAX];
    const char *type = av_get_media_type_string(stream->codecpar->codec_type);
    mr_streams_codec_name(stream, codec);
    snprintf(out, MR_STREAM_NAME_MAX, "%.12s:%d (%.40s)", type ? type : "data", stream->index, codec);
}

/* The fate of a stream that is not one of the best; the texts are the receipt's. */
static const char *const whys[] = {
    [MR_FATE_NONE] = NULL,
    [MR_FATE_TAKEN] = NULL,
    [MR_FATE_NO_DECODER] = "there is no decoder for it",
    [MR_FATE_NO_DATA] = "the file holds no data of it",
    [MR_FATE_LANGUAGE] = "another language was asked for",
    [MR_FATE_NOT_FIRST] = "another one was chosen: the format, or an option, asks for one",
    [MR_FATE_TOO_MANY] = "there are more tracks than a result can hold",
    [MR_FATE_OTHER_PROGRAM] = "it belongs to another program than the video",
    [MR_FATE_BITMAP] = "it is made of pictures, which the format cannot hold and which cannot become text",
    [MR_FATE_TEXT] = "the format holds no subtitles of text",
};

const char *mr_streams_why(const struct mr_demuxer *input, const AVStream *stream)
{
    return stream->index < MR_STREAMS_MAX ? whys[input->fates[stream->index]] : NULL;
}

static bool is_video(const AVStream *stream)
{
    return stream->codecpar->codec_type == AVMEDIA_TYPE_VIDEO && !mr_streams_is_cover(stream);
}

/* The one that can be decoded, that the file marks, that is the largest: in this order. */
static AVStream *best_video(const AVFormatContext *format)
{
    AVStream *best = NULL;
    int64_t best_score = -1;
    for (unsigned i = 0; i < format->nb_streams; i++) {
        AVStream *stream = format->streams[i];
        const AVCodecParameters *params = stream->codecpar;
        if (!is_video(stream))
            continue;
        int64_t score = (int64_t)FFMAX(params->width, 0) * FFMAX(params->height, 0);
        score |= (stream->disposition & AV_DISPOSITION_DEFAULT ? INT64_C(1) : 0) << 60;
        score |= (mr_inputs_find_decoder(params) ? INT64_C(1) : 0) << 61;
        if (score > best_score) {
            best = stream;
            best_score = score;
        }
    }
    return best;
}

/* Audio for people who need more than the usual one is not the first choice. */
static bool is_special(const AVStream *stream)
{
    return stream->disposition & (AV_DISPOSITION_COMMENT | AV_DISPOSITION_HEARING_IMPAIRED |
                                  AV_DISPOSITION_VISUAL_IMPAIRED | AV_DISPOSITION_DESCRIPTIONS);
}

static int64_t score_of(const AVStream *stream)
{
    bool is_default = stream->disposition & AV_DISPOSITION_DEFAULT;
    int64_t score = FFMIN(stream->codecpar->ch_layout.nb_channels, 64);
    score |= (is_special(stream) ? INT64_C(0) : 1) << 10;
    score |= (is_default ? INT64_C(1) : 0) << 11;
    return score | (mr_streams_is_unknown(stream) ? INT64_C(0) : 1) << 12;
}

/* Text that people need to follow the video comes before that for a few scenes alone. */
static int64_t score_of_text(const AVStream *stream)
{
    bool is_default = stream->disposition & AV_DISPOSITION_DEFAULT;
    return (is_default ? 2 : 0) + (stream->disposition & AV_DISPOSITION_FORCED ? 0 : 1);
}

static bool is_in_program_of(const AVFormatContext *format, const AVStream *video, const AVStream *stream)
{
    const AVProgram *program =
        video ? av_find_program_from_stream((AVFormatContext *)(uintptr_t)format, NULL, video->index) : NULL;
    if (!program || format->nb_programs < 2)
        return true;
    for (unsigned i = 0; i < program->nb_stream_indexes; i++)
        if (program->stream_index[i] == (unsigned)stream->index)
            return true;
    return false;
}

static bool is_language(const char *wish)
{
    return wish && strcmp(wish, "all") != 0 && strcmp(wish, "first") != 0;
}

static bool has_language(const AVStream *stream, const char *wish)
{
    const AVDictionaryEntry *tag = av_dict_get(stream->metadata, "language", NULL, 0);
    return !is_language(wish) || mr_language_is(tag ? tag->value : NULL, wish);
}

struct wish {
    enum AVMediaType type;
    const char *option;             /* "all", "first", a language, or NULL */
    size_t max;                     /* tracks that the target holds */
    bool no_text;                   /* of subtitles: the target holds pictures alone, */
    const enum AVCodecID *pictures; /* of these codecs */
};

static bool holds_pictures(const struct wish *wish, enum AVCodecID codec)
{
    for (const enum AVCodecID *at = wish->pictures; at && *at != AV_CODEC_ID_NONE; at++)
        if (*at == codec)
            return true;
    return false;
}

/* MR_FATE_TAKEN for one that could be taken. */
static enum mr_fate judge(const struct mr_demuxer *input, const AVStream *stream, const struct wish *wish)
{
    const AVCodecParameters *params = stream->codecpar;
    bool is_bitmap = mr_streams_is_bitmap(stream);
    if (is_bitmap && !holds_pictures(wish, params->codec_id))
        return MR_FATE_BITMAP;
    if (!is_bitmap && wish->no_text)
        return MR_FATE_TEXT;
    if (!is_bitmap && !mr_inputs_find_decoder(params))
        return MR_FATE_NO_DECODER;
    if (input->fates[stream->index] == MR_FATE_NO_DATA)
        return MR_FATE_NO_DATA;
    if (!is_in_program_of(input->format, input->video, stream))
        return MR_FATE_OTHER_PROGRAM;
    return has_language(stream, wish->option) ? MR_FATE_TAKEN : MR_FATE_LANGUAGE;
}

/* Judges all streams of the type; the best one that can be taken, or NULL. */
static AVStream *find_best(struct mr_demuxer *input, const struct wish *wish)
{
    AVStream *best = NULL;
    int64_t best_score = -1;
    for (unsigned i = 0; i < input->format->nb_streams; i++) {
        AVStream *stream = input->format->streams[i];
        if (stream->codecpar->codec_type != wish->type)
            continue;
        input->fates[i] = judge(input, stream, wish);
        int64_t score = wish->type == AVMEDIA_TYPE_AUDIO ? score_of(stream) : score_of_text(stream);
        if (input->fates[i] == MR_FATE_TAKEN && score > best_score) {
            best = stream;
            best_score = score;
        }
    }
    return best;
}

/* The best one, and as many others in the order of the file as there is room for. Returns their count. */
static size_t collect(struct mr_demuxer *input, const struct wish *wish, const AVStream *best,
                      struct mr_input_track *tracks)
{
    bool takes_one = wish->max == 1 || (wish->option && strcmp(wish->option, "first") == 0);
    size_t count = 0, others = takes_one ? 0 : wish->max - 1;
    for (unsigned i = 0; best && i < input->format->nb_streams; i++) {
        AVStream *stream = input->format->streams[i];
        if (stream->codecpar->codec_type != wish->type || input->fates[i] != MR_FATE_TAKEN)
            continue;
        if (stream == best || others > 0) {
            others -= stream != best;
            tracks[count++] = (struct mr_input_track){.stream = stream, .declared_us = -1};
        } else {
            input->fates[i] = takes_one ? MR_FATE_NOT_FIRST : MR_FATE_TOO_MANY;
        }
    }
    return count;
}

/* Audio that nobody can decode is no reason to make a mute result: the task fails, and says why. */
static enum mr_status nothing_taken(const struct mr_demuxer *input, const struct mr_selection *selection,
                                    struct mr_err *err)
{
    const AVFormatContext *format = input->format;
    char name[MR_STREAM_NAME_MAX];
    bool must = selection->wants & MR_WANT_AUDIO;
    for (unsigned i = 0; i < format->nb_streams; i++) {
        mr_streams_codec_name(format->streams[i], name);
        if (format->streams[i]->codecpar->codec_type != AVMEDIA_TYPE_AUDIO)
            continue;
        if (input->fates[i] == MR_FATE_LANGUAGE)
            return mr_fail_code(err, MR_CODE_BAD_OPTION,
                                "options.audio must be a language of the file's audio; none has \"%s\"",
                                selection->audio);
        if (input->fates[i] == MR_FATE_NO_DECODER)
            return mr_fail_code(err, MR_CODE_UNSUPPORTED_CODEC,
                                "audio in %s cannot be decoded, and the file has no other", name);
        if (input->fates[i] == MR_FATE_NO_DATA && must)
            return mr_fail_code(err, MR_CODE_NO_AUDIO, "the file declares audio (%s) and holds none", name);
    }
    return MR_OK;
}

static enum mr_status nothing_found(const AVFormatContext *format, unsigned wants, struct mr_err *err)
{
    /* A stream of no use: noise that a demuxer took for one. */
    bool has_audio = false, has_video = false;
    for (unsigned i = 0; i < format->nb_streams; i++) {
        has_audio |= format->streams[i]->codecpar->codec_type == AVMEDIA_TYPE_AUDIO;
        has_video |= format->streams[i]->codecpar->codec_type == AVMEDIA_TYPE_VIDEO;
    }
    if ((wants & MR_WANT_VIDEO) && has_audio)
        return mr_fail_code(err, MR_CODE_NO_VIDEO, "the file has no video stream");
    if ((wants & MR_WANT_AUDIO) && has_video && !has_audio)
        return mr_fail_code(err, MR_CODE_NO_AUDIO, "the file has no audio stream");
    return mr_fail_code(err, MR_CODE_INVALID_MEDIA, "the file holds no %s that can be recognized",
                        wants & MR_WANT_VIDEO ? "video" : "audio");
}

static enum mr_status choose_audio(struct mr_demuxer *input, const struct mr_selection *selection,
                                   struct mr_err *err)
{
    const struct wish wish = {.type = AVMEDIA_TYPE_AUDIO,
                              .option = selection->audio,
                              .max = selection->audios_max ? selection->audios_max : 1};
    input->audio = find_best(input, &wish);
    input->audio_count = collect(input, &wish, input->audio, input->audios);
    return input->audio ? MR_OK : nothing_taken(input, selection, err);
}

static bool is_taken(const struct mr_demuxer *input, const AVStream *stream)
{
    bool is_taken = stream == input->video;
    for (size_t i = 0; i < input->audio_count; i++)
        is_taken |= input->audios[i].stream == stream;
    for (size_t i = 0; i < input->text_count; i++)
        is_taken |= input->texts[i].stream == stream;
    return is_taken;
}

enum mr_status mr_streams_choose(struct mr_demuxer *input, const struct mr_selection *selection,
                                 struct mr_err *err)
{
    AVFormatContext *format = input->format;
    unsigned wants = selection->wants;
    if (wants & MR_WANT_VIDEO)
        input->video = best_video(format);
    if ((wants & MR_WANT_VIDEO) && !input->video)
        return nothing_found(format, wants, err);
    if (wants & (MR_WANT_AUDIO | MR_WANT_AUDIO_IF_ANY))
        MR_TRY(choose_audio(input, selection, err));
    if ((wants & MR_WANT_AUDIO) && !input->audio)
        return nothing_found(format, wants, err);
    if (wants & MR_WANT_TEXT_IF_ANY) {
        const struct wish wish = {AVMEDIA_TYPE_SUBTITLE, selection->text, MR_TEXTS_MAX, !selection->has_text,
                                  selection->pictures};
        input->text_count = collect(input, &wish, find_best(input, &wish), input->texts);
    }
    for (unsigned i = 0; i < format->nb_streams; i++)
        if (!is_taken(input, format->streams[i]))
            format->streams[i]->discard = AVDISCARD_ALL;
    return MR_OK;
}
