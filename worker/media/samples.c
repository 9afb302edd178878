#include "worker/media/samples.h"

#include "worker/media/clones.h"

#include <errno.h>
#include <libavutil/common.h>
#include <libavutil/samplefmt.h>
#include <math.h>

enum { RATE_MIN = 1000, RATE_MAX = 768000, CHANNELS_MAX = 64 };
#define LEVEL_MAX 1e4 /* full scale is 1 */

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

enum mr_status mr_samples_check_form(int sample_rate, int channels, struct mr_err *err)
{
    if (sample_rate < RATE_MIN || sample_rate > RATE_MAX)
        return mr_fail_code(err, MR_CODE_INVALID_MEDIA,
                            "audio has a sample rate of %d Hz, which must be from %d to %d", sample_rate,
                            RATE_MIN, RATE_MAX);
    if (channels < 1 || channels > CHANNELS_MAX)
        return mr_fail_code(err, MR_CODE_INVALID_MEDIA, "audio has %d channels, which must be from 1 to %d",
                            channels, CHANNELS_MAX);
    return MR_OK;
}

/* The comparison is false for NaN. */
#define DEFINE_REPAIR(name, type, size_of)                                                                   \
    MR_CLONES                                                                                                \
    static int64_t count_bad_##name(const type *at, int count)                                               \
    {                                                                                                        \
        int bad = 0;                                                                                         \
        for (int i = 0; i < count; i++)                                                                      \
            bad += !(size_of(at[i]) <= (type)LEVEL_MAX);                                                     \
        return bad;                                                                                          \
    }                                                                                                        \
    static void repair_##name(type *at, int count)                                                           \
    {                                                                                                        \
        for (int i = 0; i < count; i++)                                                                      \
            if (!(size_of(at[i]) <= (type)LEVEL_MAX))                                                        \
                at[i] = isnan(at[i]) ? 0 : at[i] < 0 ? -(type)LEVEL_MAX : (type)LEVEL_MAX;                   \
    }
DEFINE_REPAIR(float, float, fabsf)
DEFINE_REPAIR(double, double, fabs)

enum mr_status mr_samples_repair(AVFrame *frame, int64_t *ret_count, struct mr_err *err)
{
    enum AVSampleFormat format = av_get_packed_sample_fmt(frame->format);
    bool is_float = format == AV_SAMPLE_FMT_FLT, is_planar = av_sample_fmt_is_planar(frame->format);
    int planes = is_planar ? frame->ch_layout.nb_channels : 1;
    int count = frame->nb_samples * (is_planar ? 1 : frame->ch_layout.nb_channels);
    int64_t bad = 0;
    *ret_count = 0;
    if (!is_float && format != AV_SAMPLE_FMT_DBL)
        return MR_OK;
    for (int i = 0; i < planes; i++) {
        const void *plane = frame->extended_data[i];
        bad += is_float ? count_bad_float(plane, count) : count_bad_double(plane, count);
    }
    if (bad && av_frame_make_writable(frame) < 0)
        return mr_av_fail(err, MR_CODE_RESOURCE_LIMIT, AVERROR(ENOMEM), "decode");
    for (int i = 0; bad && i < planes; i++) {
        void *plane = frame->extended_data[i];
        if (is_float)
            repair_float(plane, count);
        else
            repair_double(plane, count);
    }
    *ret_count = bad;
    return MR_OK;
}
