/*
 * The outputs of a film that may be cut into parts, and the time line that they lie on.
 *
 * The clip begins where the input, or what the options leave of it, begins: time 0. It may be cut into parts
 * of one length; each is an output, with the logo's seconds before and after. Tracks walk along the clip at
 * their own pace: one may be in the next part while another is still in the one before. The first part that
 * not all tracks have left is written, later ones wait (muxer.h). Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_PARTS_H
#define MR_WORKER_MEDIA_PARTS_H

#include "worker/media/muxer.h"

/* All in microseconds. */
struct mr_timeline {
    bool is_timed;     /* time stamps count; else samples do: sound alone has no other clock to keep to */
    int64_t origin_us; /* the clip's beginning, in the input's time */
    int64_t skip_us;   /* the same after the input's beginning */
    int64_t length_us; /* of the clip; INT64_MAX: to the end */
    int64_t part_us;   /* of a part; INT64_MAX: one */
    int64_t intro_us;
    int64_t outro_us;
    bool pads; /* sound is made as long as the picture: in parts, and between logos */
};

/* Where a part begins; INT64_MAX for one that there cannot be. */
int64_t mr_timeline_part(const struct mr_timeline *timeline, int64_t part);

enum { MR_PARTS_OPEN = 32 };

struct mr_parts {
    const struct mr_media_format *spec;
    const struct mr_options *options;
    const struct mr_demuxer *input;
    const struct mr_sandbox_fds *fds;
    struct mr_notes *notes;
    const struct mr_timeline *timeline;
    bool has[MR_SLOTS]; /* the tracks there are */

    struct mr_muxer *open[MR_PARTS_OPEN]; /* parts first … first + count - 1 */
    int64_t first;
    int64_t count;
    int64_t picture_us;     /* how far the picture is; sound that must end with it does not run ahead */
    int64_t left[MR_SLOTS]; /* how many parts each track has left */
    int64_t length_us[MR_PARTS_OPEN]; /* of the open parts: the longest track's */
    json_t *outputs;                  /* what the receipt says of those that are done */
};

MR_MUST_CHECK enum mr_status mr_parts_init(struct mr_parts *parts, struct mr_err *err);
void mr_parts_free(struct mr_parts *parts);

/* The output of a part that the caller's track has not left; opens it if it is new. Valid until the track
 * leaves it. "too_many_parts" */
MR_MUST_CHECK enum mr_status mr_parts_get(struct mr_parts *parts, int64_t part, struct mr_muxer **ret,
                                          struct mr_err *err);
/* The track has written all of its present part, of that length; a part that all have left is finished. */
MR_MUST_CHECK enum mr_status mr_parts_leave(struct mr_parts *parts, enum mr_slot slot, int64_t length_us,
                                            struct mr_err *err);
/* There is nothing of such a track, and there will be nothing. */
void mr_parts_give_up(struct mr_parts *parts, enum mr_slot slot);

#endif
