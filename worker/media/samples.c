#include "worker/media/samples.h"

#include <libavutil/common.h>
#include <libavutil/samplefmt.h>

AVFrame *mr_samples_new(const AVCodecContext *encoder, int samples)
{
    AVFrame *frame = av_frame_alloc();
    if (!frame)
        return NULL;
    frame->nb_samples = samples;
    frame->format = encoder->sample_fmt;
    frame->sample_rate = encoder->sample_rate;
    if (av_channel_layout_copy(&frame->ch_layout, &encoder->ch_layout) < 0 ||
        av_frame_get_buffer(frame, 0) < 0)
        av_frame_free(&frame);
    return frame;
}

AVFrame *mr_samples_new_silence(const AVCodecContext *encoder, int samples)
{
    AVFrame *frame = mr_samples_new(encoder, samples);
    if (frame)
        av_samples_set_silence(frame->extended_data, 0, samples, frame->ch_layout.nb_channels, frame->format);
    return frame;
}

void mr_samples_crop(AVFrame *frame, int first, int count)
{
    int channels = frame->ch_layout.nb_channels, size = av_get_bytes_per_sample(frame->format);
    int planes = av_sample_fmt_is_planar(frame->format) ? channels : 1;
    ptrdiff_t skip = (ptrdiff_t)first * size * (planes == 1 ? channels : 1);
    for (int i = 0; i < planes; i++)
        frame->extended_data[i] += skip;
    for (int i = 0; frame->data != frame->extended_data && i < FFMIN(planes, AV_NUM_DATA_POINTERS); i++)
        frame->data[i] += skip;
    frame->nb_samples = count;
}

void mr_samples_crop_to(AVFrame *frame, int64_t at, int64_t length)
{
    int64_t first = av_clip64(at < 0 ? -at : 0, 0, frame->nb_samples);
    int64_t left = length == INT64_MAX ? INT64_MAX : length - (at + first);
    mr_samples_crop(frame, (int)first, (int)av_clip64(left, 0, frame->nb_samples - first));
}
