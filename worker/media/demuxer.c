#include "worker/media/demuxer.h"

#include "worker/media/alpha.h"
#include "worker/media/container.h"
#include "worker/media/file_end.h"
#include "worker/media/inputs.h"
#include "worker/media/joined.h"
#include "worker/media/joints.h"
#include "worker/media/lost_covers.h"
#include "worker/media/samples.h"
#include "worker/media/scout.h"
#include "worker/media/streams.h"
#include "worker/media/tag_text.h"

#include <errno.h>
#include <libavutil/avstring.h>
#include <string.h>

/* Packets that are read to find out what a file has are kept in memory, up to this. */
enum { KEPT_BYTES = 48 << 20 };

/* How much too long the length of a live recording may be, beside a tenth. */
enum { SLOPPY_US = 2 * 1000 * 1000 };

#define DAY_US (INT64_C(24) * 3600 * AV_TIME_BASE)

/* 8K as the cinema has it. More pixels would not fit into the sandbox's memory. */
enum { MAX_PIXELS = 8192 * 4320 };

/* What is missing is more than rounding or a sloppy writer: a hundredth. */
static bool is_cut(const struct mr_demuxer *input)
{
    return input->missing_bytes > input->source->size / 100 && !mr_file_end_is_guess(input->source);
}

static enum mr_status count_streams(const AVFormatContext *format, struct mr_err *err)
{
    if (format->nb_streams <= MR_STREAMS_MAX)
        return MR_OK;
    return mr_fail_code(err, MR_CODE_RESOURCE_LIMIT, "the file has %u streams, more than %d",
                        format->nb_streams, MR_STREAMS_MAX);
}

/* Some containers show their streams only while they are read. */
static enum mr_status find_streams(struct mr_demuxer *input, struct mr_err *err)
{
    MR_TRY(count_streams(input->format, err));
    int rc = avformat_find_stream_info(input->format, NULL);
    if (rc < 0)
        return mr_av_fail(err, MR_CODE_INVALID_MEDIA, rc, "the streams of the file cannot be read");
    MR_TRY(mr_lost_covers_add(input->format, input->source, err));
    MR_TRY(mr_tag_text_decode(input->format, err));
    return count_streams(input->format, err);
}

static enum mr_status check_frame_size(const AVCodecParameters *params, int64_t max_pixels,
                                       struct mr_err *err)
{
    if ((int64_t)params->width * params->height <= max_pixels)
        return MR_OK;
    return mr_fail_code(err, MR_CODE_RESOURCE_LIMIT, "the video's frames of %dx%d are too large",
                        params->width, params->height);
}

static enum mr_status open_decoder(AVStream *stream, int64_t max_pixels, AVCodecContext **ret,
                                   struct mr_err *err)
{
    if (!stream)
        return MR_OK;
    const AVCodecParameters *params = stream->codecpar;
    bool is_audio = params->codec_type == AVMEDIA_TYPE_AUDIO;
    const AVCodec *codec = mr_alpha_decoder(stream);
    codec = codec ? codec : mr_inputs_find_decoder(params);
    if (!codec) {
        char name[MR_STREAM_NAME_MAX];
        mr_streams_codec_name(stream, name);
        return mr_fail_code(err, MR_CODE_UNSUPPORTED_CODEC, "%s in %s cannot be decoded",
                            is_audio ? "audio" : "video", name);
    }
    if (!is_audio)
        MR_TRY(check_frame_size(params, max_pixels, err));
    else if (params->sample_rate) /* else the first frame tells it */
        MR_TRY(mr_samples_check_form(params->sample_rate, FFMAX(params->ch_layout.nb_channels, 1), err));
    AVCodecContext *decoder = *ret = avcodec_alloc_context3(codec);
    if (!decoder)
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "open the decoder");
    int rc = avcodec_parameters_to_context(decoder, params);
    decoder->pkt_timebase = stream->time_base;
    decoder->thread_count = 1; /* what several make of damaged frames depends on their number */
    decoder->max_pixels = max_pixels;
    if (rc >= 0)
        rc = avcodec_open2(decoder, codec, NULL);
    return rc < 0 ? mr_av_fail(err, MR_CODE_INVALID_MEDIA, rc, "the %s decoder refuses the file", codec->name)
                  : MR_OK;
}

