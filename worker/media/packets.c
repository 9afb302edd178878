#include "worker/media/packets.h"

#include "worker/protocol.h"
#include "worker/sandbox_client.h"

#include <errno.h>
#include <libavutil/common.h>
#include <string.h>

enum { BUFFER = MR_FRAME_MAX, HEADER_MAX = 1 << 20, SKIP_SIZE = 10, VERSION = 2 };

struct mr_packets_head {
    char magic[8];
    int32_t version;
    int32_t codec; /* enum AVCodecID */
    int32_t base_num, base_den;
    int32_t width, height;
    int32_t sar_num, sar_den;
    int32_t range, space, primaries, transfer, chroma;
    int32_t sample_rate, channels, frame_size, padding; /* of audio */
    int32_t header_size;
};
static const char magic[8] = "mrunit\r\n";

struct mr_packets_packet {
    int64_t pts, dts, duration;
    int32_t size; /* -1: the end */
    int32_t flags;
    uint8_t skip
        [SKIP_SIZE]; /* of audio: what decoders are to leave out, as AV_PKT_DATA_SKIP_SAMPLES; zeros: nothing */
    uint8_t unused[16 - SKIP_SIZE]; /* zeros */
};

static enum mr_status flush(struct mr_packets_writer *writer, struct mr_err *err)
{
    if (!mr_client_write(writer->fds, 0, writer->offset, writer->buffer, writer->buffered))
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(EPIPE), "write the unit");
    writer->offset += (int64_t)writer->buffered;
    writer->buffered = 0;
    return MR_OK;
}

static enum mr_status put(struct mr_packets_writer *writer, const void *data, size_t len, struct mr_err *err)
{
    const uint8_t *bytes = data;
    while (len) {
        size_t part = FFMIN(len, BUFFER - writer->buffered);
        memcpy(writer->buffer + writer->buffered, bytes, part);
        writer->buffered += part;
        bytes += part;
        len -= part;
        if (writer->buffered == BUFFER)
            MR_TRY(flush(writer, err));
    }
    return MR_OK;
}

static struct mr_packets_head head_of(const AVCodecContext *encoder)
{
    struct mr_packets_head head = {.version = VERSION,
                                   .codec = (int32_t)encoder->codec_id,
                                   .base_num = encoder->time_base.num,
                                   .base_den = encoder->time_base.den,
                                   .width = encoder->width,
                                   .height = encoder->height,
                                   .sar_num = encoder->sample_aspect_ratio.num,
                                   .sar_den = encoder->sample_aspect_ratio.den,
                                   .range = (int32_t)encoder->color_range,
                                   .space = (int32_t)encoder->colorspace,
                                   .primaries = (int32_t)encoder->color_primaries,
                                   .transfer = (int32_t)encoder->color_trc,
                                   .chroma = (int32_t)encoder->chroma_sample_location,
                                   .sample_rate = encoder->sample_rate,
                                   .channels = encoder->ch_layout.nb_channels,
                                   .frame_size = encoder->frame_size,
                                   .padding = encoder->initial_padding,
                                   .header_size = encoder->extradata_size};
    memcpy(head.magic, magic, sizeof magic);
    return head;
}

enum mr_status mr_packets_begin(struct mr_packets_writer *writer, const struct mr_sandbox_fds *fds,
                                const AVCodecContext *encoder, struct mr_err *err)
{
    const struct mr_packets_head head = head_of(encoder);
    *writer = (struct mr_packets_writer){.fds = fds,
                                         .offset = writer->offset,
                                         .begin = writer->offset,
                                         .buffer = writer->buffer ? writer->buffer : av_malloc(BUFFER),
                                         .last_pts = INT64_MIN};
    if (!writer->buffer)
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "write the unit");
    MR_TRY(put(writer, &head, sizeof head, err));
    return put(writer, encoder->extradata, (size_t)encoder->extradata_size, err);
}

enum mr_status mr_packets_write(struct mr_packets_writer *writer, const AVPacket *packet, struct mr_err *err)
{
    struct mr_packets_packet head = {.pts = packet->pts,
                                     .dts = packet->dts,
                                     .duration = packet->duration,
                                     .size = packet->size,
                                     .flags = packet->flags};
    size_t size = 0;
    const uint8_t *skip = av_packet_get_side_data(packet, AV_PKT_DATA_SKIP_SAMPLES, &size);
    if (skip && size == SKIP_SIZE)
        memcpy(head.skip, skip, SKIP_SIZE);
    writer->count++;
    writer->last_pts = FFMAX(writer->last_pts, packet->pts);
    MR_TRY(put(writer, &head, sizeof head, err));
    return put(writer, packet->data, (size_t)packet->size, err);
}

