#include "worker/media/meter.h"

#include "worker/media/clones.h"
#include "worker/media/sample_reader.h"

#include <errno.h>
#include <libavutil/channel_layout.h>
#include <libavutil/common.h>
#include <libavutil/samplefmt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* BS.1770-4: the offset of the scale, the gates, and what audio from behind weighs. */
#define SCALE_OFFSET    (-0.691)
#define GATE_LUFS       (-70.0)
#define RELATIVE_GATE   0.1
#define SURROUND_WEIGHT 1.41

enum { CHUNK = 32 * MR_PEAK_BLOCK, STEPS_PER_SECOND = 10 };

struct mr_meter_pair {
    struct mr_k_state state;
    int channels[2];   /* of the frames; the same twice for the last of an odd number */
    double weights[2]; /* 0: it does not count */
    float samples[2][MR_PEAK_TAPS + CHUNK];
};

void mr_meter_init(struct mr_meter *meter)
{
    *meter = (struct mr_meter){.from = INT64_MIN, .to = INT64_MAX};
    mr_interpolator_init(&meter->interpolator);
}

void mr_meter_begin(struct mr_meter *meter, int64_t at)
{
    meter->at = at;
}

void mr_meter_slice(struct mr_meter *meter, int64_t from, int64_t to)
{
    meter->from = from;
    meter->to = to;
}

void mr_meter_free(struct mr_meter *meter)
{
    av_frame_free(&meter->like);
    av_freep(&meter->pairs);
    meter->pair_count = 0;
}

static double weight_of(enum AVChannel channel)
{
    switch (channel) {
    case AV_CHAN_LOW_FREQUENCY:
    case AV_CHAN_LOW_FREQUENCY_2:
        return 0;
    case AV_CHAN_BACK_LEFT:
    case AV_CHAN_BACK_CENTER:
    case AV_CHAN_BACK_RIGHT:
    case AV_CHAN_SIDE_LEFT:
    case AV_CHAN_SIDE_RIGHT:
    case AV_CHAN_SURROUND_DIRECT_LEFT:
    case AV_CHAN_SURROUND_DIRECT_RIGHT:
    case AV_CHAN_TOP_BACK_LEFT:
    case AV_CHAN_TOP_BACK_CENTER:
    case AV_CHAN_TOP_BACK_RIGHT:
        return SURROUND_WEIGHT;
    default:
        return 1;
    }
}

static void assign_channels(struct mr_meter *meter, const AVChannelLayout *layout)
{
    AVChannelLayout usual = {0};
    if (layout->order == AV_CHANNEL_ORDER_UNSPEC) {
        av_channel_layout_default(&usual, layout->nb_channels);
        layout = &usual;
    }
    for (int i = 0; i < 2 * meter->pair_count; i++) {
        struct mr_meter_pair *pair = &meter->pairs[i / 2];
        pair->channels[i % 2] = FFMIN(i, layout->nb_channels - 1);
        if (i < layout->nb_channels)
            pair->weights[i % 2] = weight_of(av_channel_layout_channel_from_index(layout, (unsigned)i));
    }
    av_channel_layout_uninit(&usual);
}

static bool fits(const struct mr_meter *meter, const AVFrame *frame)
{
    const AVFrame *like = meter->like;
    return like && like->sample_rate == frame->sample_rate && like->format == frame->format &&
           av_channel_layout_compare(&like->ch_layout, &frame->ch_layout) == 0;
}

/* With the samples that are not a chunk yet; after them comes silence. */
static float highest(const struct mr_meter *meter)
{
    float peak = meter->peak;
    for (int i = 0; i < 2 * meter->pair_count; i++) {
        float rest[2 * MR_PEAK_TAPS + CHUNK] = {0};
        memcpy(rest, meter->pairs[i / 2].samples[i % 2], (size_t)(MR_PEAK_TAPS + meter->fill) * sizeof *rest);
        peak = mr_true_peak(&meter->interpolator, rest, CHUNK / MR_PEAK_BLOCK, peak);
    }
    return peak;
}

