/*
 * Whether a conversion is so long that it is cut into units, and where (docs/decisions/0010-units.md). Where the cuts of video
 * are decides how much is decoded twice, never what comes out: each frame belongs to the unit whose range holds its time. Audio
 * beside video that is cut is a unit of its own, and so are slices of long audio. Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_CUTS_H
#define MR_WORKER_MEDIA_CUTS_H

#include "shared/base/json.h"
#include "worker/media/pipeline.h"

enum { MR_CUTS_MAX = 500, MR_CUTS_WHY_MAX = 100 };

/* Where units begin, in microseconds of the clip; the first with 0. */
struct mr_cuts_of_track {
    int64_t from_us[MR_CUTS_MAX];
    size_t count; /* 0: the track has none */
};
struct mr_cuts {
    struct mr_cuts_of_track video, audio;
    char why[MR_CUTS_WHY_MAX]; /* why it is not cut, although it is long; "": it is short */
};

/* What the conversion asks of the cuts. */
struct mr_cuts_wish {
    const struct mr_media_format *spec;
    const struct mr_options *options;
    const char *name; /* of the input; a hint, or NULL */
    int64_t unit_seconds;
    const json_t *costs; /* of encoders, as shared/data/work_costs.h has them; NULL: none are known */
    int threads;
};

/* False: it runs as one job. */
static inline bool mr_cuts_are_made(const struct mr_cuts *cuts)
{
    return cuts->video.count + cuts->audio.count > 0;
}

/* Whether units of audio look for a gain together (loudness_step.h). One alone does it by itself. */
static inline bool mr_cuts_share_gain(const struct mr_cuts *cuts, const struct mr_options *options)
{
    return options->loudness < 0 && cuts->audio.count > 1;
}

/* The work of a core in seconds, roughly, on the video; 0: it cannot be told. */
double mr_cuts_work_seconds(const struct mr_demuxer *input, const struct mr_cuts_wish *wish);

/* How long before it is shown the first frame is decoded, by the index, whose times are those of decoding in MP4: taken for
 * that of all key frames. 0: it cannot be told, or the index has the times of showing. */
int64_t mr_cuts_lead_us(AVStream *stream);

/* Chooses cuts among rising times of key frames, on the clip: parts of about total_us / parts, none shorter than half of
 * that. */
void mr_cuts_choose(const int64_t *key_us, size_t key_count, int64_t total_us, int64_t parts,
                    struct mr_cuts_of_track *ret);

/* Adds the cuts where parts of split_us begin, and takes those away that are close to them. */
void mr_cuts_split(int64_t split_us, int64_t total_us, struct mr_cuts_of_track *ret);

/* Reads nothing of `input` that its demuxer has not read: the index of a container that keeps it at the end is looked up in a
 * demuxer of its own. */
MR_MUST_CHECK enum mr_status mr_cuts_plan(const struct mr_demuxer *input, const struct mr_cuts_wish *wish,
                                          struct mr_cuts *ret, struct mr_err *err);

#endif