enum mr_status mr_packets_end(struct mr_packets_writer *writer, struct mr_err *err)
{
    const struct mr_packets_packet end = {.pts = writer->count, .size = -1};
    MR_TRY(put(writer, &end, sizeof end, err));
    return flush(writer, err);
}

void mr_packets_writer_free(struct mr_packets_writer *writer)
{
    av_freep(&writer->buffer);
}

static enum mr_status misfit(struct mr_err *err, const char *what)
{
    return mr_fail_code(err, MR_CODE_UNIT_IMPOSSIBLE, "units do not fit together: %s", what);
}

static enum mr_status unlike(struct mr_err *err)
{
    return misfit(err, "two encoders of Vorbis did not make the same packet where they meet");
}

bool mr_packets_reader_has(const struct mr_packets_reader *reader, int64_t output)
{
    return reader->end < reader->part_count && reader->parts[reader->end].output == output;
}

int64_t mr_packets_reader_frames(const struct mr_packets_reader *reader)
{
    int64_t count = 0;
    for (size_t i = 0; i < reader->part_count; i++)
        count += reader->parts[i].count - reader->parts[i].added;
    return count;
}

enum mr_status mr_packets_reader_begin(struct mr_packets_reader *reader, const AVCodecContext *encoder,
                                       int64_t output, int64_t frame, struct mr_err *err)
{
    if (reader->part != reader->end || reader->next || !mr_packets_reader_has(reader, output))
        return misfit(err, "they are of other parts");
    reader->encoder = encoder;
    reader->frame = frame;
    reader->floor = reader->last_dts = reader->last_pts = INT64_MIN;
    reader->count = reader->taken = 0;
    av_packet_free(&reader->last);
    for (; mr_packets_reader_has(reader, output); reader->end++) {
        reader->count += reader->parts[reader->end].count;
        reader->last_pts = FFMAX(reader->last_pts, reader->parts[reader->end].last_pts);
    }
    return MR_OK;
}

static void close_part(struct mr_packets_reader *reader)
{
    if (reader->is_open)
        mr_source_close(&reader->source);
    reader->is_open = false;
}

void mr_packets_reader_free(struct mr_packets_reader *reader)
{
    close_part(reader);
    av_packet_free(&reader->next);
    av_packet_free(&reader->last);
}

static enum mr_status get(struct mr_packets_reader *reader, void *data, int len, struct mr_err *err)
{
    if (len == 0 || avio_read(reader->source.io, data, len) == len)
        return MR_OK;
    if (reader->source.failed)
        return mr_fail_code(err, MR_CODE_INTERNAL, "the parent stopped serving units");
    return misfit(err, "one is cut");
}

/* One set of parameters holds for the whole stream. */
static enum mr_status check_head(struct mr_packets_reader *reader, struct mr_err *err)
{
    const AVCodecContext *encoder = reader->encoder;
    const struct mr_packets_head wanted = head_of(encoder);
    struct mr_packets_head head;
    MR_TRY(get(reader, &head, sizeof head, err));
    if (memcmp(&head, &wanted, sizeof head) != 0 || head.header_size > HEADER_MAX)
        return misfit(err, "they have different settings");
    uint8_t *header = av_malloc((size_t)head.header_size + 1);
    if (!header)
        return mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "read a unit");
    enum mr_status status = get(reader, header, head.header_size, err);
    bool is_same = status == MR_OK && (head.header_size == 0 ||
                                       memcmp(header, encoder->extradata, (size_t)head.header_size) == 0);
    av_free(header);
    return status != MR_OK || is_same ? status : misfit(err, "their encoders had different headers");
}

static enum mr_status open_next(struct mr_packets_reader *reader, struct mr_err *err)
{
    const struct mr_packets_part *part = &reader->parts[reader->part];
    if (part->size <= 0 || part->count <= 0)
        return misfit(err, "one is empty");
    MR_TRY(mr_source_open(&reader->source, reader->fds, MR_SOURCE_UNITS, part->size, err));
    reader->is_open = true;
    reader->is_found = !reader->last;
    reader->source.base = reader->base;
    reader->base += part->size;
    reader->left = part->count;
    reader->part++;
    return check_head(reader, err);
}

static enum mr_status end_part(struct mr_packets_reader *reader, const struct mr_packets_packet *head,
                               struct mr_err *err)
{
    const struct mr_packets_part *part = &reader->parts[reader->part - 1];
    if (head->size != -1 || head->pts != part->count)
        return misfit(err, "one has more packets than it said");
    if (!reader->is_found)
        return unlike(err);
    reader->floor = part->last_pts;
    close_part(reader);
    return MR_OK;
}

