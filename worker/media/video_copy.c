#include "worker/media/video_copy.h"

void mr_video_copy_witness(struct mr_video_copy *copy, const struct mr_parts *parts, const AVFrame *frame)
{
    const AVCodecParameters *params = parts->input->video->codecpar;
    copy->sizes_changed |= frame->width != params->width || frame->height != params->height;
}

/* Frames before the first key frame, and those after it that are shown before it and refer to older ones. */
static bool is_orphan(const struct mr_video_copy *copy, const AVPacket *packet)
{
    if (copy->packets == 0)
        return !(packet->flags & AV_PKT_FLAG_KEY);
    return packet->pts != AV_NOPTS_VALUE && copy->first_pts != AV_NOPTS_VALUE &&
           packet->pts < copy->first_pts;
}

/* Decoding times must rise, and no frame is shown before it is decoded. */
static void mend_times(struct mr_video_copy *copy, AVPacket *packet, int64_t origin)
{
    if (packet->pts != AV_NOPTS_VALUE)
        packet->pts -= origin;
    if (packet->dts != AV_NOPTS_VALUE)
        packet->dts -= origin;
    if (packet->dts == AV_NOPTS_VALUE)
        packet->dts = copy->packets ? copy->last_dts + FFMAX(packet->duration, 1) : packet->pts;
    if (packet->dts == AV_NOPTS_VALUE)
        packet->dts = 0;
    if (copy->packets && packet->dts <= copy->last_dts)
        packet->dts = copy->last_dts + 1;
    if (packet->pts == AV_NOPTS_VALUE || packet->pts < packet->dts)
        packet->pts = packet->dts;
}

enum mr_status mr_video_copy_packet(struct mr_video_copy *copy, struct mr_parts *parts, AVPacket *packet,
                                    struct mr_err *err)
{
    const AVStream *stream = parts->input->video;
    struct mr_muxer *output = NULL;
    if (is_orphan(copy, packet)) {
        copy->left_out++;
        return MR_OK;
    }
    MR_TRY(mr_parts_get(parts, 0, &output, err));
    if (copy->packets == 0)
        MR_TRY(mr_muxer_open_copied(output, MR_SLOT_VIDEO, stream, stream->time_base, err));
    copy->first_pts = copy->packets ? copy->first_pts : packet->pts;
    mend_times(copy, packet, av_rescale_q(parts->timeline->origin_us, AV_TIME_BASE_Q, stream->time_base));
    copy->last_dts = packet->dts;
    copy->end_us =
        FFMAX(copy->end_us, av_rescale_q(packet->pts + packet->duration, stream->time_base, AV_TIME_BASE_Q));
    copy->packets++;
    return mr_muxer_write(output, MR_SLOT_VIDEO, packet, err);
}

void mr_video_copy_note(const struct mr_video_copy *copy, struct mr_notes *notes)
{
    if (copy->left_out)
        mr_notes_warn(notes, MR_CODE_NO_KEY_FRAME,
                      "%lld frames need a key frame that is not in the file and were left out",
                      (long long)copy->left_out);
    if (copy->sizes_changed)
        mr_notes_warn(notes, MR_CODE_SIZE_CHANGES,
                      "the size of the video changes in mid-stream and was copied so: ask for a size "
                      "(resize) to have one throughout");
}
