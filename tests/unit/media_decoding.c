#include "tests/unit/media_fixture.h"

#include <libavcodec/avcodec.h>
#include <libavfilter/avfilter.h>
#include <libavfilter/buffersink.h>
#include <libavfilter/buffersrc.h>
#include <libavformat/avformat.h>
#include <libavutil/channel_layout.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* A file's first audio stream on its way to samples. */
struct decoding {
    AVFormatContext *demuxer;
    AVCodecContext *decoder;
    AVFilterGraph *graph; /* NULL before the first frame */
    AVFilterContext *source, *sink;
    int format, channels, sample_rate; /* of the frames that the graph takes */
    AVFrame *frame;
    struct media_samples samples;
    size_t capacity;
};

static void open_file(struct decoding *decoding, const char *path)
{
    const AVCodec *codec = NULL;
    assert_int_equal(avformat_open_input(&decoding->demuxer, path, NULL, NULL), 0);
    assert_true(avformat_find_stream_info(decoding->demuxer, NULL) >= 0);
    for (unsigned i = 0; i < decoding->demuxer->nb_streams; i++)
        decoding->demuxer->streams[i]->discard = AVDISCARD_ALL;
    unsigned at = 0;
    while (decoding->demuxer->streams[at]->codecpar->codec_type != AVMEDIA_TYPE_AUDIO)
        assert_true(++at < decoding->demuxer->nb_streams);
    AVStream *stream = decoding->demuxer->streams[at];
    stream->discard = AVDISCARD_DEFAULT;
    assert_non_null(codec = avcodec_find_decoder(stream->codecpar->codec_id));
    assert_non_null(decoding->decoder = avcodec_alloc_context3(codec));
    assert_true(avcodec_parameters_to_context(decoding->decoder, stream->codecpar) >= 0);
    decoding->decoder->pkt_timebase = stream->time_base;
    assert_int_equal(avcodec_open2(decoding->decoder, codec, NULL), 0);
}

static void take_samples(struct decoding *decoding)
{
    AVFrame *frame = av_frame_alloc();
    assert_non_null(frame);
    while (av_buffersink_get_frame(decoding->sink, frame) >= 0) {
        struct media_samples *samples = &decoding->samples;
        size_t count = (size_t)frame->nb_samples;
        if (samples->count + count > decoding->capacity) {
            decoding->capacity = (samples->count + count) * 2;
            assert_non_null(samples->data = realloc(samples->data, decoding->capacity * sizeof(float)));
        }
        memcpy(samples->data + samples->count, frame->data[0], count * sizeof(float));
        samples->count += count;
        av_frame_unref(frame);
    }
    av_frame_free(&frame);
}

static void end_graph(struct decoding *decoding)
{
    if (!decoding->graph)
        return;
    assert_true(av_buffersrc_add_frame(decoding->source, NULL) >= 0);
    take_samples(decoding);
    avfilter_graph_free(&decoding->graph);
}

/* The first channel, at the rate of the samples, as float. */
static void begin_graph(struct decoding *decoding)
{
    const AVFrame *frame = decoding->frame;
    char layout[64], source[256], filters[128];
    AVChannelLayout channels = {0};
    if (frame->ch_layout.order == AV_CHANNEL_ORDER_UNSPEC)
        av_channel_layout_default(&channels, frame->ch_layout.nb_channels);
    else
        av_channel_layout_copy(&channels, &frame->ch_layout);
    av_channel_layout_describe(&channels, layout, sizeof layout);
    av_channel_layout_uninit(&channels);
    snprintf(source, sizeof source, "time_base=1/%d:sample_rate=%d:sample_fmt=%d:channel_layout=%s",
             frame->sample_rate, frame->sample_rate, frame->format, layout);
    snprintf(filters, sizeof filters, "[in]pan=mono|c0=c0,aresample=%d,aformat=flt[out]",
             decoding->samples.rate);
    assert_non_null(decoding->graph = avfilter_graph_alloc());
    assert_true(avfilter_graph_create_filter(&decoding->source, avfilter_get_by_name("abuffer"), "in", source,
                                             NULL, decoding->graph) >= 0);
    assert_true(avfilter_graph_create_filter(&decoding->sink, avfilter_get_by_name("abuffersink"), "out",
                                             NULL, NULL, decoding->graph) >= 0);
    AVFilterInOut *outputs = avfilter_inout_alloc(), *inputs = avfilter_inout_alloc();
    assert_true(outputs && inputs);
    *outputs = (AVFilterInOut){.name = av_strdup("in"), .filter_ctx = decoding->source};
    *inputs = (AVFilterInOut){.name = av_strdup("out"), .filter_ctx = decoding->sink};
    assert_true(avfilter_graph_parse_ptr(decoding->graph, filters, &inputs, &outputs, NULL) >= 0);
    avfilter_inout_free(&inputs);
    avfilter_inout_free(&outputs);
    assert_true(avfilter_graph_config(decoding->graph, NULL) >= 0);
    decoding->format = frame->format;
    decoding->channels = frame->ch_layout.nb_channels;
    decoding->sample_rate = frame->sample_rate;
}

static void filter_frame(struct decoding *decoding)
{
    const AVFrame *frame = decoding->frame;
    if (decoding->graph &&
        (frame->format != decoding->format || frame->sample_rate != decoding->sample_rate ||
         frame->ch_layout.nb_channels != decoding->channels))
        end_graph(decoding);
    if (!decoding->graph)
        begin_graph(decoding);
    decoding->frame->pts = AV_NOPTS_VALUE;
    assert_true(av_buffersrc_add_frame(decoding->source, decoding->frame) >= 0);
    take_samples(decoding);
}

/* packet NULL: the end. What a decoder refuses is left out, as ffmpeg does. */
static void decode_packet(struct decoding *decoding, const AVPacket *packet)
{
    if (avcodec_send_packet(decoding->decoder, packet) < 0)
        return;
    while (avcodec_receive_frame(decoding->decoder, decoding->frame) >= 0)
        filter_frame(decoding);
}

struct media_samples media_decode(const struct media_dir *dir, const char *file, int rate)
{
    struct decoding decoding = {.frame = av_frame_alloc(), .samples.rate = rate};
    AVPacket *packet = av_packet_alloc();
    char path[512];
    assert_true(decoding.frame && packet);
    snprintf(path, sizeof path, "%s/%s", dir->path, file);
    const int level = av_log_get_level();
    av_log_set_level(AV_LOG_QUIET);
    open_file(&decoding, path);
    while (av_read_frame(decoding.demuxer, packet) >= 0) {
        if (decoding.demuxer->streams[packet->stream_index]->discard == AVDISCARD_DEFAULT)
            decode_packet(&decoding, packet);
        av_packet_unref(packet);
    }
    decode_packet(&decoding, NULL);
    end_graph(&decoding);
    av_log_set_level(level);
    av_packet_free(&packet);
    av_frame_free(&decoding.frame);
    avcodec_free_context(&decoding.decoder);
    avformat_close_input(&decoding.demuxer);
    return decoding.samples;
}
