#include "worker/media/true_peak.h"

#include "worker/media/clones.h"

#include <math.h>
#include <string.h>

/* Samples next to each other. */
typedef float lanes __attribute__((vector_size(32)));
typedef int bits __attribute__((vector_size(32)));
enum { LANES = 8 };

/* Kaiser's window, which is what a short interpolator needs most: little ripple in what it lets through. */
#define KAISER_BETA 4.0

static double bessel_i0(double x)
{
    double sum = 1, term = 1;
    for (int k = 1; k < 32; k++) {
        term *= x / (2 * k) * x / (2 * k);
        sum += term;
    }
    return sum;
}

/* The taps for a moment after the sample before it, as part of a sample. Returns their absolute sum. */
static double make_taps(double after, double taps[MR_PEAK_TAPS])
{
    double sum = 0, size = 0;
    for (int i = 0; i < MR_PEAK_TAPS; i++) {
        double x = i - (MR_PEAK_REACH - 1) - after, edge = x / MR_PEAK_REACH;
        taps[i] = sin(M_PI * x) / (M_PI * x) * bessel_i0(KAISER_BETA * sqrt(1 - edge * edge));
        sum += taps[i];
    }
    for (int i = 0; i < MR_PEAK_TAPS; i++) {
        taps[i] /= sum;
        size += fabs(taps[i]);
    }
    return size;
}

void mr_interpolator_init(struct mr_interpolator *interpolator)
{
    double half[MR_PEAK_TAPS], quarter[MR_PEAK_TAPS];
    interpolator->gain = (float)fmax(make_taps(0.5, half), make_taps(0.25, quarter));
    for (int i = 0; i < MR_PEAK_REACH; i++) {
        int other = MR_PEAK_TAPS - 1 - i;
        interpolator->half[i] = (float)half[i];
        interpolator->even[i] = (float)((quarter[i] + quarter[other]) / 2);
        interpolator->odd[i] = (float)((quarter[i] - quarter[other]) / 2);
    }
}

/* Wherever they lie in memory. */
MR_IN_CLONE void load(const float *from, lanes *ret)
{
    memcpy(ret, from, sizeof *ret);
}

MR_IN_CLONE void take_absolute(lanes *values)
{
    *values = (lanes)((bits)*values & 0x7fffffff);
}

MR_IN_CLONE void take_larger(lanes *values, const lanes *others)
{
    bits is_other = *others > *values;
    *values = (lanes)(((bits)*others & is_other) | ((bits)*values & ~is_other));
}

MR_IN_CLONE float largest(const lanes *values)
{
    float most = (*values)[0];
    for (int i = 1; i < LANES; i++)
        most = (*values)[i] > most ? (*values)[i] : most;
    return most;
}

/* The larger of |even + odd| and |even - odd| is the sum of both sizes. */
MR_IN_CLONE void look_between(const struct mr_interpolator *interpolator, const float *samples, lanes *found)
{
    lanes half = {0}, even = {0}, odd = {0};
    for (int i = 0; i < MR_PEAK_REACH; i++) {
        lanes one, other;
        load(samples + i, &one);
        load(samples + MR_PEAK_TAPS - 1 - i, &other);
        half += (one + other) * interpolator->half[i];
        even += (one + other) * interpolator->even[i];
        odd += (one - other) * interpolator->odd[i];
    }
    take_absolute(&half);
    take_absolute(&even);
    take_absolute(&odd);
    even += odd;
    take_larger(found, &half);
    take_larger(found, &even);
}

MR_CLONES
float mr_true_peak(const struct mr_interpolator *interpolator, const float *samples, int blocks, float peak)
{
    for (; blocks > 0; blocks--, samples += MR_PEAK_BLOCK) {
        lanes around = {0};
        for (int i = 0; i < MR_PEAK_BLOCK + MR_PEAK_TAPS; i += LANES) {
            lanes some;
            load(samples + i, &some);
            take_absolute(&some);
            take_larger(&around, &some);
        }
        float highest = largest(&around);
        if (highest * interpolator->gain <= peak)
            continue;
        lanes found = {0};
        for (int i = 0; i < MR_PEAK_BLOCK; i += LANES)
            look_between(interpolator, samples + i, &found);
        float most = largest(&found);
        most = highest > most ? highest : most;
        peak = most > peak ? most : peak;
    }
    return peak;
}
