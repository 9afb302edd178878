#include "worker/media/gaps.h"

#include "worker/media/streams.h"

#include <libavutil/avstring.h>
#include <libavutil/mathematics.h>

enum {
    SHORTEST_US = 100 * 1000,         /* less is rounding or jitter, as aresample=async=1 sees it */
    STEP_US = 10 * 1000,              /* a clock that drifts makes no such steps from one frame to the next */
    CLOCK_JUMP_US = 10 * 1000 * 1000, /* where clocks may jump, a longer hole is such a jump */
    LEAD_MIN_US = 1000 * 1000,        /* streams of most files begin a little apart */
    LEAD_MAX_US = 120 * 1000 * 1000,  /* where clocks may jump */
};

/* AV_NOPTS_VALUE: there is no video, or it goes along and keeps the time; or it may have another clock. */
static int64_t begin_of_video(const struct mr_demuxer *input)
{
    const AVFormatContext *format = input->format;
    int64_t begin_us = AV_NOPTS_VALUE;
    for (unsigned i = 0; !input->video && format->nb_programs < 2 && i < format->nb_streams; i++) {
        const AVStream *stream = format->streams[i];
        if (stream->codecpar->codec_type != AVMEDIA_TYPE_VIDEO || mr_streams_is_cover(stream) ||
            stream->start_time == AV_NOPTS_VALUE)
            continue;
        int64_t at_us = av_rescale_q(stream->start_time, stream->time_base, AV_TIME_BASE_Q);
        begin_us = begin_us == AV_NOPTS_VALUE ? at_us : FFMIN(begin_us, at_us);
    }
    return begin_us;
}

struct mr_gaps mr_gaps_of(const struct mr_demuxer *input)
{
    static const char states_times[] = "mov,matroska,flv";
    static const char may_jump[] = "ogg,mpegts,mpeg,asf";
    char name[32];
    mr_demuxer_container(input, name, sizeof name);
    int64_t begin_us = begin_of_video(input);
    if (av_match_name(name, states_times))
        return (struct mr_gaps){.longest_us = INT64_MAX, .begin_us = begin_us};
    return (struct mr_gaps){.begin_us = begin_us,
                            .longest_us = av_match_name(name, may_jump) ? CLOCK_JUMP_US : 0,
                            .is_chain = av_match_name(name, "ogg")};
}

/* The frame's time stamp; AV_NOPTS_VALUE: it tells nothing. */
static int64_t time_of(struct mr_gaps *gaps, const AVStream *stream, const AVFrame *frame)
{
    if (gaps->is_chain && frame->sample_rate != stream->time_base.den) {
        gaps->has_clock = false;
        return AV_NOPTS_VALUE;
    }
    int64_t at = frame->best_effort_timestamp;
    return at == AV_NOPTS_VALUE ? at : av_rescale_q(at, stream->time_base, AV_TIME_BASE_Q);
}

/* How much later than the video the first frame is. */
static int64_t lead_of(struct mr_gaps *gaps, int64_t at_us)
{
    int64_t most = gaps->longest_us == INT64_MAX ? INT64_MAX : LEAD_MAX_US;
    int64_t lead = gaps->begin_us == AV_NOPTS_VALUE ? 0 : at_us - gaps->begin_us;
    gaps->begin_us = AV_NOPTS_VALUE;
    return lead > LEAD_MIN_US && lead <= most ? lead : 0;
}

int64_t mr_gaps_before(struct mr_gaps *gaps, const AVStream *stream, const AVFrame *frame)
{
    if (gaps->longest_us == 0)
        return 0;
    int64_t at_us = time_of(gaps, stream, frame);
    int64_t length_us = av_rescale(frame->nb_samples, AV_TIME_BASE, frame->sample_rate);
    if (at_us == AV_NOPTS_VALUE) {
        gaps->next_us += length_us;
        gaps->stated_us += length_us;
        return 0;
    }
    int64_t lead = lead_of(gaps, at_us);
    int64_t missing = gaps->has_clock ? at_us - gaps->next_us : 0;
    int64_t step = gaps->has_clock ? at_us - gaps->stated_us : 0;
    bool is_other_clock = missing > gaps->longest_us || missing < -SHORTEST_US;
    bool is_hole = !is_other_clock && missing > SHORTEST_US && step > STEP_US;
    if (!gaps->has_clock || is_other_clock || is_hole)
        gaps->next_us = at_us;
    gaps->has_clock = true;
    gaps->next_us += length_us;
    gaps->stated_us = at_us + length_us;
    return is_hole ? missing : lead;
}
