#include "worker/media/discontinuity.h"

#include <libavutil/avstring.h>
#include <libavutil/common.h>

enum {
    FORWARD_US = 10 * 1000 * 1000, /* a longer silence of a stream is another clock, not a hole */
    BACKWARD_US = 250 * 1000,      /* time does not go back; libav's own guesses may, a little */
    JOINED_US = 1000 * 1000,       /* the least length of a file to which another one was joined */
    HOLE_US = 400 * 1000,          /* the least without a picture that is worth a word */
    UNREAD_MIN = 4096,             /* bytes between two packets that are more than the heads of both */
    OFTEN = 10,                    /* where each tenth picture is followed by a hole, so they are meant */
    APART_US = 5 * 1000 * 1000,    /* how far a stream may be from its neighbours in the file */
};

/* Each packet of the file comes here. */
static bool reads_all(const struct mr_demuxer *input)
{
    size_t all = 0;
    for (unsigned i = 0; i < input->format->nb_streams; i++)
        all += !(input->format->streams[i]->disposition & AV_DISPOSITION_ATTACHED_PIC);
    return all == input->audio_count + input->text_count + (input->video ? 1 : 0);
}

void mr_discontinuity_init(struct mr_discontinuity *line, const struct mr_demuxer *input)
{
    static const char places[] = "matroska,flv";     /* where one packet follows the other */
    static const char joined[] = "matroska,flv,asf"; /* whose demuxers read on in a file that was joined */
    char name[32];
    mr_demuxer_container(input, name, sizeof name);
    bool is_mpeg = mr_demuxer_is_mpeg(input);
    *line = (struct mr_discontinuity){.can_go_back = is_mpeg || (input->video && av_match_name(name, joined)),
                                      .can_jump = is_mpeg,
                                      .has_places = av_match_name(name, places) && reads_all(input)};
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

/* Of video that was lost, the picture before it stands still meanwhile. */
static void note_step(struct mr_discontinuity *line, int64_t at_us, int64_t shown_us)
{
    bool is_lost = line->can_jump || line->is_unread;
    /* libav may reckon decoding times that have no hole. */
    int64_t step_us =
        line->can_jump ? at_us - line->tracks[MR_SLOT_VIDEO].next_us : shown_us - line->shown_us;
    line->is_unread = false;
    line->pictures++;
    if (!line->tracks[MR_SLOT_VIDEO].seen || step_us < HOLE_US || !is_lost)
        return;
    line->holes++;
    line->holes_us += step_us;
}

static void note_place(struct mr_discontinuity *line, const AVPacket *packet)
{
    if (line->has_places && line->end_place > 0 && packet->pos - line->end_place > UNREAD_MIN)
        line->is_unread = true;
    line->end_place = FFMAX(line->end_place, packet->pos + packet->size);
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
    if (slot == MR_SLOT_VIDEO)
        note_step(line, at_us + offset_us, shown_us + offset_us);
    line->tracks[slot].seen = true;
    line->tracks[slot].offset_us = offset_us;
    line->tracks[slot].next_us = at_us + offset_us + length_us;
    line->end_us = FFMAX(line->end_us, shown_us + offset_us + length_us);
    if (slot == MR_SLOT_VIDEO)
        line->shown_us = FFMAX(line->shown_us, shown_us + offset_us + length_us);
    return offset_us;
}

void mr_discontinuity_correct(struct mr_discontinuity *line, enum mr_slot slot, AVRational base,
                              AVPacket *packet)
{
    if (!line->can_go_back)
        return;
    note_place(line, packet);
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
    if (line->holes && line->holes < line->pictures / OFTEN)
        mr_notes_warn(notes, MR_CODE_GAPS_FILLED,
                      "holes in the video: %lld, of %.3f s, in which the picture before stands still",
                      (long long)line->holes, (double)line->holes_us / 1e6);
}
