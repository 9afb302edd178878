#include "worker/media/pipeline.h"

#include "shared/base/encoding.h"
#include "worker/media/cut.h"
#include "worker/protocol.h"
#include "worker/sandbox_client.h"

#include <errno.h>
#include <libavutil/channel_layout.h>
#include <libavutil/common.h>
#include <libavutil/samplefmt.h>

enum {
    PROGRESS_US = 250 * 1000,
    MISSING_MIN_US = 250 * 1000, /* padding of codecs explains less than this */
    MISSING_MAX_US = 2 * 1000 * 1000,
    BAD_PACKETS_FREE = 2, /* a cut at either end of a stream makes these */
    CHANNELS_MAX = 64,
};

enum mr_status mr_pipeline_init(struct mr_pipeline *pipeline, struct mr_err *err)
{
    pipeline->packet = av_packet_alloc();
    pipeline->frame = av_frame_alloc();
    pipeline->filtered = av_frame_alloc();
    if (!pipeline->packet || !pipeline->frame || !pipeline->filtered)
        return mr_av_fail(err, "internal", AVERROR(ENOMEM), "set the conversion up");
    return MR_OK;
}

void mr_pipeline_close(struct mr_pipeline *pipeline)
{
    mr_output_close(&pipeline->output);
    mr_filters_close(&pipeline->filters);
    av_packet_free(&pipeline->packet);
    av_frame_free(&pipeline->frame);
    av_frame_free(&pipeline->filtered);
}

int64_t mr_pipeline_decoded_us(const struct mr_pipeline *pipeline)
{
    if (!pipeline->rate)
        return 0;
    return pipeline->earlier_us + av_rescale(pipeline->samples, 1000000, pipeline->rate);
}

int64_t mr_pipeline_written_us(const struct mr_pipeline *pipeline)
{
    if (!pipeline->output.encoder)
        return mr_pipeline_decoded_us(pipeline);
    return av_rescale(pipeline->encoded - pipeline->lead_in, 1000000, pipeline->output.encoder->sample_rate);
}

/* A parent that does not listen any more is about to kill us; nothing to report to it. */
static void report_progress(struct mr_pipeline *pipeline)
{
    int64_t now = mr_time_monotonic_us();
    if (now - pipeline->progress_at_us < PROGRESS_US)
        return;
    pipeline->progress_at_us = now;
    const struct mr_input *input = pipeline->input;
    int64_t done = mr_pipeline_decoded_us(pipeline), all = input->estimated_us;
    if (all <= 0)
        done = avio_tell(input->format->pb), all = input->source->size;
    if (all > 0)
        (void)!mr_client_progress(
            pipeline->fds, (int)av_clip64(av_rescale(done, MR_PROGRESS_DONE, all), 0, MR_PROGRESS_DONE - 1));
}

/* ---- encoding ---- */

/* frame NULL: drain. */
static enum mr_status encode(struct mr_pipeline *pipeline, AVFrame *frame, struct mr_err *err)
{
    AVCodecContext *encoder = pipeline->output.encoder;
    if (frame) {
        frame->pts = pipeline->encoded - pipeline->lead_in;
        pipeline->encoded += frame->nb_samples;
    }
    MR_AUTO_PACKET AVPacket *packet = av_packet_alloc();
    int rc = packet ? avcodec_send_frame(encoder, frame) : AVERROR(ENOMEM);
    while (rc >= 0 && (rc = avcodec_receive_packet(encoder, packet)) >= 0) {
        enum mr_status status = mr_output_write(&pipeline->output, packet, err);
        if (status)
            return status;
    }
    if (rc != AVERROR(EAGAIN) && rc != AVERROR_EOF)
        return mr_av_fail(err, "internal", rc, "encode");
    return MR_OK;
}

static enum mr_status encode_filtered(struct mr_pipeline *pipeline, struct mr_err *err)
{
    for (;;) {
        bool got = false;
        enum mr_status status = mr_filters_pull(&pipeline->filters, pipeline->filtered, &got, err);
        if (!status && got)
            status = encode(pipeline, pipeline->filtered, err);
        av_frame_unref(pipeline->filtered);
        if (status || !got)
            return status;
    }
}

static enum mr_status drain_filters(struct mr_pipeline *pipeline, struct mr_err *err)
{
    if (!pipeline->filters.graph)
        return MR_OK;
    enum mr_status status = mr_filters_push(&pipeline->filters, NULL, err);
    return status ? status : encode_filtered(pipeline, err);
}

static enum mr_status lead_in(struct mr_pipeline *pipeline, struct mr_err *err)
{
    const AVCodecContext *encoder = pipeline->output.encoder;
    MR_AUTO_FRAME AVFrame *frame = av_frame_alloc();
    if (!frame)
        return mr_av_fail(err, "internal", AVERROR(ENOMEM), "lead in");
    frame->nb_samples = encoder->frame_size;
    frame->format = encoder->sample_fmt;
    frame->sample_rate = encoder->sample_rate;
    int rc = av_channel_layout_copy(&frame->ch_layout, &encoder->ch_layout);
    if (rc >= 0)
        rc = av_frame_get_buffer(frame, 0);
    if (rc >= 0)
        rc = av_samples_set_silence(frame->extended_data, 0, frame->nb_samples, frame->ch_layout.nb_channels,
                                    frame->format);
    if (rc < 0)
        return mr_av_fail(err, "internal", rc, "lead in");
    pipeline->lead_in = frame->nb_samples;
    return encode(pipeline, frame, err);
}

