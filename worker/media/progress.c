#include "worker/media/progress.h"

struct mr_progress mr_progress_of(const struct mr_timeline *timeline, const struct mr_unit_range *unit,
                                  int64_t all_us, int64_t position_us)
{
    const int64_t before_us = timeline->is_timed ? 0 : timeline->skip_us; /* decoded, and not on the clip */
    const int64_t from_us =
        unit && !unit->is_audio ? unit->from_us : 0; /* audio is decoded from the beginning */
    int64_t clip_us = mr_timeline_clip_us(timeline, all_us);
    if (unit)
        clip_us = FFMIN(clip_us, unit->to_us);
    if (clip_us <= from_us)
        return (struct mr_progress){0};
    return (struct mr_progress){.done_us = FFMAX(position_us - from_us, 0),
                                .all_us = before_us + clip_us - from_us};
}
