#include "worker/media/monitor.h"

#include "worker/media/samples.h"

#include <errno.h>
#include <libavutil/common.h>

bool mr_monitor_is_needed(const AVCodecContext *encoder)
{
    const AVCodecDescriptor *descriptor = avcodec_descriptor_get(encoder->codec_id);
    return !descriptor || !(descriptor->props & AV_CODEC_PROP_LOSSLESS);
}

static int open_decoder(AVCodecContext *decoder, const AVCodecContext *encoder)
{
    AVCodecParameters *params = avcodec_parameters_alloc();
    int rc = params ? avcodec_parameters_from_context(params, encoder) : AVERROR(ENOMEM);
    if (rc >= 0)
        rc = avcodec_parameters_to_context(decoder, params);
    avcodec_parameters_free(&params);
    decoder->pkt_timebase = encoder->time_base;
    decoder->thread_count = 1; /* the sandbox has no threads */
    return rc < 0 ? rc : avcodec_open2(decoder, NULL, NULL);
}

enum mr_status mr_monitor_open(struct mr_monitor *monitor, const AVCodecContext *encoder, struct mr_err *err)
{
    mr_monitor_close(monitor);
    const AVCodec *codec = avcodec_find_decoder(encoder->codec_id);
    monitor->decoder = codec ? avcodec_alloc_context3(codec) : NULL;
    monitor->frame = av_frame_alloc();
    int rc = monitor->decoder && monitor->frame ? open_decoder(monitor->decoder, encoder) : AVERROR(ENOMEM);
    return rc < 0 ? mr_av_fail(err, MR_CODE_INTERNAL, rc, "open a decoder for the %s encoder",
                               encoder->codec->name)
                  : MR_OK;
}

void mr_monitor_close(struct mr_monitor *monitor)
{
    avcodec_free_context(&monitor->decoder);
    av_frame_free(&monitor->frame);
}

/* What lies before 0 is the encoder's lead-in, which players leave out. Returns where the rest begins, in samples. */
static int64_t skip_lead_in(AVFrame *frame, AVRational base)
{
    if (frame->pts == AV_NOPTS_VALUE)
        return 0;
    int64_t at = av_rescale_q(frame->pts, base, (AVRational){1, frame->sample_rate});
    if (at < 0)
        mr_samples_crop_to(frame, at, INT64_MAX);
    return FFMAX(at, 0);
}

static enum mr_status measure(struct mr_monitor *monitor, struct mr_meter *meter, struct mr_err *err)
{
    int64_t at = skip_lead_in(monitor->frame, monitor->decoder->pkt_timebase);
    if (monitor->frame->nb_samples == 0)
        return MR_OK;
    if (!meter->like)
        mr_meter_begin(meter, at);
    return mr_meter_listen(meter, monitor->frame, err);
}

enum mr_status mr_monitor_listen(struct mr_monitor *monitor, const AVPacket *packet, struct mr_meter *meter,
                                 struct mr_err *err)
{
    int rc = avcodec_send_packet(monitor->decoder, packet);
    while (rc >= 0 && (rc = avcodec_receive_frame(monitor->decoder, monitor->frame)) >= 0) {
        enum mr_status status = measure(monitor, meter, err);
        av_frame_unref(monitor->frame);
        if (status)
            return status;
    }
    if (rc != AVERROR(EAGAIN) && rc != AVERROR_EOF)
        return mr_av_fail(err, MR_CODE_INTERNAL, rc, "decode what was encoded");
    return MR_OK;
}
