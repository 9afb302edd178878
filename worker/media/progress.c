#include "worker/media/progress.h"

struct mr_progress mr_progress_of(const struct mr_options *options, const struct mr_unit_range *unit,
                                  const struct mr_demuxer *input, int64_t position_us)
{
    const int64_t before_us = input->video ? 0 : options->trim_start_us; /* decoded, and not on the clip */
    /* Audio is read from the beginning. */
    const int64_t from_us = unit && !unit->is_audio ? unit->from_us : 0;
    int64_t clip_us = mr_options_clip_us(options, input->estimated_us);
    if (unit)
        clip_us = FFMIN(clip_us, unit->to_us);
    if (clip_us <= from_us)
        return (struct mr_progress){0};
    return (struct mr_progress){.done_us = FFMAX(position_us - from_us, 0),
                                .all_us = before_us + clip_us - from_us};
}
