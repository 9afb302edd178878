#include "worker/media/parts.h"

#include "worker/media/describe.h"
#include "worker/protocol.h"

#include <errno.h>

enum mr_status mr_parts_init(struct mr_parts *parts, struct mr_err *err)
{
    parts->outputs = json_array();
    return parts->outputs ? MR_OK : mr_fail_oom(err);
}

static void close_output(struct mr_muxer **output)
{
    if (*output)
        mr_muxer_close(*output);
    av_freep(output);
}

void mr_parts_free(struct mr_parts *parts)
{
    for (int64_t i = 0; i < parts->count; i++)
        close_output(&parts->open[i]);
    parts->count = 0;
    json_decref(parts->outputs);
    parts->outputs = NULL;
}

/* Opens an output for the part `index`, which expects the tracks that there are. */
static enum mr_status open_output(const struct mr_parts *parts, int64_t index, struct mr_muxer *output,
                                  struct mr_err *err)
{
    const struct mr_timeline *timeline = parts->timeline;
    MR_TRY(mr_muxer_open(output, parts->spec, parts->options, parts->input, parts->fds, (uint32_t)index,
                         index == 0 ? parts->notes : NULL, err));
    for (enum mr_slot i = 0; i < MR_SLOTS; i++)
        if (parts->expects[i])
            mr_muxer_expect(output, i);
    output->from_us = (timeline->is_timed ? timeline->origin_us : timeline->skip_us) +
                      mr_timeline_part(timeline, index) - timeline->intro_us;
    if (timeline->length_us != INT64_MAX || timeline->part_us != INT64_MAX)
        output->length_us = FFMIN(timeline->length_us, timeline->part_us) + timeline->intro_us;
    return MR_OK;
}

static enum mr_status open_next(struct mr_parts *parts, struct mr_err *err)
{
    int64_t index = parts->first + parts->count;
    const int most = MR_OUTPUTS_MAX - mr_options_extras(parts->options);
    if (index >= most)
        return mr_fail_code(err, MR_CODE_TOO_MANY_PARTS, "options.split.seconds must make at most %d parts",
                            most);
    if (parts->count == MR_PARTS_OPEN)
        return mr_fail_code(err, MR_CODE_RESOURCE_LIMIT, "audio and video are too far apart in the file");
    struct mr_muxer *output = av_mallocz(sizeof *output);
    if (!output)
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "open the output");
    parts->open[parts->count] = output;
    parts->length_us[parts->count++] = 0;
    MR_TRY(open_output(parts, index, output, err));
    return parts->count == 1 ? mr_muxer_go(output, err) : MR_OK;
}

enum mr_status mr_parts_get(struct mr_parts *parts, int64_t part, struct mr_muxer **ret, struct mr_err *err)
{
    while (part >= parts->first + parts->count)
        MR_TRY(open_next(parts, err));
    *ret = parts->open[part - parts->first];
    return MR_OK;
}

/* A receipt has room for all about so many parts, which are alike anyway: later ones have only what differs. */
static enum mr_status describe(struct mr_parts *parts, const struct mr_muxer *output, int64_t length_us,
                               struct mr_err *err)
{
    static const char *const alike[] = {"streams", "codec", "width", "height", "sample_rate", "channels"};
    json_t *facts = mr_describe_output(output, length_us);
    parts->described_bytes += facts ? json_dumpb(facts, NULL, 0, JSON_COMPACT) : 0;
    for (size_t i = 0; parts->described_bytes > MR_PARTS_DESCRIBED_BYTES && i < sizeof alike / sizeof *alike;
         i++)
        (void)json_object_del(facts, alike[i]);
    return json_array_append_new(parts->outputs, facts) < 0 ? mr_fail_oom(err) : MR_OK;
}

static enum mr_status finish_first(struct mr_parts *parts, struct mr_err *err)
{
    struct mr_muxer *output = parts->open[0];
    MR_TRY(mr_muxer_finish(output, err));
    MR_TRY(describe(parts, output, parts->length_us[0], err));
    close_output(&parts->open[0]);
    parts->first++;
    parts->count--;
    for (int64_t i = 0; i < parts->count; i++) {
        parts->open[i] = parts->open[i + 1];
        parts->length_us[i] = parts->length_us[i + 1];
    }
    parts->open[parts->count] = NULL;
    return parts->count == 0 ? MR_OK : mr_muxer_go(parts->open[0], err);
}

static bool all_left_first(const struct mr_parts *parts)
{
    for (size_t i = 0; i < MR_SLOTS; i++)
        if (parts->expects[i] && parts->left[i] <= parts->first)
            return false;
    return parts->count > 0;
}

enum mr_status mr_parts_leave(struct mr_parts *parts, enum mr_slot slot, int64_t length_us,
                              struct mr_err *err)
{
    int64_t at = parts->left[slot]++ - parts->first;
    if (at >= 0 && at < parts->count)
        parts->length_us[at] = FFMAX(parts->length_us[at], length_us);
    return all_left_first(parts) ? finish_first(parts, err) : MR_OK;
}

void mr_parts_give_up(struct mr_parts *parts, enum mr_slot slot)
{
    parts->expects[slot] = false;
    for (int64_t i = 0; i < parts->count; i++)
        mr_muxer_give_up(parts->open[i], slot);
}

double mr_parts_expected_s(const struct mr_parts *parts)
{
    int64_t all_us = parts->input->estimated_us;
    if (all_us <= 0 || mr_demuxer_is_mpeg(parts->input)) /* whose last time stamp may be anything */
        return 0;
    return (double)mr_options_clip_us(parts->options, all_us) / 1e6;
}

bool mr_parts_decodes_copies(const struct mr_parts *parts)
{
    return parts->encode_audio & MR_DECODE_COPIES || parts->options->verify == MR_VERIFY_DECODE ||
           parts->options->waveform_points;
}

enum mr_status mr_parts_doubt(struct mr_parts *parts, struct mr_err *err)
{
    parts->encode_audio |= MR_DECODE_COPIES;
    return mr_fail_code(err, MR_CODE_COPY_IMPOSSIBLE,
                        "damaged packets cannot be copied without decoding them");
}
