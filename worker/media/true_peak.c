#include "worker/media/true_peak.h"

#include <math.h>
#include <string.h>

/* Samples next to each other. */
typedef float four __attribute__((vector_size(16)));
typedef int four_bits __attribute__((vector_size(16)));
enum { LANES = 4 };

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
static inline four load(const float *from)
{
    four values;
    memcpy(&values, from, sizeof values);
    return values;
}

static inline four absolute(four values)
{
    return (four)((four_bits)values & 0x7fffffff);
}

static inline four larger(four a, four b)
{
    four_bits is_a = a > b;
    return (four)(((four_bits)a & is_a) | ((four_bits)b & ~is_a));
}

static float largest(four values)
{
    return fmaxf(fmaxf(values[0], values[1]), fmaxf(values[2], values[3]));
}

/* The larger of |even + odd| and |even - odd| is the sum of both sizes. */
static four between(const struct mr_interpolator *interpolator, const float *samples)
{
    four half = {0}, even = {0}, odd = {0};
    for (int i = 0; i < MR_PEAK_REACH; i++) {
        four one = load(samples + i), other = load(samples + MR_PEAK_TAPS - 1 - i);
        half += (one + other) * interpolator->half[i];
        even += (one + other) * interpolator->even[i];
        odd += (one - other) * interpolator->odd[i];
    }
    return larger(absolute(half), absolute(even) + absolute(odd));
}

float mr_true_peak(const struct mr_interpolator *interpolator, const float *samples, int blocks, float peak)
{
    for (; blocks > 0; blocks--, samples += MR_PEAK_BLOCK) {
        four around = {0};
        for (int i = 0; i < MR_PEAK_BLOCK + MR_PEAK_TAPS; i += LANES)
            around = larger(absolute(load(samples + i)), around);
        float highest = largest(around);
        if (highest * interpolator->gain <= peak)
            continue;
        four found = {0};
        for (int i = 0; i < MR_PEAK_BLOCK; i += LANES)
            found = larger(between(interpolator, samples + i), found);
        peak = fmaxf(peak, fmaxf(largest(found), highest));
    }
    return peak;
}