static enum mr_status open_for(struct mr_pipeline *pipeline, const AVFrame *frame, struct mr_err *err)
{
    enum mr_status status = MR_OK;
    if (!pipeline->output_open) {
        pipeline->output_open = true;
        status = mr_output_open_encoder(&pipeline->output, pipeline->sink, pipeline->spec, pipeline->input,
                                        frame, pipeline->notes, err);
        if (!status && pipeline->spec->needs_lead_in)
            status = lead_in(pipeline, err);
    }
    if (!status && !mr_filters_fit(&pipeline->filters, frame)) {
        status = drain_filters(pipeline, err);
        pipeline->filters.encoder = pipeline->output.encoder;
        if (!status)
            status = mr_filters_open(&pipeline->filters, frame, err);
    }
    return status;
}

/* ---- decoding ---- */

static void count_samples(struct mr_pipeline *pipeline, const AVFrame *frame)
{
    if (frame->sample_rate != pipeline->rate) {
        pipeline->earlier_us = mr_pipeline_decoded_us(pipeline);
        pipeline->samples = 0;
        pipeline->rate = frame->sample_rate;
    }
    pipeline->channels = frame->ch_layout.nb_channels;
    pipeline->samples += frame->nb_samples;
}

static enum mr_status take_frame(struct mr_pipeline *pipeline, AVFrame *frame, struct mr_err *err)
{
    if (frame->nb_samples <= 0)
        return MR_OK;
    if (frame->sample_rate <= 0 || frame->ch_layout.nb_channels <= 0 ||
        frame->ch_layout.nb_channels > CHANNELS_MAX)
        return mr_fail_code(err, MR_INVALID, "invalid_media", "audio of %d Hz with %d channels",
                            frame->sample_rate, frame->ch_layout.nb_channels);
    int64_t start = frame->sample_rate == pipeline->rate ? pipeline->samples : 0;
    count_samples(pipeline, frame);
    if (pipeline->copies)
        return MR_OK;
    enum mr_status status = open_for(pipeline, frame, err);
    frame->pts = start; /* in the graph's time base; a file's own timestamps may jump */
    if (!status)
        status = mr_filters_push(&pipeline->filters, frame, err);
    return status ? status : encode_filtered(pipeline, err);
}

static void note_size(struct mr_pipeline *pipeline, int size)
{
    int before = pipeline->packet_size.last;
    if (pipeline->packets == 1)
        pipeline->packet_size.smallest = pipeline->packet_size.largest = before;
    pipeline->packet_size.smallest = FFMIN(pipeline->packet_size.smallest, before);
    pipeline->packet_size.largest = FFMAX(pipeline->packet_size.largest, before);
    pipeline->packet_size.last = size;
}

/* packet NULL: drain. A damaged packet is counted, not an error. */
static enum mr_status decode(struct mr_pipeline *pipeline, const AVPacket *packet, struct mr_err *err)
{
    AVCodecContext *decoder = pipeline->input->decoder;
    int rc = avcodec_send_packet(decoder, packet);
    while (rc >= 0 && (rc = avcodec_receive_frame(decoder, pipeline->frame)) >= 0) {
        enum mr_status status = take_frame(pipeline, pipeline->frame, err);
        av_frame_unref(pipeline->frame);
        if (status)
            return status;
    }
    if (rc == AVERROR(ENOMEM))
        return mr_av_fail(err, "resource_limit", rc, "decode");
    bool is_bad =
        (rc != AVERROR(EAGAIN) && rc != AVERROR_EOF) || (packet && (packet->flags & AV_PKT_FLAG_CORRUPT));
    if (packet)
        note_size(pipeline, packet->size);
    pipeline->packets += packet != NULL;
    pipeline->bad_packets += is_bad;
    pipeline->last_is_bad = packet ? is_bad : pipeline->last_is_bad || is_bad;
    return MR_OK;
}

/* ---- copying ---- */

/* A file's time stamps may be missing or jump back; a muxer wants them to rise. */
static enum mr_status copy_packet(struct mr_pipeline *pipeline, AVPacket *packet, struct mr_err *err)
{
    int64_t at = packet->pts != AV_NOPTS_VALUE ? packet->pts : packet->dts;
    if (at == AV_NOPTS_VALUE || (pipeline->copied_any && at <= pipeline->copied_last))
        at = pipeline->copied_until;
    packet->pts = packet->dts = at; /* audio is not reordered */
    pipeline->copied_any = true;
    pipeline->copied_last = at;
    pipeline->copied_until = at + FFMAX(packet->duration, 1);
    return mr_output_write(&pipeline->output, packet, err);
}

