/* How far a job has come: pure arithmetic on what the pipeline knows. Any thread. */
#ifndef MR_WORKER_MEDIA_PROGRESS_H
#define MR_WORKER_MEDIA_PROGRESS_H

#include "worker/media/parts.h"

struct mr_progress {
    int64_t done_us, all_us; /* all_us 0: not known */
};

/* position_us: what the tracks have reached: of an input with video on the clip, of audio alone from the beginning of the input,
 * all of which is decoded. unit: NULL: the whole clip is made. */
struct mr_progress mr_progress_of(const struct mr_options *options, const struct mr_unit_range *unit,
                                  const struct mr_demuxer *input, int64_t position_us);

#endif
