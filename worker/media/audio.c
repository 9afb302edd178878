#include "worker/media/audio.h"

#include "worker/media/chain.h"
#include "worker/media/copy_rules.h"
#include "worker/media/junk.h"
#include "worker/media/samples.h"

#include <errno.h>
#include <libavutil/avstring.h>
#include <libavutil/channel_layout.h>
#include <libavutil/common.h>
#include <libavutil/intreadwrite.h>
#include <string.h>

enum { HIDDEN_KEPT_US = 30 * 1000 }; /* a decoder needs a few frames before the first that is heard */

#define FULL_SCALE 1.0F

static struct mr_audio *audio_of(struct mr_track *track)
{
    return (struct mr_audio *)track;
}

static const struct mr_audio *const_audio_of(const struct mr_track *track)
{
    return (const struct mr_audio *)track;
}

static int64_t decoded_us_of(const struct mr_audio *audio)
{
    return audio->rate ? audio->earlier_us + av_rescale(audio->samples, 1000000, audio->rate) : 0;
}

/* Where a frame from the filters belongs, in samples of the clip. */
static int64_t place_filtered(const struct mr_audio *audio, const AVFrame *frame)
{
    const struct mr_timeline *timeline = audio->track.parts->timeline;
    AVRational samples = {1, audio->clip.part.encoder->sample_rate};
    if (!timeline->is_timed)
        return audio->filtered_count +
               av_rescale_q(audio->filled_us - timeline->skip_us, AV_TIME_BASE_Q, samples);
    if (frame->pts == AV_NOPTS_VALUE)
        return audio->clip.next;
    return av_rescale_q(frame->pts, mr_filters_time_base(&audio->filters), samples);
}

static enum mr_status take_filtered(struct mr_audio *audio, struct mr_err *err)
{
    AVFrame *frame = audio->filtered;
    for (;;) {
        bool got = false;
        MR_TRY(mr_filters_pull(&audio->filters, frame, &got, err));
        if (!got)
            return mr_audio_clip_advance(&audio->clip, err);
        int64_t at = place_filtered(audio, frame);
        audio->filtered_count += frame->nb_samples;
        MR_TRY(mr_audio_clip_append(&audio->clip, at, frame, err));
        av_frame_unref(frame);
    }
}

static enum mr_status drain_filters(struct mr_audio *audio, struct mr_err *err)
{
    if (!audio->filters.graph)
        return MR_OK;
    MR_TRY(mr_filters_end(&audio->filters, AV_NOPTS_VALUE, err));
    return take_filtered(audio, err);
}

static void count_samples(struct mr_audio *audio, const AVFrame *frame)
{
    if (frame->sample_rate != audio->rate) {
        audio->earlier_us = decoded_us_of(audio);
        audio->samples = 0;
        audio->rate = frame->sample_rate;
    }
    audio->channels = frame->ch_layout.nb_channels;
    audio->samples += frame->nb_samples;
}

/* Copied, or written as it was decoded, audio is as loud as before. */
const struct mr_meter *mr_audio_meter_out(const struct mr_audio *audio)
{
    return audio->clip.part.differs ? &audio->clip.part.out : &audio->in;
}

bool mr_audio_is_measured(const struct mr_audio *audio)
{
    return !audio->counter.is_on;
}

/* Measures the part of a frame that is in the clip. at: where the frame begins there, in samples of its rate. */
static enum mr_status measure(struct mr_audio *audio, const AVFrame *frame, int64_t at, struct mr_err *err)
{
    int64_t length_us = audio->track.parts->timeline->length_us;
    if (audio->track.parts->unit) /* the join measures */
        return MR_OK;
    int64_t length = length_us == INT64_MAX ? INT64_MAX : av_rescale(length_us, frame->sample_rate, 1000000);
    if (at >= 0 && at + frame->nb_samples <= length)
        return mr_meter_listen(&audio->in, frame, err);
    MR_AUTO_FRAME AVFrame *inside = av_frame_clone(frame);
    if (!inside)
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "measure the loudness");
    mr_samples_crop_to(inside, at, length);
    return mr_meter_listen(&audio->in, inside, err);
}

/* From now on what is written differs from what was decoded, and is measured on its own. */
static void measure_apart(struct mr_audio *audio)
{
    if (!audio->clip.part.differs)
        mr_meter_continue(&audio->clip.part.out, &audio->in);
    audio->clip.part.differs = true;
}

