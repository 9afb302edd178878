#include "worker/media/filters.h"

#include <errno.h>
#include <libavfilter/buffersink.h>
#include <libavfilter/buffersrc.h>
#include <libavutil/channel_layout.h>
#include <libavutil/pixdesc.h>
#include <libavutil/samplefmt.h>

enum { CHANNELS_KNOWN = 8 }; /* up to so many have a usual layout */

void mr_filters_close(struct mr_filters *filters)
{
    avfilter_graph_free(&filters->graph);
    av_frame_free(&filters->like);
    filters->in = filters->out = NULL;
}

/* A layout without names (only a count) is taken for the usual one of that count. */
static int name_layout(AVChannelLayout *layout, const AVChannelLayout *from)
{
    if (from->order == AV_CHANNEL_ORDER_NATIVE)
        return av_channel_layout_copy(layout, from);
    if (from->order == AV_CHANNEL_ORDER_AMBISONIC) { /* by their numbers: sphere_to_ears */
        *layout = (AVChannelLayout){.order = AV_CHANNEL_ORDER_UNSPEC, .nb_channels = from->nb_channels};
        return 0;
    }
    av_channel_layout_default(layout, from->nb_channels);
    if (layout->order == AV_CHANNEL_ORDER_NATIVE)
        return 0;
    return AVERROR(EINVAL);
}

static bool audio_fits(const AVFrame *like, const AVFrame *frame)
{
    return like->sample_rate == frame->sample_rate && like->format == frame->format &&
           like->ch_layout.nb_channels == frame->ch_layout.nb_channels &&
           (frame->ch_layout.order != AV_CHANNEL_ORDER_NATIVE ||
            av_channel_layout_compare(&like->ch_layout, &frame->ch_layout) == 0);
}

bool mr_filters_fit(const struct mr_filters *filters, const AVFrame *frame)
{
    const AVFrame *like = filters->like;
    if (!filters->graph)
        return false;
    if (frame->nb_samples)
        return audio_fits(like, frame);
    return like->width == frame->width && like->height == frame->height && like->format == frame->format &&
           like->color_range == frame->color_range && like->colorspace == frame->colorspace &&
           av_cmp_q(like->sample_aspect_ratio, frame->sample_aspect_ratio) == 0;
}

static int add(AVFilterGraph *graph, const char *filter, const char *args, AVFilterContext **ret)
{
    const AVFilter *type = avfilter_get_by_name(filter);
    return type ? avfilter_graph_create_filter(ret, type, NULL, args, NULL, graph) : AVERROR_FILTER_NOT_FOUND;
}

/* An empty graph, and what it will be fed. */
static int begin(struct mr_filters *filters, const AVFrame *frame)
{
    mr_filters_close(filters);
    filters->graph = avfilter_graph_alloc();
    filters->like = av_frame_alloc();
    if (!filters->graph || !filters->like)
        return AVERROR(ENOMEM);
    filters->graph->nb_threads = FFMAX(filters->threads, 1);
    filters->like->format = frame->format;
    filters->like->width = frame->width;
    filters->like->height = frame->height;
    filters->like->sample_aspect_ratio = frame->sample_aspect_ratio;
    filters->like->color_range = frame->color_range;
    filters->like->colorspace = frame->colorspace;
    filters->like->sample_rate = frame->sample_rate;
    return frame->nb_samples ? name_layout(&filters->like->ch_layout, &frame->ch_layout) : 0;
}

/* Puts the chain between source and sink. */
static int link_chain(struct mr_filters *filters, const char *chain)
{
    AVFilterInOut *outputs = avfilter_inout_alloc(), *inputs = avfilter_inout_alloc();
    int rc = AVERROR(ENOMEM);
    if (outputs && inputs) {
        *outputs = (AVFilterInOut){.name = av_strdup("in"), .filter_ctx = filters->in};
        *inputs = (AVFilterInOut){.name = av_strdup("out"), .filter_ctx = filters->out};
        rc = avfilter_graph_parse_ptr(filters->graph, chain, &inputs, &outputs, NULL);
    }
    avfilter_inout_free(&inputs);
    avfilter_inout_free(&outputs);
    return rc;
}

