/*
 * The time line of the outputs. The clip is what the option trim leaves of the input; time 0 is where it begins.
 * It may be split into parts of one length. Each part is an output, with the logo before and after it. All
 * values are in microseconds. Read-only after planning.
 */
#ifndef MR_WORKER_MEDIA_TIMELINE_H
#define MR_WORKER_MEDIA_TIMELINE_H

#include "shared/media/options.h"
#include "worker/media/demuxer.h"

struct mr_timeline {
    bool is_timed; /* time stamps count; else samples do: audio without video has no other clock to follow */
    int64_t origin_us; /* where the clip begins, in the input's time */
    int64_t skip_us;   /* the same, counted from the beginning of the input */
    int64_t length_us; /* of the clip; INT64_MAX: to the end of the input */
    int64_t part_us;   /* of a part; INT64_MAX: there is one part */
    int64_t intro_us;  /* of the logo before each part */
    int64_t outro_us;  /* and after it */
    int64_t max_us;    /* a longer input is refused */
    bool pads;         /* in each part, audio is made as long as the video */
};

/* max_us: a longer input is refused; has_logo: there is a logo to show for the seconds that the options ask for. */
void mr_timeline_plan(struct mr_timeline *ret, const struct mr_demuxer *input,
                      const struct mr_options *options, int64_t max_us, bool has_logo);

/* Where a part (from 0) begins on the clip; INT64_MAX if the clip is not split and part is not 0. */
int64_t mr_timeline_part(const struct mr_timeline *timeline, int64_t part);

/* Before anything is filled up to a time of the input, counted from its beginning: is it within max_us, or does the
 * clip end before? Code: resource_limit. */
MR_MUST_CHECK enum mr_status mr_timeline_check(const struct mr_timeline *timeline, int64_t us,
                                               struct mr_err *err);

#endif