static bool will_differ(const struct mr_audio *audio, const AVFrame *frame)
{
    return audio->gain->filters[0] || frame->sample_rate != audio->clip.part.encoder->sample_rate ||
           frame->ch_layout.nb_channels != audio->clip.part.encoder->ch_layout.nb_channels;
}

/* The encoder, if there is none yet, and filters that take this frame. */
static enum mr_status open_for(struct mr_audio *audio, const AVFrame *frame, struct mr_err *err)
{
    if (!mr_audio_clip_is_open(&audio->clip))
        MR_TRY(mr_audio_clip_open(&audio->clip, frame, err));
    if (mr_filters_fit(&audio->filters, frame))
        return MR_OK;
    MR_TRY(drain_filters(audio, err));
    if (will_differ(audio, frame))
        measure_apart(audio);
    const AVCodecContext *encoder = audio->clip.part.encoder;
    return mr_filters_open_audio(&audio->filters, frame, encoder, encoder->sample_fmt, audio->gain->filters,
                                 err);
}

/* A clock that stands still says nothing: the frame follows the one before it. */
static bool is_timed(struct mr_audio *audio, const AVFrame *frame)
{
    bool stands = frame->best_effort_timestamp == audio->stated;
    audio->stated = frame->best_effort_timestamp;
    return !stands && frame->best_effort_timestamp != AV_NOPTS_VALUE;
}

/* Where a frame begins on the clip, in samples of its rate. */
static int64_t place_on_clip(struct mr_audio *audio, const AVFrame *frame, int64_t decoded_us)
{
    const struct mr_timeline *timeline = audio->track.parts->timeline;
    AVRational samples = {1, frame->sample_rate};
    if (!timeline->is_timed) /* a file's own time stamps may jump */
        return av_rescale_q(decoded_us + audio->filled_us - timeline->skip_us, AV_TIME_BASE_Q, samples);
    int64_t length_us = av_rescale(frame->nb_samples, 1000000, frame->sample_rate);
    if (is_timed(audio, frame)) {
        int64_t at = av_rescale_q(frame->best_effort_timestamp, audio->track.stream->time_base, samples) -
                     av_rescale_q(timeline->origin_us, AV_TIME_BASE_Q, samples);
        audio->end_us = av_rescale_q(at, samples, AV_TIME_BASE_Q) + length_us;
        return at;
    }
    int64_t at_us = audio->end_us;
    audio->end_us += length_us;
    return audio->clip.next > 0
               ? av_rescale(audio->clip.next, frame->sample_rate, audio->clip.part.encoder->sample_rate)
               : av_rescale_q(at_us, AV_TIME_BASE_Q, samples);
}

static bool changes(const struct mr_audio *audio, const AVFrame *frame)
{
    return audio->rate &&
           (frame->sample_rate != audio->rate || frame->ch_layout.nb_channels != audio->channels);
}

/* Silence belongs before the next frame: what came before it must be out of the filters first. */
static enum mr_status meet_hole(struct mr_audio *audio, int64_t hole_us, struct mr_err *err)
{
    if (audio->copies)
        return mr_audio_copy_refuse(&audio->copy, "audio with holes", err);
    int64_t end_us = decoded_us_of(audio) + audio->filled_us + hole_us;
    MR_TRY(mr_timeline_check(audio->track.parts->timeline, end_us, err));
    MR_TRY(drain_filters(audio, err));
    mr_filters_close(&audio->filters);
    audio->filled_us += hole_us;
    return MR_OK;
}

/* How much silence belongs before the frame. With video, and encoded, all time stamps count anyway. */
static int64_t hole_before(struct mr_audio *audio, const AVFrame *frame)
{
    if (!audio->copies && audio->track.parts->timeline->is_timed)
        return 0;
    return mr_gaps_before(&audio->gaps, audio->track.stream, frame);
}

static enum mr_status hear_copied(struct mr_audio *audio, const AVFrame *frame, struct mr_err *err)
{
    const struct mr_sample_block block = {frame->extended_data, frame->format, frame->ch_layout.nb_channels};
    if (audio->clip.waveform)
        MR_TRY(mr_waveform_hear(audio->clip.waveform, &block, frame->sample_rate, frame->nb_samples, err));
    return mr_meter_listen(&audio->in, frame, err);
}

