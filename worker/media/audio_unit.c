#include "worker/media/audio_unit.h"

#include <libavutil/common.h>
#include <string.h>

/* The longest window of Vorbis (Vorbis I, 4.2.2): two encoders that begin so many samples apart begin their windows alike. */
enum { WINDOW_MAX = 8192 };

/* Speeds were measured on one core of a shared machine, of noise. The rate control of AAC takes five seconds and more to settle,
 * MP3 and Opus some frames. Vorbis needs a change in the audio, at which all encoders take short windows. What is not here is
 * encoded faster than it is decoded, measured and moved. */
static const struct mr_audio_cost costs[] = {
    {"libmp3lame", 90, 15, 0}, {"aac", 55, 15, 0}, {"libopus", 90, 15, 0}, {"libvorbis", 80, 60, WINDOW_MAX}};

const struct mr_audio_cost *mr_audio_cost_of(const char *encoder)
{
    for (size_t i = 0; encoder && i < sizeof costs / sizeof *costs; i++)
        if (strcmp(costs[i].encoder, encoder) == 0)
            return &costs[i];
    return NULL;
}

bool mr_audio_slice_is_part(const struct mr_audio_slice *slice)
{
    return slice->from_us > 0 || slice->to_us != INT64_MAX;
}

void mr_audio_slice_split(struct mr_audio_slice *slice, int64_t split_us, json_t *streams)
{
    slice->first_part = slice->from_us / split_us;
    slice->end_part = slice->to_us == INT64_MAX ? INT64_MAX : slice->to_us / split_us;
    slice->from_us = 0;
    slice->to_us = INT64_MAX;
    slice->streams = streams;
}

bool mr_audio_slice_leaves_out(const struct mr_audio_slice *slice, int64_t part)
{
    return slice->streams && (part < slice->first_part || part >= slice->end_part);
}

/* The frame that holds a time of the clip; slices that meet in a time meet in a frame. */
static int64_t frame_at(const AVCodecContext *encoder, int64_t us)
{
    if (us == INT64_MAX)
        return us;
    int64_t sample = av_rescale(us, encoder->sample_rate, 1000000);
    return sample - sample % encoder->frame_size;
}

/* The first sample of the encoder of a slice that begins later than the clip. */
static int64_t begin_at(const AVCodecContext *encoder, const struct mr_audio_cost *cost, int64_t from_us)
{
    int64_t begin = frame_at(encoder, from_us - (int64_t)cost->lead_s * 1000000);
    return begin <= 0 ? 0 : cost->head ? begin - begin % WINDOW_MAX : begin;
}

enum mr_status mr_audio_slice_begin(struct mr_audio_slice *slice, const struct mr_sandbox_fds *fds,
                                    const AVCodecContext *encoder, struct mr_err *err)
{
    slice->encoder = encoder;
    slice->first = INT64_MIN;
    slice->end = INT64_MAX;
    if (slice->is_measured) /* a decoder gives later than an encoder takes */
        slice->tail = encoder->sample_rate;
    if (mr_audio_slice_is_part(slice)) {
        const struct mr_audio_cost *cost = mr_audio_cost_of(encoder->codec->name);
        if (!cost || encoder->frame_size <= 0)
            return mr_fail_code(err, MR_CODE_UNIT_IMPOSSIBLE, "frames of audio have no fixed size");
        slice->end = frame_at(encoder, slice->to_us);
        if (slice->from_us > 0) {
            slice->first = frame_at(encoder, slice->from_us);
            slice->begin = begin_at(encoder, cost, slice->from_us);
            slice->head = cost->head;
        }
    }
    return mr_packets_begin(slice->writer, fds, encoder, err);
}

enum mr_status mr_audio_slice_take(struct mr_audio_slice *slice, const AVPacket *packet, struct mr_err *err)
{
    int64_t at = packet->pts + slice->encoder->initial_padding;
    slice->is_over |= at - slice->tail >= slice->end;
    return at >= slice->end || at + slice->head < slice->first ? MR_OK
                                                               : mr_packets_write(slice->writer, packet, err);
}

enum mr_status mr_audio_slice_end(struct mr_audio_slice *slice, int64_t part, int64_t samples,
                                  struct mr_err *err)
{
    const struct mr_packets_writer *writer = slice->writer;
    MR_TRY(mr_packets_end(slice->writer, err));
    if (!slice->streams)
        return MR_OK;
    json_t *stream = json_pack("[I, I, I, I, I, i]", (json_int_t)(writer->offset - writer->begin),
                               (json_int_t)writer->count, (json_int_t)writer->last_pts, (json_int_t)samples,
                               (json_int_t)part, 0);
    slice->is_over = part + 1 >= slice->end_part;
    return json_array_append_new(slice->streams, stream) == 0 ? MR_OK : mr_fail_oom(err);
}

/* Nothing is missing or there twice where two slices meet. Those of Vorbis meet in a packet (packets.h). */
static enum mr_status check_seam(const struct mr_packets_reader *joined, const AVPacket *packet,
                                 struct mr_err *err)
{
    bool is_first = !joined->last && joined->floor != INT64_MIN &&
                    joined->left == joined->parts[joined->part - 1].count - 1;
    return !is_first || packet->pts == joined->floor + joined->encoder->frame_size
               ? MR_OK
               : mr_fail_code(err, MR_CODE_UNIT_IMPOSSIBLE, "units of audio do not meet");
}

enum mr_status mr_audio_joined_take(struct mr_packets_reader *joined, int64_t encoded, AVPacket **ret,
                                    struct mr_err *err)
{
    const AVPacket *next = NULL;
    *ret = NULL;
    MR_TRY(mr_packets_peek(joined, &next, err));
    if (!next || (encoded != INT64_MAX && next->pts + next->duration > encoded))
        return MR_OK;
    MR_TRY(check_seam(joined, next, err));
    *ret = mr_packets_take(joined);
    return MR_OK;
}

enum mr_status mr_audio_joined_end(struct mr_packets_reader *joined, int64_t encoded, struct mr_err *err)
{
    int64_t samples = joined->parts[joined->end - 1].samples;
    if (joined->taken == joined->count && samples == encoded)
        return MR_OK;
    return mr_fail_code(err, MR_CODE_UNIT_IMPOSSIBLE, "units have %lld samples of audio, and the file %lld",
                        (long long)samples, (long long)encoded);
}
