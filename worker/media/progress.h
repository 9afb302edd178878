/* How far a job has come: pure arithmetic on what the pipeline knows. Any thread. */
#ifndef MR_WORKER_MEDIA_PROGRESS_H
#define MR_WORKER_MEDIA_PROGRESS_H

#include "worker/media/parts.h"

struct mr_progress {
    int64_t done_us, all_us; /* all_us 0: not known */
};

/* all_us: how long the input is, as far as one knows, below 0: not at all; position_us: what the tracks have reached, on the clip, or
 * where samples are counted, from the beginning of the input. unit: NULL: the whole clip is made. */
struct mr_progress mr_progress_of(const struct mr_timeline *timeline, const struct mr_unit_range *unit,
                                  int64_t all_us, int64_t position_us);

#endif