static enum mr_status take_frame(void *ctx, AVFrame *frame, struct mr_err *err)
{
    struct mr_audio *audio = ctx;
    if (frame->nb_samples <= 0)
        return MR_OK;
    MR_TRY(mr_samples_check_form(frame->sample_rate, frame->ch_layout.nb_channels, err));
    int64_t hole_us = hole_before(audio, frame);
    if (hole_us > 0)
        MR_TRY(meet_hole(audio, hole_us, err));
    if (audio->copies && changes(audio, frame))
        return mr_audio_copy_refuse(&audio->copy, "audio whose form changes", err);
    int64_t decoded_us = decoded_us_of(audio);
    count_samples(audio, frame);
    if (audio->copies)
        return audio->counter.is_learned ? MR_OK : hear_copied(audio, frame, err);
    if (audio->clip.is_done)
        return MR_OK;
    MR_TRY(open_for(audio, frame, err));
    frame->pts = place_on_clip(audio, frame, decoded_us);
    MR_TRY(measure(audio, frame, frame->pts, err));
    if (audio->in.peak > FULL_SCALE) /* integer samples cannot hold it */
        measure_apart(audio);
    MR_TRY(mr_filters_push(&audio->filters, frame, err));
    return take_filtered(audio, err);
}

/* Audio that an edit list leaves out of a copy: all but what a decoder needs before the first frame. */
static bool is_hidden(const struct mr_audio *audio, const AVPacket *packet)
{
    const struct mr_track *track = &audio->track;
    if (!(packet->flags & AV_PKT_FLAG_DISCARD) || packet->pts == AV_NOPTS_VALUE)
        return false;
    if (audio->has_shown)
        return true;
    int64_t end_us = av_rescale_q(packet->pts + packet->duration, track->stream->time_base, AV_TIME_BASE_Q);
    return end_us < track->parts->input->start_us - HIDDEN_KEPT_US;
}

/* libav calls the last packet corrupt where a header states more than there is; but many headers do, and what is missing
 * is told apart. */
static void mend(const struct mr_audio *audio, AVPacket *packet)
{
    const struct mr_demuxer *input = audio->track.parts->input;
    if (mr_demuxer_is_raw(input) && (input->states_size || audio->track.declared_us < 0))
        packet->flags &= ~AV_PKT_FLAG_CORRUPT;
    if (audio->track.decoder.is_bare)
        mr_junk_trim_behind(audio->track.stream->codecpar->codec_id, packet);
    if (audio->block > 0 && packet->size > audio->block) /* W64 fills chunks up */
        packet->size -= packet->size % audio->block;
}

/* What a decoder of the input skips at the start: whole packets, or the first samples of one. */
static int64_t lead_of(const struct mr_audio *audio, const AVPacket *packet)
{
    enum { SKIP_SIZE = 10 };
    const AVStream *stream = audio->track.stream;
    size_t size = 0;
    const uint8_t *skip = av_packet_get_side_data(packet, AV_PKT_DATA_SKIP_SAMPLES, &size);
    if (audio->has_shown)
        return 0;
    if (packet->flags & AV_PKT_FLAG_DISCARD)
        return av_rescale_q(packet->duration, stream->time_base,
                            (AVRational){1, FFMAX(stream->codecpar->sample_rate, 1)});
    return skip && size >= SKIP_SIZE ? AV_RL32(skip) : 0;
}

/* Decodes a packet that the counter can learn from. */
static enum mr_status learn(struct mr_audio *audio, const AVPacket *packet, struct mr_err *err)
{
    struct mr_decoder *decoder = &audio->track.decoder;
    int64_t before = audio->samples;
    MR_TRY(mr_decoder_push(decoder, packet, take_frame, audio, err));
    if (audio->counter.is_on)
        mr_counter_learn(&audio->counter, packet, decoder->context, audio->samples - before,
                         !mr_decoder_is_damaged(decoder) && !decoder->tail_packets && !decoder->links);
    return MR_OK;
}