static enum mr_status set_form(struct mr_meter *meter, const AVFrame *frame, struct mr_err *err)
{
    const bool is_first = !meter->like;
    meter->peak = highest(meter);
    mr_meter_free(meter);
    int count = (frame->ch_layout.nb_channels + 1) / 2;
    meter->like = av_frame_alloc();
    meter->pairs = av_calloc((size_t)count, sizeof *meter->pairs);
    if (!meter->like || !meter->pairs || av_channel_layout_copy(&meter->like->ch_layout, &frame->ch_layout))
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "measure the loudness");
    meter->pair_count = count;
    meter->like->sample_rate = frame->sample_rate;
    meter->like->format = frame->format;
    assign_channels(meter, &frame->ch_layout);
    mr_k_weighting_init(&meter->weighting, frame->sample_rate);
    meter->step_samples = FFMAX(frame->sample_rate / STEPS_PER_SECOND, 1);
    meter->step_left = meter->step_samples - (is_first ? (int)(meter->at % meter->step_samples) : 0);
    meter->fill = meter->steps_done = 0;
    memset(meter->steps, 0, sizeof meter->steps);
    return MR_OK;
}

static double lufs_of(double energy)
{
    return SCALE_OFFSET + 10 * log10(energy);
}

static bool counts_here(const struct mr_meter *meter)
{
    return meter->at > meter->from && meter->at <= meter->to;
}

/* A tenth of a second is over: it ends a block. */
static void end_step(struct mr_meter *meter)
{
    double energy = 0;
    for (int i = 0; i < MR_METER_STEPS; i++)
        energy += meter->steps[i];
    energy /= (double)MR_METER_STEPS * meter->step_samples;
    if (meter->steps_done < MR_METER_STEPS - 1) {
        meter->steps_done++;
    } else if (energy > 0 && lufs_of(energy) > GATE_LUFS && counts_here(meter)) {
        int bin = (int)fmin((lufs_of(energy) - GATE_LUFS) * MR_METER_BINS_PER_LU, MR_METER_BINS - 1);
        meter->energy[bin] += energy;
        meter->blocks[bin]++;
    }
    memmove(meter->steps + 1, meter->steps, sizeof meter->steps - sizeof *meter->steps);
    meter->steps[0] = 0;
    meter->step_left = meter->step_samples;
}

static void end_chunk(struct mr_meter *meter)
{
    for (int i = 0; i < 2 * meter->pair_count; i++) {
        float *samples = meter->pairs[i / 2].samples[i % 2];
        if (meter->at > meter->from)
            meter->peak = mr_true_peak(&meter->interpolator, samples, CHUNK / MR_PEAK_BLOCK, meter->peak);
        memcpy(samples, samples + CHUNK, MR_PEAK_TAPS * sizeof *samples);
    }
    meter->fill = 0;
}

static void take(struct mr_meter *meter, mr_sample_reader *read, const struct mr_sample_block *block,
                 int offset, int count)
{
    for (int i = 0; i < meter->pair_count; i++) {
        struct mr_meter_pair *pair = &meter->pairs[i];
        float *left = pair->samples[0] + MR_PEAK_TAPS + meter->fill,
              *right = pair->samples[1] + MR_PEAK_TAPS + meter->fill;
        mr_sample_read(read, block, pair->channels[0], offset, count, left);
        if (pair->channels[1] != pair->channels[0])
            mr_sample_read(read, block, pair->channels[1], offset, count, right);
        struct mr_k_energy energy =
            mr_k_weighting_energy(&meter->weighting, &pair->state, left, right, count);
        meter->steps[0] += energy.left * pair->weights[0] + energy.right * pair->weights[1];
    }
    meter->at += count;
    meter->fill += count;
    meter->step_left -= count;
    if (meter->fill == CHUNK)
        end_chunk(meter);
    if (meter->step_left == 0)
        end_step(meter);
}