static enum mr_status open_decoders(struct mr_demuxer *input, int64_t max_pixels, struct mr_err *err)
{
    for (size_t i = 0; i < input->audio_count; i++)
        MR_TRY(open_decoder(input->audios[i].stream, max_pixels, &input->audios[i].decoder, err));
    MR_TRY(open_decoder(input->video, max_pixels, &input->video_decoder, err));
    size_t kept = 0;
    for (size_t i = 0; i < input->text_count; i++) {
        struct mr_input_track text = input->texts[i];
        bool is_copied = mr_streams_is_bitmap(text.stream);
        if (is_copied || open_decoder(text.stream, max_pixels, &text.decoder, NULL) == MR_OK)
            input->texts[kept++] = text;
        else /* no reason to refuse the video */
            input->fates[text.stream->index] = MR_FATE_NO_DECODER, avcodec_free_context(&text.decoder);
    }
    input->text_count = kept;
    return MR_OK;
}

bool mr_demuxer_is_mpeg(const struct mr_demuxer *input)
{
    const char *name = input->format->iformat->name;
    return strcmp(name, "mpegts") == 0 || strcmp(name, "mpeg") == 0;
}

bool mr_demuxer_is_raw(const struct mr_demuxer *input)
{
    return av_match_list(input->format->iformat->name, "wav,w64,aiff,caf,au", ',');
}

/* A text without an end makes the file, and with it every stream whose own length is not known, as long as the
 * largest number of the container. */
static bool is_of_endless_text(const AVFormatContext *format)
{
    bool has_text = false;
    for (unsigned i = 0; i < format->nb_streams; i++)
        has_text |= format->streams[i]->codecpar->codec_type == AVMEDIA_TYPE_SUBTITLE;
    return has_text && format->duration > DAY_US;
}

/* Of the length in MP3 and Matroska only the number of bytes is a proof, where they state it. */
static bool states_lengths(const struct mr_demuxer *input)
{
    const char *name = input->format->iformat->name;
    bool from_end = strcmp(name, "ogg") == 0 || mr_demuxer_is_mpeg(input);
    bool has_proof = strcmp(name, "mp3") == 0 || strcmp(name, "matroska,webm") == 0;
    if (has_proof && input->states_size)
        return false;
    return input->format->duration_estimation_method == AVFMT_DURATION_FROM_STREAM && !from_end;
}

static int64_t length_of(const AVStream *stream)
{
    return stream->duration != AV_NOPTS_VALUE
               ? av_rescale_q(stream->duration, stream->time_base, AV_TIME_BASE_Q)
               : -1;
}

/* Samples without a container are as many as the file has bytes for. A header that states more was written by one who
 * could not know, and left a number that no file has, or by one who guessed; or the file was cut. */
static bool states_too_much(struct mr_demuxer *input)
{
    if (!mr_demuxer_is_raw(input) || !input->audio || input->audio->codecpar->bit_rate <= 0)
        return false;
    const AVCodecParameters *params = input->audio->codecpar;
    int64_t rate = params->bit_rate, size = input->source->size;
    int64_t bytes = av_rescale(FFMAX(input->estimated_us, 0), rate, 8 * 1000000);
    bool is_placeholder = mr_file_end_is_placeholder(bytes, size);
    bool is_exact = av_get_exact_bits_per_sample(params->codec_id) >= 8; /* ADPCM has headers of blocks */
    int64_t more = bytes > size && is_exact ? bytes - size : 0;
    if (!is_placeholder && !more && !input->missing_bytes)
        return false;
    input->missing_bytes = is_placeholder ? 0 : FFMAX(input->missing_bytes, more);
    input->format->duration = input->estimated_us = av_rescale(size, INT64_C(8000000), rate);
    return true;
}

/* A length that libav found by reading timestamps or dividing by a bit rate shrinks with the file: it
 * declares nothing. Neither does the length of a whole video for its audio alone. */