/* Decodes a packet or, where it tells enough of itself, counts it. */
static enum mr_status read_packet(struct mr_audio *audio, const AVPacket *packet, struct mr_err *err)
{
    struct mr_decoder *decoder = &audio->track.decoder;
    struct mr_link link;
    if (!audio->counter.is_learned)
        return learn(audio, packet, err);
    if (mr_chain_begins(decoder->context, decoder->stream, packet, &link))
        return mr_audio_copy_refuse(&audio->copy, "chained audio", err);
    if (!mr_counter_read(&audio->counter, packet, decoder->frame))
        return mr_parts_doubt(audio->track.parts, err);
    mr_decoder_count_unseen(decoder, packet);
    enum mr_status status = take_frame(audio, decoder->frame, err);
    av_frame_unref(decoder->frame);
    return status;
}

static enum mr_status take_packet(struct mr_track *track, AVPacket *packet, struct mr_err *err)
{
    struct mr_audio *audio = audio_of(track);
    int64_t before = audio->samples;
    mend(audio, packet);
    if (audio->is_mp3_file && !mr_junk_trim(packet, audio->samples == 0))
        return MR_OK;
    MR_TRY(read_packet(audio, packet, err));
    bool is_junk = track->decoder.tail_packets > 0;
    if (audio->copies && track->decoder.links)
        return mr_audio_copy_refuse(&audio->copy, "chained audio", err);
    if (!audio->copies || is_hidden(audio, packet) || (is_junk && audio->samples == before))
        return MR_OK;
    if (is_junk)
        return mr_audio_copy_refuse(&audio->copy, "audio with other bytes in its packets", err);
    audio->lead += lead_of(audio, packet);
    audio->has_shown |= !(packet->flags & AV_PKT_FLAG_DISCARD);
    return mr_audio_copy_packet(&audio->copy, packet, before, audio->samples, audio->rate, err);
}

static enum mr_status open_late(struct mr_track *track, struct mr_err *err)
{
    struct mr_audio *audio = audio_of(track);
    if (audio->copies)
        return mr_audio_copy_open(&audio->copy, err);
    if (mr_audio_clip_is_open(&audio->clip))
        return MR_OK;
    const AVCodecParameters *params = track->stream->codecpar;
    enum AVSampleFormat of_decoder = track->decoder.context->sample_fmt;
    MR_AUTO_FRAME AVFrame *frame = av_frame_alloc();
    if (!frame || av_channel_layout_copy(&frame->ch_layout, &params->ch_layout) < 0)
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "set the encoder up");
    frame->sample_rate = params->sample_rate;
    frame->format = params->format >= 0 ? params->format
                    : of_decoder >= 0   ? (int)of_decoder
                                        : AV_SAMPLE_FMT_FLTP;
    if (frame->sample_rate > 0 && frame->ch_layout.nb_channels > 0)
        return mr_audio_clip_open(&audio->clip, frame, err);
    mr_track_give_up(track);
    return MR_OK;
}

static enum mr_status advance(struct mr_track *track, struct mr_err *err)
{
    struct mr_audio_clip *clip = &audio_of(track)->clip;
    return mr_audio_clip_is_open(clip) ? mr_audio_clip_advance(clip, err) : MR_OK;
}

static enum mr_status pad(struct mr_track *track, int64_t until_us, struct mr_err *err)
{
    struct mr_audio_clip *clip = &audio_of(track)->clip;
    return mr_audio_clip_is_open(clip) ? mr_audio_clip_pad(clip, until_us, err) : MR_OK;
}

static enum mr_status ignore(void *ctx, AVFrame *frame, struct mr_err *err)
{
    (void)ctx, (void)frame, (void)err;
    return MR_OK;
}

/* Nothing may be missing between what was counted, and the last packet must be whole. */
static enum mr_status end_count(struct mr_audio *audio, struct mr_err *err)
{
    struct mr_decoder *decoder = &audio->track.decoder;
    struct mr_parts *parts = audio->track.parts;
    if (!mr_counter_fills(&audio->counter, parts->input->source->size))
        return mr_parts_doubt(parts, err);
    if (audio->counter.last)
        MR_TRY(mr_decoder_push(decoder, audio->counter.last, ignore, NULL, err));
    return decoder->last_is_bad ? mr_parts_doubt(parts, err) : MR_OK;
}

static enum mr_status drain(struct mr_track *track, struct mr_err *err)
{
    struct mr_audio *audio = audio_of(track);
    if (audio->counter.is_learned)
        return end_count(audio, err);
    MR_TRY(mr_decoder_push(&track->decoder, NULL, take_frame, audio, err));
    return audio->copies ? MR_OK : drain_filters(audio, err);
}

