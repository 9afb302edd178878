#include "worker/media/audio_copy.h"

enum mr_status mr_audio_copy_open(struct mr_audio_copy *copy, struct mr_err *err)
{
    struct mr_muxer *output = NULL;
    if (copy->is_open)
        return MR_OK;
    MR_TRY(mr_parts_get(copy->parts, 0, &output, err));
    MR_TRY(mr_muxer_open_copied(output, MR_SLOT_AUDIO, copy->parts->input->audio, err));
    copy->is_open = true;
    return MR_OK;
}

/* Time stamps of a file may be missing or jump back; a muxer wants them to rise. */
static int64_t place(struct mr_audio_copy *copy, const AVPacket *packet)
{
    const struct mr_timeline *timeline = copy->parts->timeline;
    AVRational base = copy->parts->input->audio->time_base;
    int64_t at = packet->pts != AV_NOPTS_VALUE ? packet->pts : packet->dts;
    if (at != AV_NOPTS_VALUE && timeline->is_timed)
        at -= av_rescale_q(timeline->origin_us, AV_TIME_BASE_Q, base);
    if (at == AV_NOPTS_VALUE || (copy->has_packets && at <= copy->last))
        at = copy->until;
    copy->has_packets = true;
    copy->last = at;
    copy->until = at + FFMAX(packet->duration, 1);
    return at;
}

enum mr_status mr_audio_copy_packet(struct mr_audio_copy *copy, AVPacket *packet, struct mr_err *err)
{
    struct mr_muxer *output = NULL;
    MR_TRY(mr_audio_copy_open(copy, err));
    MR_TRY(mr_parts_get(copy->parts, 0, &output, err));
    packet->pts = packet->dts = place(copy, packet); /* audio is not reordered */
    return mr_muxer_write(output, MR_SLOT_AUDIO, packet, err);
}

enum mr_status mr_audio_copy_finish(struct mr_audio_copy *copy, int64_t decoded_us, struct mr_err *err)
{
    struct mr_muxer *output = NULL;
    MR_TRY(mr_parts_get(copy->parts, 0, &output, err));
    if (copy->has_packets)
        MR_TRY(mr_muxer_write(output, MR_SLOT_AUDIO, NULL, err));
    return mr_parts_leave(copy->parts, MR_SLOT_AUDIO, decoded_us, err);
}