static void read_durations(struct mr_demuxer *input)
{
    AVFormatContext *format = input->format;
    const AVStream *main = input->video ? input->video : input->audio;
    unsigned others = 0;
    for (unsigned i = 0; i < format->nb_streams; i++)
        others +=
            format->streams[i] != main && !(format->streams[i]->disposition & AV_DISPOSITION_ATTACHED_PIC);
    input->video_declared_us = input->estimated_us = input->stated_us = -1;
    if (is_of_endless_text(format))
        return;
    int64_t length = main ? length_of(main) : -1;
    if (length >= 0)
        input->estimated_us = length;
    else if (format->duration != AV_NOPTS_VALUE)
        input->estimated_us = format->duration;
    if (format->duration_estimation_method == AVFMT_DURATION_FROM_STREAM)
        input->stated_us = input->estimated_us;
    if (states_too_much(input))
        return;
    if (!states_lengths(input))
        return;
    /* ASF gives all streams the length of the longest one. */
    bool is_own = length >= 0 && strcmp(format->iformat->name, "asf") != 0;
    int64_t declared = is_own || others == 0 ? input->estimated_us : -1;
    if (strcmp(format->iformat->name, "matroska,webm") == 0) /* a web page wrote it, by its own clock */
        declared = FFMAX(declared - declared / 10 - SLOPPY_US, -1);
    if (input->video)
        input->video_declared_us = declared;
    for (size_t i = 0; i < input->audio_count; i++) {
        int64_t of_stream = is_own ? length_of(input->audios[i].stream) : -1;
        input->audios[i].declared_us = input->video ? of_stream : declared;
    }
}

static void begin_with(struct mr_demuxer *input, const AVStream *stream)
{
    if (!stream || stream->start_time == AV_NOPTS_VALUE)
        return;
    int64_t start = av_rescale_q(stream->start_time, stream->time_base, AV_TIME_BASE_Q);
    if (input->start_us == AV_NOPTS_VALUE || start < input->start_us)
        input->start_us = start;
}

static void read_start(struct mr_demuxer *input)
{
    input->start_us = AV_NOPTS_VALUE;
    begin_with(input, input->video);
    for (size_t i = 0; i < input->audio_count; i++)
        begin_with(input, input->audios[i].stream);
    if (input->start_us == AV_NOPTS_VALUE)
        input->start_us = 0;
}

const int32_t *mr_demuxer_display_matrix(const struct mr_demuxer *input)
{
    enum { MATRIX_SIZE = 9 * sizeof(int32_t) };
    size_t size = 0;
    const uint8_t *data =
        input->video ? av_stream_get_side_data(input->video, AV_PKT_DATA_DISPLAYMATRIX, &size) : NULL;
    return data && size >= MATRIX_SIZE ? (const int32_t *)(const void *)data : NULL;
}

bool mr_demuxer_is_upright(const struct mr_demuxer *input)
{
    const int32_t *matrix = mr_demuxer_display_matrix(input);
    return !matrix || (matrix[0] > 0 && matrix[1] == 0 && matrix[3] == 0 && matrix[4] > 0);
}

/* Finds the streams in a window of any size, and goes back to where the file begins. */
static enum mr_status find_streams_in(struct mr_demuxer *input, const char *name, struct mr_window window,
                                      struct mr_err *err)
{
    MR_TRY(mr_container_open(input, name, &window, err));
    bool keeps = !mr_demuxer_is_mpeg(input); /* whose packets may be read again from any byte */
    if (keeps)
        input->format->probesize = FFMIN(window.bytes, KEPT_BYTES);
    else
        input->format->flags |= AVFMT_FLAG_NOBUFFER;
    MR_TRY(find_streams(input, err));
    input->format->flags &= ~AVFMT_FLAG_NOBUFFER;
    int rc = keeps ? 0 : av_seek_frame(input->format, -1, 0, AVSEEK_FLAG_BYTE);
    return rc < 0 ? mr_av_fail(err, MR_CODE_INVALID_MEDIA, rc, "the file cannot be read again") : MR_OK;
}