enum mr_status mr_meter_listen(struct mr_meter *meter, const AVFrame *frame, struct mr_err *err)
{
    mr_sample_reader *read = mr_sample_reader_of(frame->format);
    const struct mr_sample_block block = {frame->extended_data, frame->format, frame->ch_layout.nb_channels};
    if (frame->nb_samples <= 0 || !read)
        return MR_OK;
    if (!fits(meter, frame))
        MR_TRY(set_form(meter, frame, err));
    for (int offset = 0; offset < frame->nb_samples;) {
        int count = FFMIN3(frame->nb_samples - offset, CHUNK - meter->fill, meter->step_left);
        take(meter, read, &block, offset, count);
        offset += count;
    }
    return MR_OK;
}

void mr_meter_continue(struct mr_meter *meter, const struct mr_meter *other)
{
    meter->peak = fminf(highest(other), 1);
    memcpy(meter->energy, other->energy, sizeof meter->energy);
    memcpy(meter->blocks, other->blocks, sizeof meter->blocks);
}

json_t *mr_meter_counts(const struct mr_meter *meter)
{
    /* After the last sample of a slice comes no silence: the next slice hears what it is. */
    float peak = meter->to == INT64_MAX ? highest(meter) : meter->peak;
    MR_AUTO_JSON json_t *blocks = json_object();
    for (int i = 0; i < MR_METER_BINS; i++) {
        char bin[12];
        snprintf(bin, sizeof bin, "%d", i);
        json_t *sum = json_pack("[I, f]", (json_int_t)meter->blocks[i], meter->energy[i]);
        if (meter->blocks[i] ? json_object_set_new(blocks, bin, sum) < 0 : (json_decref(sum), false))
            return NULL;
    }
    return json_pack("{s:f, s:O}", "peak", (double)peak, "blocks", blocks);
}

enum mr_status mr_meter_add(struct mr_meter *meter, const json_t *counts, struct mr_err *err)
{
    const char *name;
    json_t *sum;
    const json_t *peak = json_object_get(counts, "peak");
    json_t *blocks = json_object_get(counts, "blocks");
    json_object_foreach (blocks, name, sum) {
        const long bin = strtol(name, NULL, 10);
        if (bin < 0 || bin >= MR_METER_BINS || json_array_size(sum) != 2)
            return mr_fail_code(err, MR_CODE_INTERNAL, "what a unit has measured is not complete");
        meter->blocks[bin] += json_integer_value(json_array_get(sum, 0));
        meter->energy[bin] += json_number_value(json_array_get(sum, 1));
    }
    if (!json_is_number(peak) || !json_is_object(blocks))
        return mr_fail_code(err, MR_CODE_INTERNAL, "what a unit has measured is not complete");
    meter->peak = fmaxf(meter->peak, (float)json_number_value(peak));
    return MR_OK;
}

double mr_meter_integrated(const struct mr_meter *meter)
{
    double energy = 0, blocks = 0;
    for (int i = 0; i < MR_METER_BINS; i++) {
        energy += meter->energy[i];
        blocks += (double)meter->blocks[i];
    }
    if (blocks == 0)
        return NAN;
    double gate = energy / blocks * RELATIVE_GATE;
    energy = blocks = 0;
    for (int i = 0; i < MR_METER_BINS; i++) {
        if (meter->blocks[i] && meter->energy[i] / (double)meter->blocks[i] > gate) {
            energy += meter->energy[i];
            blocks += (double)meter->blocks[i];
        }
    }
    return lufs_of(energy / blocks);
}

double mr_meter_true_peak(const struct mr_meter *meter)
{
    float peak = highest(meter);
    return peak > 0 ? 20 * log10((double)peak) : NAN;
}

json_t *mr_meter_describe(const struct mr_meter *meter)
{
    double integrated = mr_meter_integrated(meter), true_peak = mr_meter_true_peak(meter);
    if (isnan(integrated) || isnan(true_peak))
        return json_null();
    return json_pack("{s:f, s:f}", "integrated", round(integrated * 100) / 100, "true_peak",
                     round(true_peak * 100) / 100);
}
