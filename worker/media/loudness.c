#include "worker/media/loudness.h"

#include <math.h>
#include <stdio.h>

/* The ceiling that R 128 sets for true peaks, and how near to the target is near enough. */
#define CEILING_DBTP (-1.0)
#define NEAR_LU      0.1
/* What is told of: a listener hears a difference of one. */
#define TOLERANCE_LU 0.5
#define TOLERANCE_DB 0.1
/* The limiter looks at samples: what lies between them is usually not half a decibel higher. */
#define BETWEEN_SAMPLES_DB 0.5
/* A codec's peaks are not the same twice. */
#define MARGIN_DB 0.1

enum { GAIN_MAX_DB = 60, LIMIT_MIN_DB = -9, REHEARSALS_MAX = 5 /* after the first */ };

static void write_filters(const struct mr_loudness_setting *setting, struct mr_gain *ret)
{
    int len = snprintf(ret->filters, sizeof ret->filters, "volume=%.3fdB:precision=double", setting->gain_db);
    if (setting->limits)
        snprintf(ret->filters + len, sizeof ret->filters - (size_t)len,
                 ",alimiter=limit=%.4f:level=disabled:attack=5:release=50:latency=1",
                 pow(10, setting->limit_db / 20));
}

static double above_ceiling(const struct mr_heard *heard)
{
    return fmax(heard->true_peak - CEILING_DBTP, 0);
}

/* Peaks over the ceiling are worse than a wrong level. */
static double badness(const struct mr_heard *heard, double target)
{
    return fabs(target - heard->integrated) + 4 * above_ceiling(heard);
}

/* What to try after hearing what the present setting makes. */
static void correct(struct mr_loudness_setting *setting, const struct mr_heard *heard, double target)
{
    double missing = target - heard->integrated;
    if (setting->limits && above_ceiling(heard) > 0)
        setting->limit_db = fmax(setting->limit_db - above_ceiling(heard) - MARGIN_DB, LIMIT_MIN_DB);
    setting->limits |= heard->true_peak + missing > CEILING_DBTP;
    setting->gain_db = fmin(fmax(setting->gain_db + missing, -GAIN_MAX_DB), GAIN_MAX_DB);
}

void mr_loudness_begin(struct mr_loudness_search *search, double target)
{
    *search = (struct mr_loudness_search){
        .target = target, .next.limit_db = CEILING_DBTP - BETWEEN_SAMPLES_DB, .least = INFINITY};
    search->best = search->next;
}

void mr_loudness_next(const struct mr_loudness_search *search, struct mr_gain *ret)
{
    write_filters(search->is_over ? &search->best : &search->next, ret);
}

/* Without the codec: how far it is to the target. */
static void hear_first(struct mr_loudness_search *search, const struct mr_heard *heard)
{
    correct(&search->next, heard, search->target);
    search->best = search->next;
    search->is_over = !search->next.limits && !heard->is_lossy;
}

static void hear_more(struct mr_loudness_search *search, const struct mr_heard *heard)
{
    if (badness(heard, search->target) < search->least) {
        search->least = badness(heard, search->target);
        search->best = search->next;
        search->best_heard = search->heard;
    }
    correct(&search->next, heard, search->target);
    search->is_over = search->heard > REHEARSALS_MAX || search->least <= NEAR_LU;
}

void mr_loudness_hear(struct mr_loudness_search *search, const struct mr_heard *heard)
{
    search->heard++;
    if (isnan(heard->integrated))
        search->is_over = true;
    else
        (search->heard == 1 ? hear_first : hear_more)(search, heard);
}

bool mr_loudness_is_made(const struct mr_loudness_search *search)
{
    return search->is_over && search->best_heard == search->heard;
}

static json_t *number_of(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *mr_loudness_describe(const struct mr_heard *heard)
{
    return json_pack("[o, o, b]", number_of(heard->integrated), number_of(heard->true_peak), heard->is_lossy);
}

static double number_at(const json_t *list, size_t i)
{
    const json_t *value = json_array_get(list, i);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

enum mr_status mr_loudness_replay(double target, const json_t *list, struct mr_loudness_search *ret,
                                  struct mr_err *err)
{
    enum { PARTS = 3 };
    mr_loudness_begin(ret, target);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        if (json_array_size(one) != PARTS || ret->is_over)
            return mr_fail_code(err, MR_CODE_INTERNAL, "the rehearsals of the job's spec are in no order");
        const struct mr_heard heard = {.integrated = number_at(one, 0),
                                       .true_peak = number_at(one, 1),
                                       .is_lossy = json_is_true(json_array_get(one, 2))};
        mr_loudness_hear(ret, &heard);
    }
    return MR_OK;
}

enum mr_status mr_loudness_find_gain(double target, mr_rehearse_fn *rehearse, void *ctx, struct mr_gain *ret,
                                     struct mr_err *err)
{
    struct mr_loudness_search search;
    mr_loudness_begin(&search, target);
    while (!search.is_over) {
        struct mr_heard heard;
        mr_loudness_next(&search, ret);
        MR_TRY(rehearse(ctx, ret, search.heard > 0, &heard, err));
        mr_loudness_hear(&search, &heard);
    }
    mr_loudness_next(&search, ret);
    return MR_OK;
}

void mr_loudness_check(double target, const struct mr_heard *result, struct mr_notes *notes)
{
    if (isnan(result->integrated)) {
        mr_notes_warn(notes, MR_CODE_LOUDNESS_MISSED,
                      "the audio is silent or shorter than 0.4 s: no gain brings it to %.1f LUFS", target);
        return;
    }
    if (fabs(result->integrated - target) > TOLERANCE_LU)
        mr_notes_warn(
            notes, MR_CODE_LOUDNESS_MISSED,
            "%.1f LUFS were asked for and %.1f LUFS reached: more gain than %d dB, or peaks above %.0f "
            "dBTP, would be needed",
            target, result->integrated, GAIN_MAX_DB, CEILING_DBTP);
    if (result->true_peak > CEILING_DBTP + TOLERANCE_DB)
        mr_notes_warn(notes, MR_CODE_TRUE_PEAK_MISSED,
                      "the codec lets peaks grow to %.1f dBTP, above %.0f dBTP", result->true_peak,
                      CEILING_DBTP);
}