/* ---- the end ---- */

static enum mr_status check_damage(const struct mr_pipeline *pipeline, struct mr_err *err)
{
    if (mr_pipeline_decoded_us(pipeline) == 0)
        return mr_fail_code(err, MR_INVALID, "invalid_media", "the file holds no audio that can be decoded");
    if (pipeline->bad_packets > FFMAX(BAD_PACKETS_FREE, pipeline->packets / 10))
        return mr_fail_code(err, MR_INVALID, "invalid_media", "%lld of %lld packets are damaged",
                            (long long)pipeline->bad_packets, (long long)pipeline->packets);
    if (pipeline->bad_packets)
        mr_notes_warn(pipeline->notes, "damaged_packets", "%lld of %lld packets are damaged",
                      (long long)pipeline->bad_packets, (long long)pipeline->packets);
    return MR_OK;
}

/* At a constant bit rate MP3 frames differ by one byte of padding at most: a shorter one at the end was cut.
 */
static bool ends_in_a_frame(const struct mr_pipeline *pipeline)
{
    return pipeline->input->decoder->codec_id == AV_CODEC_ID_MP3 && pipeline->packets > 2 &&
           pipeline->packet_size.largest - pipeline->packet_size.smallest <= 1 &&
           pipeline->packet_size.last < pipeline->packet_size.smallest;
}

/* A file that states no length (CBR MP3 without a Xing header, ADTS, MPEG-TS) and is cut between two packets
 * cannot be told from a whole one. */
static enum mr_status check_length(const struct mr_pipeline *pipeline, struct mr_err *err)
{
    int64_t declared = pipeline->input->declared_us, decoded = mr_pipeline_decoded_us(pipeline);
    int64_t missing = declared - decoded;
    if (declared >= 0 && missing > av_clip64(declared / 100, MISSING_MIN_US, MISSING_MAX_US))
        return mr_fail_code(err, MR_INVALID, "truncated",
                            "the file breaks off: it declares %.3f s of audio and holds %.3f s",
                            (double)declared / 1e6, (double)decoded / 1e6);
    if (mr_cut_ogg_is_open(pipeline->input->source))
        mr_notes_warn(pipeline->notes, "truncated",
                      "the file does not end as an Ogg file should: its end may be missing");
    else if (pipeline->input->missing_bytes)
        mr_notes_warn(pipeline->notes, "truncated", "%lld bytes are missing at the end of the file",
                      (long long)pipeline->input->missing_bytes);
    else if (pipeline->last_is_bad || ends_in_a_frame(pipeline))
        mr_notes_warn(pipeline->notes, "truncated",
                      "the last packet is damaged: the end of the file may be missing");
    return MR_OK;
}

static enum mr_status finish(struct mr_pipeline *pipeline, struct mr_err *err)
{
    enum mr_status status = decode(pipeline, NULL, err);
    if (!status)
        status = check_damage(pipeline, err);
    if (!status)
        status = check_length(pipeline, err);
    if (!status && pipeline->copies)
        status = mr_output_write(&pipeline->output, NULL, err);
    if (!status && !pipeline->copies)
        status = drain_filters(pipeline, err);
    if (!status && !pipeline->copies)
        status = encode(pipeline, NULL, err);
    return status ? status : mr_output_finish(&pipeline->output, err);
}

/* Why did the demuxer stop? Some report a packet cut by the end of the file as a failed read. */
static enum mr_status judge_end(struct mr_pipeline *pipeline, int rc, struct mr_err *err)
{
    const struct mr_source *source = pipeline->input->source;
    if (source->failed)
        return mr_fail_code(err, MR_INTERNAL, "internal", "the parent stopped to read");
    if (rc == AVERROR_EOF)
        return MR_OK;
    if (rc == AVERROR(ENOMEM) || source->at < source->size)
        return mr_av_fail(err, "invalid_media", rc, "the file cannot be read to its end");
    pipeline->packets++;
    pipeline->bad_packets++;
    pipeline->last_is_bad = true;
    return MR_OK;
}

enum mr_status mr_pipeline_run(struct mr_pipeline *pipeline, struct mr_err *err)
{
    struct mr_input *input = pipeline->input;
    enum mr_status status = MR_OK;
    int rc;
    pipeline->copies = mr_output_can_copy(input, pipeline->spec);
    if (pipeline->copies)
        status = mr_output_open_copy(&pipeline->output, pipeline->sink, pipeline->spec, input,
                                     pipeline->notes, err);
    while (!status && (rc = av_read_frame(input->format, pipeline->packet)) >= 0) {
        if (pipeline->packet->stream_index == input->audio->index) {
            status = decode(pipeline, pipeline->packet, err);
            if (!status && pipeline->copies)
                status = copy_packet(pipeline, pipeline->packet, err);
        }
        av_packet_unref(pipeline->packet);
        report_progress(pipeline);
    }
    if (!status)
        status = judge_end(pipeline, rc, err);
    return status ? status : finish(pipeline, err);
}
