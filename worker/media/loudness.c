#include "worker/media/loudness.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* The ceiling that R 128 sets for true peaks, and the level below which its gate hears nothing. */
#define CEILING_DBTP (-1.0)
#define SILENCE_LUFS (-69.5)
enum { GAIN_MAX_DB = 40, CHANNELS_MAX = 64 };

enum mr_status mr_meter_init(struct mr_meter *meter, struct mr_err *err)
{
    *meter = (struct mr_meter){.integrated = NAN, .true_peak = NAN, .frame = av_frame_alloc()};
    return meter->frame ? MR_OK : mr_av_fail(err, "internal", AVERROR(ENOMEM), "measure the loudness");
}

void mr_meter_free(struct mr_meter *meter)
{
    mr_filters_close(&meter->filters);
    av_frame_free(&meter->frame);
}

/* ---- measuring ---- */

static double read_number(const AVDictionary *metadata, const char *key)
{
    const AVDictionaryEntry *entry = av_dict_get(metadata, key, NULL, 0);
    return entry ? strtod(entry->value, NULL) : NAN;
}

/* The filter writes its running result beside each frame that it lets go. */
static void read_result(struct mr_meter *meter)
{
    const AVDictionary *metadata = meter->frame->metadata;
    double integrated = read_number(metadata, "lavfi.r128.I"), peak = 0;
    for (int i = 0; i < CHANNELS_MAX; i++) {
        char key[48];
        snprintf(key, sizeof key, "lavfi.r128.true_peaks_ch%d", i);
        double value = read_number(metadata, key);
        if (isnan(value))
            break;
        peak = fmax(peak, value);
    }
    meter->integrated = integrated > SILENCE_LUFS ? integrated : NAN;
    meter->true_peak = peak > 0 ? 20 * log10(peak) : NAN;
}

enum mr_status mr_meter_listen(struct mr_meter *meter, const AVFrame *frame, struct mr_err *err)
{
    enum mr_status status = MR_OK;
    if (meter->is_lost)
        return MR_OK;
    if (!mr_filters_fit(&meter->filters, frame)) {
        meter->is_lost = meter->filters.graph != NULL;
        if (meter->is_lost || mr_filters_open_meter(&meter->filters, frame, NULL)) {
            meter->is_lost = true; /* a layout that the standard does not know */
            return MR_OK;
        }
    }
    MR_AUTO_FRAME AVFrame *copy = av_frame_clone(frame);
    if (!copy)
        return mr_av_fail(err, "internal", AVERROR(ENOMEM), "measure the loudness");
    status = mr_filters_push(&meter->filters, copy, err);
    for (bool got = true; !status && got;) {
        status = mr_filters_pull(&meter->filters, meter->frame, &got, err);
        if (!status && got)
            read_result(meter);
        av_frame_unref(meter->frame);
    }
    return status;
}

json_t *mr_meter_describe(const struct mr_meter *meter)
{
    if (meter->is_lost || isnan(meter->integrated) || isnan(meter->true_peak))
        return json_null();
    return json_pack("{s:f, s:f}", "integrated", round(meter->integrated * 100) / 100, "true_peak",
                     round(meter->true_peak * 100) / 100);
}

/* ---- the piece that the options leave ---- */

struct piece {
    struct mr_meter *meter;
    const struct mr_input *input;
    int64_t from_us, until_us;
    int64_t samples; /* decoded so far */
};

static bool is_inside(const struct piece *piece, const AVFrame *frame)
{
    int64_t at = av_rescale(piece->samples, 1000000, frame->sample_rate);
    if (piece->input->video && frame->best_effort_timestamp != AV_NOPTS_VALUE)
        at = av_rescale_q(frame->best_effort_timestamp, piece->input->audio->time_base, AV_TIME_BASE_Q) -
             piece->input->start_us;
    return at >= piece->from_us && at < piece->until_us;
}

static enum mr_status hear(struct piece *piece, const AVPacket *packet, AVFrame *frame, struct mr_err *err)
{
    AVCodecContext *decoder = piece->input->decoder;
    int rc = avcodec_send_packet(decoder, packet);
    while (rc >= 0 && (rc = avcodec_receive_frame(decoder, frame)) >= 0) {
        bool inside = frame->sample_rate > 0 && frame->nb_samples > 0 && is_inside(piece, frame);
        enum mr_status status = inside ? mr_meter_listen(piece->meter, frame, err) : MR_OK;
        piece->samples += frame->nb_samples;
        av_frame_unref(frame);
        if (status)
            return status;
    }
    return rc == AVERROR(ENOMEM) ? mr_av_fail(err, "resource_limit", rc, "decode") : MR_OK;
}

/* Damage is told by the pass that writes; this one only listens. */
enum mr_status mr_loudness_measure(const struct mr_input *input, const struct mr_media_options *options,
                                   struct mr_meter *meter, struct mr_err *err)
{
    struct piece piece = {
        .meter = meter,
        .input = input,
        .from_us = options->trim_start_us,
        .until_us = options->trim_us == INT64_MAX ? INT64_MAX : options->trim_start_us + options->trim_us};
    MR_AUTO_PACKET AVPacket *packet = av_packet_alloc();
    MR_AUTO_FRAME AVFrame *frame = av_frame_alloc();
    if (!packet || !frame)
        return mr_av_fail(err, "internal", AVERROR(ENOMEM), "measure the loudness");
    if (input->video)
        input->video->discard = AVDISCARD_ALL;
    enum mr_status status = MR_OK;
    while (!status && av_read_frame(input->format, packet) >= 0) {
        if (packet->stream_index == input->audio->index)
            status = hear(&piece, packet, frame, err);
        av_packet_unref(packet);
    }
    return status ? status : hear(&piece, NULL, frame, err);
}

/* ---- the gain ---- */

void mr_loudness_gain(const struct mr_meter *meter, double target, char out[MR_GAIN_MAX])
{
    out[0] = '\0';
    if (meter->is_lost || isnan(meter->integrated))
        return;
    double gain = fmin(fmax(target - meter->integrated, -GAIN_MAX_DB), GAIN_MAX_DB);
    bool is_limited = meter->true_peak + gain > CEILING_DBTP;
    int len = snprintf(out, MR_GAIN_MAX, "volume=%.3fdB:precision=double", gain);
    /* The limiter looks at samples: what lies between them may be half a decibel higher. */
    if (is_limited)
        snprintf(out + len, MR_GAIN_MAX - (size_t)len,
                 ",alimiter=limit=%.4f:level=disabled:attack=5:release=50:latency=1",
                 pow(10, (CEILING_DBTP - 0.5) / 20));
}