/* Looks for audio that the beginning of the file has not shown; what is nowhere in the file has no data. */
static enum mr_status find_late_streams(struct mr_demuxer *input, const char *name, struct mr_err *err)
{
    struct mr_scouted scouted;
    if (!mr_scout_is_needed(input->format))
        return MR_OK;
    MR_TRY(mr_scout(input, name, &scouted, err));
    if (scouted.is_met) {
        avformat_close_input(&input->format);
        MR_TRY(mr_source_rewind(input->source, err));
        MR_TRY(find_streams_in(input, name, scouted.window, err));
    }
    for (unsigned i = 0; i < input->format->nb_streams; i++)
        if (scouted.is_at_end && mr_streams_is_unknown(input->format->streams[i]))
            input->fates[i] = MR_FATE_NO_DATA;
    return MR_OK;
}

enum mr_status mr_demuxer_open(struct mr_demuxer *input, struct mr_source *source, const char *name,
                               const struct mr_selection *selection, int64_t max_pixels, struct mr_err *err)
{
    max_pixels = max_pixels > 0 ? FFMIN(max_pixels, MAX_PIXELS) : MAX_PIXELS;
    int64_t joined = 0;
    mr_file_end_blank(source);
    mr_joints_watch(source);
    MR_TRY(mr_joined_at(source, &joined, err));
    *input = (struct mr_demuxer){.source = source, .joined_bytes = joined ? source->size - joined : 0};
    source->size -= input->joined_bytes;
    mr_joined_watch(source);
    input->missing_bytes = mr_file_end_missing_bytes(source);
    input->states_size = input->missing_bytes >= 0;
    input->missing_bytes = FFMAX(input->missing_bytes, 0);
    if (is_cut(input))
        return mr_container_break_off(input, err);
    MR_TRY(mr_container_open(input, name, &mr_usual_window, err));
    MR_TRY(find_streams(input, err));
    if (selection->wants & (MR_WANT_AUDIO | MR_WANT_AUDIO_IF_ANY))
        MR_TRY(find_late_streams(input, name, err));
    MR_TRY(mr_streams_choose(input, selection, err));
    MR_TRY(open_decoders(input, max_pixels, err));
    read_durations(input);
    read_start(input);
    if (strcmp(input->format->iformat->name, "flac") == 0 && !(input->held = av_packet_alloc()))
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "open the file");
    return MR_OK;
}

/* Where it has lost its place, MPEG-TS looks for it in steps. */
static int read_on(struct mr_demuxer *input, AVPacket *packet)
{
    AVFormatContext *format = input->format;
    int rc;
    int64_t before;
    do {
        before = avio_tell(format->pb);
        rc = av_read_frame(format, packet);
    } while (rc == AVERROR(EAGAIN) && avio_tell(format->pb) > before);
    return rc == AVERROR(EAGAIN) && avio_feof(format->pb) ? AVERROR_EOF : rc;
}

static void swap(AVPacket *one, AVPacket *other)
{
    AVPacket copy = *one;
    *one = *other;
    *other = copy;
}

int mr_demuxer_read(struct mr_demuxer *input, AVPacket *packet)
{
    AVPacket *held = input->held;
    int rc = read_on(input, packet);
    if (!held)
        return rc;
    while (rc >= 0 && (held->size == 0 || (held->size > packet->size &&
                                           memcmp(held->data, packet->data, (size_t)packet->size) == 0))) {
        swap(held, packet);
        av_packet_unref(packet);
        rc = read_on(input, packet);
    }
    if (rc < 0 && held->size == 0)
        return rc;
    swap(held, packet); /* at the end it is empty then */
    return 0;
}

void mr_demuxer_close(struct mr_demuxer *input)
{
    for (size_t i = 0; i < input->audio_count; i++)
        avcodec_free_context(&input->audios[i].decoder);
    for (size_t i = 0; i < input->text_count; i++)
        avcodec_free_context(&input->texts[i].decoder);
    avcodec_free_context(&input->video_decoder);
    av_packet_free(&input->held);
    avformat_close_input(&input->format);
}

void mr_demuxer_container(const struct mr_demuxer *input, char *out, size_t size)
{
    const char *name = input->format->iformat->name;
    snprintf(out, size, "%.*s", (int)strcspn(name, ","), name);
}