static enum mr_status finish(struct mr_track *track, int64_t end_us, struct mr_err *err)
{
    struct mr_audio *audio = audio_of(track);
    return audio->copies
               ? mr_audio_copy_finish(&audio->copy, audio->lead + audio->samples, decoded_us_of(audio), err)
               : mr_audio_clip_finish(&audio->clip, end_us, err);
}

static int64_t position(const struct mr_track *track)
{
    const struct mr_audio *audio = const_audio_of(track);
    return mr_audio_clip_is_open(&audio->clip) ? mr_audio_clip_position_us(&audio->clip)
                                               : decoded_us_of(audio);
}

/* With the holes in it. */
static int64_t decoded(const struct mr_track *track)
{
    const struct mr_audio *audio = const_audio_of(track);
    int64_t us = decoded_us_of(audio) + audio->filled_us;
    return track->parts->timeline->is_timed ? FFMAX(us, position(track)) : us;
}

static bool is_done(const struct mr_track *track)
{
    return const_audio_of(track)->clip.is_done;
}

static bool is_empty(const struct mr_track *track)
{
    const struct mr_audio *audio = const_audio_of(track);
    return audio->copies ? audio->samples == 0 : !audio->clip.has_audio;
}

static void free_audio(struct mr_track *track)
{
    struct mr_audio *audio = audio_of(track);
    mr_decoder_free(&track->decoder);
    mr_counter_free(&audio->counter);
    mr_meter_free(&audio->in);
    mr_filters_close(&audio->filters);
    av_frame_free(&audio->filtered);
    mr_audio_clip_free(&audio->clip);
}

static const struct mr_track_ops ops = {
    .name = "audio",
    .tolerance = {.share = 100, .min_us = 250 * 1000 /* the padding of codecs */, .max_us = 2 * 1000 * 1000},
    .packet = take_packet,
    .open_late = open_late,
    .advance = advance,
    .pad = pad,
    .drain = drain,
    .finish = finish,
    .position = position,
    .decoded = decoded,
    .is_done = is_done,
    .is_empty = is_empty,
    .free = free_audio,
};

enum mr_status mr_audio_init(struct mr_audio *audio, struct mr_parts *parts, size_t index,
                             const struct mr_sync *sync, const struct mr_gain *gain, struct mr_err *err)
{
    const struct mr_demuxer *input = parts->input;
    const struct mr_input_track *from = &input->audios[index];
    enum mr_slot slot = MR_SLOT_AUDIO + (enum mr_slot)index;
    *audio = (struct mr_audio){.track = {.ops = &ops,
                                         .slot = slot,
                                         .parts = parts,
                                         .stream = from->stream,
                                         .declared_us = from->declared_us},
                               .gain = gain,
                               .stated = AV_NOPTS_VALUE,
                               .filtered = av_frame_alloc(),
                               .copy = {.parts = parts, .source = from->stream, .slot = slot}};
    audio->gaps = mr_gaps_of(input);
    audio->is_mp3_file = strcmp(input->format->iformat->name, "mp3") == 0;
    if (mr_demuxer_is_raw(input) && av_get_exact_bits_per_sample(from->stream->codecpar->codec_id) >= 8)
        audio->block = from->stream->codecpar->block_align;
    audio->copies = !parts->unit && !(parts->encode_audio & UINT32_C(1) << index) &&
                    !mr_options_change(parts->options, MR_OF_AUDIO, input->video != NULL) &&
                    mr_copy_is_possible(input, from->stream, parts->spec);
    if (audio->copies && !mr_parts_decodes_copies(parts))
        mr_counter_init(&audio->counter, from->stream, strcmp(input->format->iformat->name, "aac") == 0);
    mr_meter_init(&audio->in);
    mr_audio_clip_init(&audio->clip, parts, sync, slot, from->stream);
    if (!audio->filtered)
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "set the conversion up");
    MR_TRY(mr_decoder_init(&audio->track.decoder, from->decoder, err));
    audio->track.decoder.stream = from->stream;
    audio->track.decoder.is_bare = av_match_list(input->format->iformat->name, "mp3,ac3,eac3,flac", ',');
    return MR_OK;
}
