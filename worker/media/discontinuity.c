#include "worker/media/discontinuity.h"

#include <libavutil/avstring.h>
#include <libavutil/common.h>

enum {
    FORWARD_US = 10 * 1000 * 1000, /* a longer silence of a stream is another clock, not a hole */
    BACKWARD_US = 250 * 1000,      /* time does not go back; libav's own guesses may, a little */
    JOINED_US = 1000 * 1000,       /* the least length of a file to which another one was joined */
    APART_US = 5 * 1000 * 1000,    /* how far a stream may be from its neighbours in the file */
};

void mr_discontinuity_init(struct mr_discontinuity *line, const struct mr_demuxer *input)
{
    static const char joined[] = "matroska,flv,asf"; /* whose demuxers read on in a file that was joined */
    char name[32];
    mr_demuxer_container(input, name, sizeof name);
    bool is_mpeg = mr_demuxer_is_mpeg(input);
    *line = (struct mr_discontinuity){.can_go_back = is_mpeg || (input->video && av_match_name(name, joined)),
                                      .can_jump = is_mpeg};
}

static bool is_jump(const struct mr_discontinuity *line, int64_t step_us)
{
    return line->can_jump ? step_us > FORWARD_US || step_us < -BACKWARD_US : step_us < -JOINED_US;
}

/* Frames are stored in the order of decoding, which has time stamps of its own; audio has but one order. */
static int64_t time_of(const AVPacket *packet, enum mr_slot slot)
{
    return packet->dts == AV_NOPTS_VALUE && mr_slot_is_audio(slot) ? packet->pts : packet->dts;
}

/* What another stream has found out of this jump already, or else what makes this one go on. A joined file begins where all
 * streams of the one before have ended. */
static int64_t offset_after(struct mr_discontinuity *line, enum mr_slot slot, int64_t at_us)
{
    int64_t next_us = line->can_jump ? line->tracks[slot].next_us : line->end_us;
    bool is_known = line->offset_us != line->tracks[slot].offset_us;
    if (is_known && llabs(at_us + line->offset_us - next_us) <= APART_US)
        return line->offset_us;
    line->jumps++;
    return line->offset_us = next_us - at_us;
}

/* How far the stream's packets are to be moved, this one and those after it. */
static int64_t follow(struct mr_discontinuity *line, enum mr_slot slot, AVRational base,
                      const AVPacket *packet)
{
    int64_t at = time_of(packet, slot);
    if (slot >= MR_SLOT_SUBTITLE)
        return line->offset_us; /* texts may be far from each other */
    if (at == AV_NOPTS_VALUE)
        return line->tracks[slot].offset_us;
    int64_t at_us = av_rescale_q(at, base, AV_TIME_BASE_Q);
    int64_t shown_us =
        packet->pts == AV_NOPTS_VALUE ? at_us : av_rescale_q(packet->pts, base, AV_TIME_BASE_Q);
    int64_t length_us = av_rescale_q(FFMAX(packet->duration, 0), base, AV_TIME_BASE_Q);
    int64_t offset_us = line->tracks[slot].seen ? line->tracks[slot].offset_us : line->offset_us;
    if (line->tracks[slot].seen && is_jump(line, at_us + offset_us - line->tracks[slot].next_us))
        offset_us = offset_after(line, slot, line->can_jump ? at_us : shown_us);
    line->tracks[slot].seen = true;
    line->tracks[slot].offset_us = offset_us;
    line->tracks[slot].next_us = at_us + offset_us + length_us;
    line->end_us = FFMAX(line->end_us, shown_us + offset_us + length_us);
    return offset_us;
}

void mr_discontinuity_correct(struct mr_discontinuity *line, enum mr_slot slot, AVRational base,
                              AVPacket *packet)
{
    if (!line->can_go_back)
        return;
    int64_t offset = av_rescale_q(follow(line, slot, base, packet), AV_TIME_BASE_Q, base);
    if (packet->pts != AV_NOPTS_VALUE)
        packet->pts += offset;
    if (packet->dts != AV_NOPTS_VALUE)
        packet->dts += offset;
    if (offset && !line->can_jump && slot == MR_SLOT_VIDEO)
        packet->dts = AV_NOPTS_VALUE; /* libav reckons it from frames of both files */
}

void mr_discontinuity_note(const struct mr_discontinuity *line, struct mr_notes *notes)
{
    if (line->jumps)
        mr_notes_warn(notes, MR_CODE_CLOCK_JUMPS,
                      "the clock of the file jumps %lld times: what follows was joined to what was before",
                      (long long)line->jumps);
}
