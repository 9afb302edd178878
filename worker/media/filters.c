#include "worker/media/filters.h"

#include <errno.h>
#include <libavfilter/buffersink.h>
#include <libavfilter/buffersrc.h>
#include <libavutil/channel_layout.h>
#include <libavutil/samplefmt.h>

void mr_filters_close(struct mr_filters *filters)
{
    avfilter_graph_free(&filters->graph);
    av_channel_layout_uninit(&filters->layout);
    filters->in = filters->out = NULL;
}

/* A layout without names (only a count) is taken for the usual one of that count. */
static int name_layout(AVChannelLayout *layout, const AVChannelLayout *from)
{
    if (from->order == AV_CHANNEL_ORDER_NATIVE)
        return av_channel_layout_copy(layout, from);
    av_channel_layout_default(layout, from->nb_channels);
    if (layout->order == AV_CHANNEL_ORDER_NATIVE)
        return 0;
    return AVERROR(EINVAL);
}

bool mr_filters_fit(const struct mr_filters *filters, const AVFrame *frame)
{
    return filters->graph && filters->rate == frame->sample_rate && filters->format == frame->format &&
           filters->layout.nb_channels == frame->ch_layout.nb_channels &&
           (frame->ch_layout.order != AV_CHANNEL_ORDER_NATIVE ||
            av_channel_layout_compare(&filters->layout, &frame->ch_layout) == 0);
}

static int add(AVFilterGraph *graph, const char *filter, const char *args, AVFilterContext *after,
               AVFilterContext **ret)
{
    const AVFilter *type = avfilter_get_by_name(filter);
    int rc =
        type ? avfilter_graph_create_filter(ret, type, NULL, args, NULL, graph) : AVERROR_FILTER_NOT_FOUND;
    return rc < 0 || !after ? rc : avfilter_link(after, 0, *ret, 0);
}

static int build(struct mr_filters *filters)
{
    const AVCodecContext *encoder = filters->encoder;
    char args[256], from[64], to[64];
    int rc = av_channel_layout_describe(&filters->layout, from, sizeof from);
    if (rc >= 0)
        rc = av_channel_layout_describe(&encoder->ch_layout, to, sizeof to);
    if (rc < 0)
        return rc;
    AVFilterContext *resample = NULL, *shape = NULL;
    snprintf(args, sizeof args, "time_base=1/%d:sample_rate=%d:sample_fmt=%s:channel_layout=%s",
             filters->rate, filters->rate, av_get_sample_fmt_name(filters->format), from);
    rc = add(filters->graph, "abuffer", args, NULL, &filters->in);
    if (rc >= 0)
        rc = add(filters->graph, "aresample", NULL, filters->in, &resample);
    snprintf(args, sizeof args, "sample_fmts=%s:sample_rates=%d:channel_layouts=%s",
             av_get_sample_fmt_name(encoder->sample_fmt), encoder->sample_rate, to);
    if (rc >= 0)
        rc = add(filters->graph, "aformat", args, resample, &shape);
    if (rc >= 0)
        rc = add(filters->graph, "abuffersink", NULL, shape, &filters->out);
    return rc < 0 ? rc : avfilter_graph_config(filters->graph, NULL);
}

enum mr_status mr_filters_open(struct mr_filters *filters, const AVFrame *frame, struct mr_err *err)
{
    mr_filters_close(filters);
    filters->rate = frame->sample_rate;
    filters->format = frame->format;
    int rc = name_layout(&filters->layout, &frame->ch_layout);
    filters->graph = avfilter_graph_alloc();
    if (!filters->graph)
        rc = AVERROR(ENOMEM);
    if (rc >= 0) {
        filters->graph->nb_threads = 1; /* the sandbox has no threads */
        rc = build(filters);
    }
    if (rc < 0)
        return mr_av_fail(err, "invalid_media", rc, "audio of %d Hz with %d channels cannot be converted",
                          frame->sample_rate, frame->ch_layout.nb_channels);
    if (filters->encoder->frame_size > 0 &&
        !(filters->encoder->codec->capabilities & AV_CODEC_CAP_VARIABLE_FRAME_SIZE))
        av_buffersink_set_frame_size(filters->out, (unsigned)filters->encoder->frame_size);
    return MR_OK;
}

enum mr_status mr_filters_push(struct mr_filters *filters, AVFrame *frame, struct mr_err *err)
{
    if (frame && frame->ch_layout.order != AV_CHANNEL_ORDER_NATIVE) {
        int rc = av_channel_layout_copy(&frame->ch_layout, &filters->layout);
        if (rc < 0)
            return mr_av_fail(err, "internal", rc, "name the channels");
    }
    int rc = av_buffersrc_add_frame(filters->in, frame);
    return rc < 0 ? mr_av_fail(err, "internal", rc, "filter the audio") : MR_OK;
}

enum mr_status mr_filters_pull(struct mr_filters *filters, AVFrame *frame, bool *ret_got, struct mr_err *err)
{
    int rc = av_buffersink_get_frame(filters->out, frame);
    if (rc < 0 && rc != AVERROR(EAGAIN) && rc != AVERROR_EOF)
        return mr_av_fail(err, "internal", rc, "filter the audio");
    *ret_got = rc >= 0;
    return MR_OK;
}
