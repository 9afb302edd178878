#include "worker/media/rehearsal.h"

#include "worker/media/decoder.h"
#include "worker/media/encoder.h"
#include "worker/media/filters.h"
#include "worker/media/gaps.h"
#include "worker/media/monitor.h"
#include "worker/media/samples.h"

#include <errno.h>
#include <libavutil/common.h>

struct rehearsal {
    struct mr_demuxer *input;
    const struct mr_input_track *audio;
    const struct mr_media_format *spec;
    const struct mr_options *options;
    const struct mr_gain *gain;
    bool through_codec;
    struct mr_decoder decoder;
    struct mr_meter meter;
    struct mr_filters filters;
    AVCodecContext *encoder;   /* NULL: no frame yet */
    struct mr_monitor monitor; /* closed: the encoder is here for its form */
    AVFrame *frame;            /* filtered */
    int64_t heard;             /* samples that came out of the filters */
    struct mr_gaps gaps;
    int64_t decoded_us; /* with the holes in it */
    bool is_done;
};

/* frame NULL: drain. */
static enum mr_status encode(struct rehearsal *rehearsal, const AVFrame *frame, struct mr_err *err)
{
    MR_AUTO_PACKET AVPacket *packet = av_packet_alloc();
    int rc = packet ? avcodec_send_frame(rehearsal->encoder, frame) : AVERROR(ENOMEM);
    while (rc >= 0 && (rc = avcodec_receive_packet(rehearsal->encoder, packet)) >= 0)
        MR_TRY(mr_monitor_listen(&rehearsal->monitor, packet, &rehearsal->meter, err));
    if (rc == AVERROR(EAGAIN))
        return MR_OK;
    return rc == AVERROR_EOF ? mr_monitor_listen(&rehearsal->monitor, NULL, &rehearsal->meter, err)
                             : mr_encoder_refuses(rehearsal->encoder, rehearsal->options, rc, err);
}

static enum mr_status measure(struct rehearsal *rehearsal, struct mr_err *err)
{
    AVFrame *frame = rehearsal->frame;
    for (;;) {
        bool got = false;
        MR_TRY(mr_filters_pull(&rehearsal->filters, frame, &got, err));
        if (!got)
            return MR_OK;
        frame->pts = rehearsal->heard;
        rehearsal->heard += frame->nb_samples;
        MR_TRY(rehearsal->monitor.decoder ? encode(rehearsal, frame, err)
                                          : mr_meter_listen(&rehearsal->meter, frame, err));
        av_frame_unref(frame);
    }
}

static enum mr_status drain(struct rehearsal *rehearsal, struct mr_err *err)
{
    if (!rehearsal->filters.graph)
        return MR_OK;
    MR_TRY(mr_filters_end(&rehearsal->filters, AV_NOPTS_VALUE, err));
    return measure(rehearsal, err);
}

/* Leaves what lies in the clip. With video, time stamps count, as in the conversion. */
static void crop(struct rehearsal *rehearsal, AVFrame *frame)
{
    const struct mr_demuxer *input = rehearsal->input;
    const struct mr_options *options = rehearsal->options;
    int64_t stated_us = frame->best_effort_timestamp, rate = frame->sample_rate;
    int64_t length_us = av_rescale(frame->nb_samples, 1000000, rate);
    if (stated_us != AV_NOPTS_VALUE)
        stated_us = av_rescale_q(stated_us, rehearsal->audio->stream->time_base, AV_TIME_BASE_Q);
    int64_t at_us = rehearsal->decoded_us;
    at_us += mr_gaps_before(&rehearsal->gaps, rehearsal->audio->stream, frame);
    rehearsal->decoded_us = at_us + length_us;
    if (input->video && stated_us != AV_NOPTS_VALUE)
        at_us = stated_us - input->start_us;
    int64_t at = av_rescale(at_us - options->trim_start_us, rate, 1000000);
    int64_t length = options->trim_us == INT64_MAX ? INT64_MAX : av_rescale(options->trim_us, rate, 1000000);
    rehearsal->is_done = at >= length;
    mr_samples_crop_to(frame, at, length);
}

static enum mr_status open_encoder(struct rehearsal *rehearsal, const AVFrame *frame, struct mr_err *err)
{
    enum mr_status status = mr_encoder_open(rehearsal->spec, rehearsal->options, rehearsal->audio->stream,
                                            frame, (struct mr_encoder_use){0}, &rehearsal->encoder, err);
    if (status || !rehearsal->through_codec || !mr_monitor_is_needed(rehearsal->encoder))
        return status;
    return mr_monitor_open(&rehearsal->monitor, rehearsal->encoder, err);
}

