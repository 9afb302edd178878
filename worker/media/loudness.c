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

struct setting {
    double gain_db;
    bool limits;
    double limit_db;
};

static void write_filters(const struct setting *setting, struct mr_gain *ret)
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
static void correct(struct setting *setting, const struct mr_heard *heard, double target)
{
    double missing = target - heard->integrated;
    if (setting->limits && above_ceiling(heard) > 0)
        setting->limit_db = fmax(setting->limit_db - above_ceiling(heard) - MARGIN_DB, LIMIT_MIN_DB);
    setting->limits |= heard->true_peak + missing > CEILING_DBTP;
    setting->gain_db = fmin(fmax(setting->gain_db + missing, -GAIN_MAX_DB), GAIN_MAX_DB);
}

enum mr_status mr_loudness_find_gain(double target, mr_rehearse_fn *rehearse, void *ctx, struct mr_gain *ret,
                                     struct mr_err *err)
{
    struct mr_heard heard;
    struct setting setting = {.limit_db = CEILING_DBTP - BETWEEN_SAMPLES_DB};
    write_filters(&setting, ret);
    MR_TRY(rehearse(ctx, ret, false, &heard, err));
    if (isnan(heard.integrated))
        return MR_OK;
    correct(&setting, &heard, target);
    struct setting best = setting;
    double least = INFINITY;
    bool is_certain = !setting.limits && !heard.is_lossy;
    for (int i = 0; !is_certain && i < REHEARSALS_MAX && least > NEAR_LU; i++) {
        struct mr_gain gain;
        write_filters(&setting, &gain);
        MR_TRY(rehearse(ctx, &gain, true, &heard, err));
        if (isnan(heard.integrated))
            break;
        if (badness(&heard, target) < least) {
            least = badness(&heard, target);
            best = setting;
        }
        correct(&setting, &heard, target);
    }
    write_filters(&best, ret);
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
