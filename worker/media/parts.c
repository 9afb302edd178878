#include "worker/media/parts.h"

#include "worker/protocol.h"

#include <errno.h>

int64_t mr_timeline_part(const struct mr_timeline *timeline, int64_t part)
{
    if (timeline->part_us == INT64_MAX)
        return part == 0 ? 0 : INT64_MAX;
    return part * timeline->part_us;
}

enum mr_status mr_parts_init(struct mr_parts *parts, struct mr_err *err)
{
    parts->outputs = json_array();
    return parts->outputs ? MR_OK : mr_fail_oom(err);
}

static void close_output(struct mr_output **output)
{
    if (*output)
        mr_output_close(*output);
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

/* ---- opening ---- */

static enum mr_status open_next(struct mr_parts *parts, struct mr_err *err)
{
    int64_t index = parts->first + parts->count;
    bool has_thumbnail = parts->options->thumbnail_us >= 0;
    if (index >= MR_OUTPUTS_MAX - has_thumbnail)
        return mr_fail_code(err, MR_TOO_LARGE, "too_many_parts", "the film has more than %d parts",
                            MR_OUTPUTS_MAX - has_thumbnail);
    if (parts->count == MR_PARTS_OPEN)
        return mr_fail_code(err, MR_TOO_LARGE, "resource_limit",
                            "sound and picture lie too far apart in the file");
    struct mr_output *output = av_mallocz(sizeof *output);
    if (!output)
        return mr_av_fail(err, "internal", AVERROR(ENOMEM), "open the output");
    parts->open[parts->count] = output;
    parts->length_us[parts->count++] = 0;
    enum mr_status status = mr_output_open(output, parts->spec, parts->options, parts->input, parts->fds,
                                           (uint32_t)index, index == 0 ? parts->notes : NULL, err);
    for (enum mr_slot i = 0; !status && i < MR_SLOTS; i++)
        if (parts->has[i])
            mr_output_expect(output, i);
    const struct mr_timeline *timeline = parts->timeline;
    output->from_us = (timeline->is_timed ? timeline->origin_us : timeline->skip_us) +
                      mr_timeline_part(timeline, index) - timeline->intro_us;
    if (timeline->length_us != INT64_MAX || timeline->part_us != INT64_MAX)
        output->length_us = FFMIN(timeline->length_us, timeline->part_us) + timeline->intro_us;
    if (!status && parts->count == 1)
        status = mr_output_go(output, err);
    return status;
}

enum mr_status mr_parts_get(struct mr_parts *parts, int64_t part, struct mr_output **ret, struct mr_err *err)
{
    while (part >= parts->first + parts->count) {
        enum mr_status status = open_next(parts, err);
        if (status)
            return status;
    }
    *ret = parts->open[part - parts->first];
    return MR_OK;
}

/* ---- finishing ---- */

static json_t *describe_picture(const AVStream *stream)
{
    const AVCodecParameters *params = stream->codecpar;
    return json_pack("{s:i, s:s, s:s, s:i, s:i, s:f}", "index", stream->index, "type", "video", "codec",
                     avcodec_get_name(params->codec_id), "width", params->width, "height", params->height,
                     "fps", stream->avg_frame_rate.den ? av_q2d(stream->avg_frame_rate) : 0.0);
}

static json_t *describe_sound(const AVStream *stream)
{
    const AVCodecParameters *params = stream->codecpar;
    return json_pack("{s:i, s:s, s:s, s:i, s:i}", "index", stream->index, "type", "audio", "codec",
                     avcodec_get_name(params->codec_id), "sample_rate", params->sample_rate, "channels",
                     params->ch_layout.nb_channels);
}

/* As a comment it is no stream of the muxer's, but players find one behind the others. */
static json_t *describe_cover(const struct mr_output *output)
{
    const AVStream *from = output->input->format->streams[output->cover_image->stream_index];
    int index = output->cover ? output->cover->index : (int)output->format->nb_streams;
    return json_pack("{s:i, s:s, s:s}", "index", index, "type", "cover", "codec",
                     avcodec_get_name(from->codecpar->codec_id));
}

/* Keys of the main stream stand at the top, too: programs that know sound alone look for them there. */
static json_t *describe(const struct mr_output *output, int64_t us)
{
    const AVStream *video = output->tracks[MR_SLOT_VIDEO].stream;
    const AVStream *audio = output->tracks[MR_SLOT_AUDIO].stream;
    const AVCodecParameters *main = (video ? video : audio)->codecpar;
    int64_t size = output->sink.end;
    json_t *streams = json_array();
    if (video)
        json_array_append_new(streams, describe_picture(video));
    if (audio)
        json_array_append_new(streams, describe_sound(audio));
    const AVStream *text = output->tracks[MR_SLOT_SUBTITLE].stream;
    if (text)
        json_array_append_new(streams, json_pack("{s:i, s:s, s:s}", "index", text->index, "type", "subtitle",
                                                 "codec", avcodec_get_name(text->codecpar->codec_id)));
    if (output->cover_image)
        json_array_append_new(streams, describe_cover(output));
    json_t *json = json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:o}", "format", output->spec->name, "container",
                             output->spec->name, "codec", avcodec_get_name(main->codec_id), "duration_ms",
                             (json_int_t)((us + 500) / 1000), "bit_rate",
                             (json_int_t)(us > 0 ? av_rescale(size, 8 * 1000000, us) : 0), "size",
                             (json_int_t)size, "streams", streams);
    if (json && audio) {
        json_object_set_new(json, "sample_rate", json_integer(audio->codecpar->sample_rate));
        json_object_set_new(json, "channels", json_integer(audio->codecpar->ch_layout.nb_channels));
    }
    if (json && video) {
        json_object_set_new(json, "width", json_integer(video->codecpar->width));
        json_object_set_new(json, "height", json_integer(video->codecpar->height));
    }
    return json;
}

static enum mr_status finish_first(struct mr_parts *parts, struct mr_err *err)
{
    struct mr_output *output = parts->open[0];
    enum mr_status status = mr_output_finish(output, err);
    if (!status && json_array_append_new(parts->outputs, describe(output, parts->length_us[0])) < 0)
        status = mr_fail_oom(err);
    close_output(&parts->open[0]);
    parts->first++;
    parts->count--;
    for (int64_t i = 0; i < parts->count; i++) {
        parts->open[i] = parts->open[i + 1];
        parts->length_us[i] = parts->length_us[i + 1];
    }
    parts->open[parts->count] = NULL;
    return status || parts->count == 0 ? status : mr_output_go(parts->open[0], err);
}

static bool all_left_first(const struct mr_parts *parts)
{
    for (size_t i = 0; i < MR_SLOTS; i++)
        if (parts->has[i] && parts->left[i] <= parts->first)
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
    parts->has[slot] = false;
    for (int64_t i = 0; i < parts->count; i++)
        mr_output_give_up(parts->open[i], slot);
}