static enum mr_status open_filters(struct rehearsal *rehearsal, const AVFrame *frame, struct mr_err *err)
{
    MR_TRY(drain(rehearsal, err));
    enum AVSampleFormat samples =
        rehearsal->through_codec ? rehearsal->encoder->sample_fmt : AV_SAMPLE_FMT_DBL;
    MR_TRY(mr_filters_open_audio(&rehearsal->filters, frame, rehearsal->encoder, samples,
                                 rehearsal->gain->filters, err));
    if (rehearsal->encoder->frame_size)
        mr_filters_set_frame_size(&rehearsal->filters, rehearsal->encoder->frame_size);
    return MR_OK;
}

static enum mr_status take(void *ctx, AVFrame *frame, struct mr_err *err)
{
    struct rehearsal *rehearsal = ctx;
    if (frame->nb_samples <= 0)
        return MR_OK;
    MR_TRY(mr_samples_check_form(frame->sample_rate, frame->ch_layout.nb_channels, err));
    crop(rehearsal, frame);
    if (frame->nb_samples == 0)
        return MR_OK;
    if (!rehearsal->encoder)
        MR_TRY(open_encoder(rehearsal, frame, err));
    if (!mr_filters_fit(&rehearsal->filters, frame))
        MR_TRY(open_filters(rehearsal, frame, err));
    frame->pts = AV_NOPTS_VALUE;
    MR_TRY(mr_filters_push(&rehearsal->filters, frame, err));
    return measure(rehearsal, err);
}

static enum mr_status run(struct rehearsal *rehearsal, AVPacket *packet, struct mr_err *err)
{
    struct mr_demuxer *input = rehearsal->input;
    const AVStream *stream = rehearsal->audio->stream;
    for (unsigned i = 0; i < input->format->nb_streams; i++)
        if (input->format->streams[i] != stream)
            input->format->streams[i]->discard = AVDISCARD_ALL;
    while (!rehearsal->is_done && mr_demuxer_read(input, packet) >= 0) {
        if (packet->stream_index == stream->index)
            MR_TRY(mr_decoder_push(&rehearsal->decoder, packet, take, rehearsal, err));
        av_packet_unref(packet);
    }
    if (!rehearsal->is_done)
        MR_TRY(mr_decoder_push(&rehearsal->decoder, NULL, take, rehearsal, err));
    MR_TRY(drain(rehearsal, err));
    return rehearsal->monitor.decoder ? encode(rehearsal, NULL, err) : MR_OK;
}

enum mr_status mr_rehearse(struct mr_demuxer *input, const struct mr_input_track *audio,
                           const struct mr_media_format *spec, const struct mr_options *options,
                           const struct mr_gain *gain, bool through_codec, struct mr_heard *ret,
                           struct mr_err *err)
{
    MR_AUTO_PACKET AVPacket *packet = av_packet_alloc();
    MR_AUTO_FRAME AVFrame *filtered = av_frame_alloc();
    struct rehearsal rehearsal = {.input = input,
                                  .audio = audio,
                                  .spec = spec,
                                  .options = options,
                                  .gain = gain,
                                  .gaps = mr_gaps_of(input),
                                  .through_codec = through_codec,
                                  .frame = filtered};
    if (!packet || !filtered)
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "measure the loudness");
    MR_TRY(mr_decoder_init(&rehearsal.decoder, audio->decoder, err));
    rehearsal.decoder.stream = audio->stream;
    mr_meter_init(&rehearsal.meter);
    enum mr_status status = run(&rehearsal, packet, err);
    if (!status)
        *ret = (struct mr_heard){
            .integrated = mr_meter_integrated(&rehearsal.meter),
            .true_peak = mr_meter_true_peak(&rehearsal.meter),
            .is_lossy = rehearsal.encoder && mr_monitor_is_needed(rehearsal.encoder),
        };
    mr_decoder_free(&rehearsal.decoder);
    mr_meter_free(&rehearsal.meter);
    mr_monitor_close(&rehearsal.monitor);
    mr_filters_close(&rehearsal.filters);
    avcodec_free_context(&rehearsal.encoder);
    return status;
}