static int build_audio(struct mr_filters *filters, const char *chain)
{
    const AVFrame *like = filters->like;
    char args[256], layout[64];
    int rc = av_channel_layout_describe(&like->ch_layout, layout, sizeof layout);
    if (rc < 0)
        return rc;
    snprintf(args, sizeof args, "time_base=1/%d:sample_rate=%d:sample_fmt=%s:channel_layout=%s",
             like->sample_rate, like->sample_rate, av_get_sample_fmt_name(like->format), layout);
    rc = add(filters->graph, "abuffer", args, &filters->in);
    if (rc >= 0)
        rc = add(filters->graph, "abuffersink", NULL, &filters->out);
    if (rc >= 0)
        rc = link_chain(filters, chain);
    return rc < 0 ? rc : avfilter_graph_config(filters->graph, NULL);
}

/* Ambisonic audio is a sphere of audio in the order W, Y, Z, X …: two cardioids, to the left and to the right, make it
 * stereo that never clips. Two channels for the headphones alone may follow. */
static void sphere_to_ears(const AVChannelLayout *layout, char *out, size_t size)
{
    int extra = av_popcount64(layout->u.mask), left = layout->nb_channels - extra;
    out[0] = '\0';
    if (layout->order != AV_CHANNEL_ORDER_AMBISONIC)
        return;
    if (left < 4) /* W alone */
        snprintf(out, size, "pan=stereo|c0=c0|c1=c0,");
    else if (extra == 2)
        snprintf(out, size, "pan=stereo|c0=0.5*c0+0.5*c1+c%d|c1=0.5*c0-0.5*c1+c%d,", left, left + 1);
    else
        snprintf(out, size, "pan=stereo|c0=0.5*c0+0.5*c1|c1=0.5*c0-0.5*c1,");
}

enum mr_status mr_filters_open_audio(struct mr_filters *filters, const AVFrame *frame,
                                     const AVCodecContext *encoder, enum AVSampleFormat samples,
                                     const char *gain, struct mr_err *err)
{
    char chain[640], layout[64], sphere[96];
    if (av_channel_layout_describe(&encoder->ch_layout, layout, sizeof layout) < 0)
        return mr_fail_code(err, MR_CODE_INTERNAL, "the encoder's channels have no names");
    const char *form = av_get_sample_fmt_name(samples);
    /* libav's WMA encoder has no room above full scale; whole numbers have none either. */
    const char *clip = encoder->codec_id == AV_CODEC_ID_WMAV2 ? ",aformat=sample_fmts=s32" : "";
    sphere_to_ears(&frame->ch_layout, sphere, sizeof sphere);
    snprintf(chain, sizeof chain,
             "%saresample,aformat=sample_fmts=%s:sample_rates=%d:channel_layouts=%s%s%s%s,"
             "aformat=sample_fmts=%s",
             sphere, gain[0] ? "dbl" : form, encoder->sample_rate, layout, gain[0] ? "," : "", gain, clip,
             form);
    int rc = begin(filters, frame);
    if (rc >= 0)
        rc = build_audio(filters, chain);
    if (rc < 0 && frame->ch_layout.nb_channels > CHANNELS_KNOWN)
        return mr_fail_code(
            err, MR_CODE_UNSUPPORTED_CODEC,
            "audio with %d channels cannot be mixed down: nothing says which speakers they are for",
            frame->ch_layout.nb_channels);
    if (rc < 0)
        return mr_av_fail(err, MR_CODE_INVALID_MEDIA, rc,
                          "audio of %d Hz with %d channels cannot be converted", frame->sample_rate,
                          frame->ch_layout.nb_channels);
    return MR_OK;
}

void mr_filters_set_frame_size(struct mr_filters *filters, int samples)
{
    av_buffersink_set_frame_size(filters->out, (unsigned)samples);
}

