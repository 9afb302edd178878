#include "worker/media/gaps.h"

#include <libavutil/avstring.h>

enum {
    SHORTEST_US = 100 * 1000,        /* less is rounding or jitter, as aresample=async=1 sees it */
    STEP_US = 10 * 1000,             /* a clock that drifts makes no such steps from one frame to the next */
    CLOCK_JUMP_US = 10 * 1000 * 1000 /* where clocks may jump, a longer hole is such a jump */
};

struct mr_gaps mr_gaps_of(const struct mr_demuxer *input)
{
    static const char states_times[] = "mov,matroska,flv";
    static const char may_jump[] = "ogg,mpegts,mpeg,asf";
    char name[32];
    mr_demuxer_container(input, name, sizeof name);
    if (av_match_name(name, states_times))
        return (struct mr_gaps){.longest_us = INT64_MAX};
    return (struct mr_gaps){.longest_us = av_match_name(name, may_jump) ? CLOCK_JUMP_US : 0};
}

int64_t mr_gaps_before(struct mr_gaps *gaps, int64_t at_us, int64_t length_us)
{
    if (gaps->longest_us == 0)
        return 0;
    if (at_us == AV_NOPTS_VALUE) {
        gaps->next_us += length_us;
        gaps->stated_us += length_us;
        return 0;
    }
    int64_t missing = gaps->has_clock ? at_us - gaps->next_us : 0;
    int64_t step = gaps->has_clock ? at_us - gaps->stated_us : 0;
    bool is_other_clock = missing > gaps->longest_us || missing < -SHORTEST_US;
    bool is_hole = !is_other_clock && missing > SHORTEST_US && step > STEP_US;
    if (!gaps->has_clock || is_other_clock || is_hole)
        gaps->next_us = at_us;
    gaps->has_clock = true;
    gaps->next_us += length_us;
    gaps->stated_us = at_us + length_us;
    return is_hole ? missing : 0;
}