/* Time stamps rise from unit to unit, at a constant rate by one frame. Decoding times of a variable rate may overlap a
 * little where two meet. */
static enum mr_status check_times(struct mr_packets_reader *reader, AVPacket *packet, struct mr_err *err)
{
    const struct mr_packets_part *part = &reader->parts[reader->part - 1];
    const bool is_first = reader->left == part->count - 1;
    if (packet->pts == AV_NOPTS_VALUE || packet->dts == AV_NOPTS_VALUE || packet->pts <= reader->floor ||
        packet->pts > part->last_pts)
        return misfit(err, "their times overlap");
    if (is_first && reader->floor != INT64_MIN && reader->frame &&
        2 * (packet->pts - reader->floor) > 3 * reader->frame)
        return misfit(err, "a frame is missing between two of them");
    if (packet->dts <= reader->last_dts)
        packet->dts = reader->last_dts + 1;
    if (packet->dts > packet->pts)
        return misfit(err, "their decoding times overlap");
    reader->last_dts = packet->dts;
    return MR_OK;
}

static int add_skip(AVPacket *packet, const uint8_t skip[SKIP_SIZE])
{
    static const uint8_t none[SKIP_SIZE];
    uint8_t *data = NULL;
    if (memcmp(skip, none, SKIP_SIZE) == 0)
        return 0;
    data = av_packet_new_side_data(packet, AV_PKT_DATA_SKIP_SAMPLES, SKIP_SIZE);
    if (!data)
        return AVERROR(ENOMEM);
    memcpy(data, skip, SKIP_SIZE);
    return 0;
}

static enum mr_status keep_last(struct mr_packets_reader *reader, struct mr_err *err)
{
    if (reader->encoder->codec_id != AV_CODEC_ID_VORBIS)
        return MR_OK;
    av_packet_free(&reader->last);
    reader->last = av_packet_clone(reader->next);
    return reader->last ? MR_OK : mr_av_fail(err, MR_CODE_INTERNAL, AVERROR(ENOMEM), "read a unit");
}

/* Drops the packet that was read, if it is of the part before. A decoder that has had the last one of that cannot tell what
 * comes behind it from what its own encoder would have made: it keeps nothing else (Vorbis I, 4.3.8). */
static enum mr_status find_last(struct mr_packets_reader *reader, struct mr_err *err)
{
    const AVPacket *next = reader->next, *last = reader->last;
    if (next->pts >= last->pts) {
        if (next->pts != last->pts || next->duration != last->duration || next->size != last->size ||
            memcmp(next->data, last->data, (size_t)last->size) != 0)
            return unlike(err);
        reader->is_found = true;
    }
    av_packet_free(&reader->next);
    reader->count--;
    return MR_OK;
}

static enum mr_status read_packet(struct mr_packets_reader *reader, const struct mr_packets_packet *head,
                                  struct mr_err *err)
{
    if (head->size <= 0 || head->size > reader->source.size || reader->left == 0)
        return misfit(err, "a packet has no size");
    AVPacket *packet = reader->next = av_packet_alloc();
    int rc = packet ? av_new_packet(packet, head->size) : AVERROR(ENOMEM);
    if (rc >= 0)
        rc = add_skip(packet, head->skip);
    if (rc < 0)
        return mr_av_fail(err, MR_CODE_INTERNAL, rc, "read a unit");
    packet->pts = head->pts;
    packet->dts = head->dts;
    packet->duration = head->duration;
    packet->flags = head->flags & AV_PKT_FLAG_KEY;
    reader->left--;
    MR_TRY(get(reader, packet->data, packet->size, err));
    if (!reader->is_found)
        return find_last(reader, err);
    MR_TRY(check_times(reader, packet, err));
    return keep_last(reader, err);
}

enum mr_status mr_packets_peek(struct mr_packets_reader *reader, const AVPacket **ret, struct mr_err *err)
{
    while (!reader->next && (reader->is_open || reader->part < reader->end)) {
        struct mr_packets_packet head;
        bool is_first = !reader->is_open;
        if (is_first)
            MR_TRY(open_next(reader, err));
        MR_TRY(get(reader, &head, sizeof head, err));
        if (reader->left == 0) {
            MR_TRY(end_part(reader, &head, err));
            continue;
        }
        MR_TRY(read_packet(reader, &head, err));
        if (is_first && reader->next && !(reader->next->flags & AV_PKT_FLAG_KEY))
            return misfit(err, "one does not begin with a key frame");
    }
    *ret = reader->next;
    return MR_OK;
}

AVPacket *mr_packets_take(struct mr_packets_reader *reader)
{
    AVPacket *packet = reader->next;
    reader->next = NULL;
    reader->taken += packet != NULL;
    return packet;
}