static int build_video(struct mr_filters *filters, AVRational base, const char *chain)
{
    const AVFrame *like = filters->like;
    char args[256];
    AVRational sar = like->sample_aspect_ratio.num > 0 ? like->sample_aspect_ratio : (AVRational){1, 1};
    snprintf(args, sizeof args, "video_size=%dx%d:pix_fmt=%d:time_base=%d/%d:pixel_aspect=%d/%d", like->width,
             like->height, like->format, base.num, base.den, sar.num, sar.den);
    int rc = add(filters->graph, "buffer", args, &filters->in);
    if (rc >= 0)
        rc = add(filters->graph, "buffersink", NULL, &filters->out);
    if (rc >= 0)
        rc = link_chain(filters, chain);
    return rc < 0 ? rc : avfilter_graph_config(filters->graph, NULL);
}

enum mr_status mr_filters_open_video(struct mr_filters *filters, const AVFrame *frame, AVRational base,
                                     const char *chain, struct mr_err *err)
{
    int rc = begin(filters, frame);
    if (rc >= 0)
        rc = build_video(filters, base, chain);
    const char *pixels = av_get_pix_fmt_name(frame->format);
    return rc < 0 ? mr_av_fail(err, MR_CODE_INVALID_MEDIA, rc, "frames of %dx%d (%s) cannot be converted",
                               frame->width, frame->height, pixels ? pixels : "unknown")
                  : MR_OK;
}

enum mr_status mr_filters_push(struct mr_filters *filters, AVFrame *frame, struct mr_err *err)
{
    if (frame->nb_samples && frame->ch_layout.order != AV_CHANNEL_ORDER_NATIVE) {
        int rc = av_channel_layout_copy(&frame->ch_layout, &filters->like->ch_layout);
        if (rc < 0)
            return mr_av_fail(err, MR_CODE_INTERNAL, rc, "name the channels");
    }
    int rc = av_buffersrc_add_frame(filters->in, frame);
    return rc < 0 ? mr_av_fail(err, MR_CODE_INTERNAL, rc, "filter") : MR_OK;
}

enum mr_status mr_filters_end(struct mr_filters *filters, int64_t end, struct mr_err *err)
{
    int rc = av_buffersrc_close(filters->in, end, 0);
    return rc < 0 ? mr_av_fail(err, MR_CODE_INTERNAL, rc, "drain the filters") : MR_OK;
}

enum mr_status mr_filters_pull(struct mr_filters *filters, AVFrame *frame, bool *ret_got, struct mr_err *err)
{
    int rc = av_buffersink_get_frame(filters->out, frame);
    if (rc < 0 && rc != AVERROR(EAGAIN) && rc != AVERROR_EOF)
        return mr_av_fail(err, MR_CODE_INTERNAL, rc, "filter");
    *ret_got = rc >= 0;
    return MR_OK;
}

enum mr_status mr_filters_still(const AVFrame *frame, const char *turn, const struct mr_frame_size *out,
                                enum AVPixelFormat pixels, unsigned background, AVFrame **ret,
                                struct mr_err *err)
{
    MR_AUTO(mr_filters) struct mr_filters filters = {0};
    MR_AUTO_FRAME AVFrame *copy = av_frame_clone(frame);
    MR_AUTO_FRAME AVFrame *still = av_frame_alloc();
    struct mr_geometry geometry;
    char chain[MR_CHAIN_MAX];
    if (!copy || !still)
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "scale a frame");
    copy->pts = 0;
    mr_geometry_fit(&geometry, frame, turn, *out);
    geometry.background = background;
    mr_geometry_chain(&geometry, frame, pixels, (AVRational){0, 1}, chain);
    bool got = false;
    MR_TRY(mr_filters_open_video(&filters, copy, AV_TIME_BASE_Q, chain, err));
    MR_TRY(mr_filters_push(&filters, copy, err));
    MR_TRY(mr_filters_end(&filters, 1, err));
    MR_TRY(mr_filters_pull(&filters, still, &got, err));
    if (!got)
        return mr_fail_code(err, MR_CODE_INTERNAL, "the frame cannot be scaled");
    *ret = MR_TAKE(still);
    return MR_OK;
}

AVRational mr_filters_time_base(const struct mr_filters *filters)
{
    return av_buffersink_get_time_base(filters->out);
}
