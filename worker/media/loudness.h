/*
 * Brings audio to the loudness asked for (EBU R 128): a gain and, where peaks would then exceed the ceiling, a
 * limiter after it. No formula says what a limiter takes away, so the audio is rehearsed: it goes through the
 * filters to a meter until the result is what was asked for. Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_LOUDNESS_H
#define MR_WORKER_MEDIA_LOUDNESS_H

#include "shared/base/json.h"
#include "worker/media/notes.h"

#include <stdbool.h>

/* Filters in libavfilter's language; "": none. */
enum { MR_GAIN_MAX = 192 };
struct mr_gain {
    char filters[MR_GAIN_MAX];
};

struct mr_heard {
    double integrated; /* LUFS; NAN: silence */
    double true_peak;  /* dBTP */
    bool is_lossy;     /* the codec will change it once more */
};

/*
 * Plays all of the audio: as the encoder would get it if its samples had no ceiling, or `through_codec`: as
 * it gets it and, if the codec is lossy, as that makes it.
 */
typedef enum mr_status mr_rehearse_fn(void *ctx, const struct mr_gain *gain, bool through_codec,
                                      struct mr_heard *ret, struct mr_err *err);

/* A volume, and a limiter behind it. */
struct mr_loudness_setting {
    double gain_db;
    bool limits;
    double limit_db;
};

/*
 * The search for a gain, one rehearsal at a time, for those that have no function to call: rehearse what mr_loudness_next
 * says, and tell mr_loudness_hear what was heard, until it is over. The same rehearsals lead to the same gain, so a list
 * of them is all that has to be kept.
 */
struct mr_loudness_search {
    double target; /* LUFS */
    struct mr_loudness_setting next, best;
    double least;   /* how bad the best is */
    int heard;      /* rehearsals; those after the first go through the codec */
    int best_heard; /* the number of the best one, from 1; 0: it was not heard */
    bool is_over;
};
void mr_loudness_begin(struct mr_loudness_search *search, double target);
/* What is to be rehearsed; once the search is over, the gain that was looked for. */
void mr_loudness_next(const struct mr_loudness_search *search, struct mr_gain *ret);
void mr_loudness_hear(struct mr_loudness_search *search, const struct mr_heard *heard);
/* True if the search is over, and its last rehearsal was that of the gain: what the codec made of it is the result. */
bool mr_loudness_is_made(const struct mr_loudness_search *search);

/* A rehearsal as an element of a list, for mr_loudness_replay; NULL: no memory. The caller owns it. */
json_t *mr_loudness_describe(const struct mr_heard *heard);
/* As if all of the list had been heard. Code: internal, if it is no such list. */
MR_MUST_CHECK enum mr_status mr_loudness_replay(double target, const json_t *list,
                                                struct mr_loudness_search *ret, struct mr_err *err);

/* The gain for a target in LUFS. Audio that cannot be measured (silence) gets none; one that cannot be
 * brought there gets what comes nearest. One rehearsal, and a few more where a limiter or a lossy codec has
 * its own word. */
MR_MUST_CHECK enum mr_status mr_loudness_find_gain(double target, mr_rehearse_fn *rehearse, void *ctx,
                                                   struct mr_gain *ret, struct mr_err *err);

/* Warns of a result that was to have `target` LUFS and is not there ("loudness_missed"), or whose peaks go
 * over the ceiling ("true_peak_missed"). */
void mr_loudness_check(double target, const struct mr_heard *result, struct mr_notes *notes);

#endif
