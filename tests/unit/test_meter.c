/* The meter's loops over samples, as the processor of this machine runs them, against plain C without vectors. */
#include "worker/media/k_weighting.h"
#include "worker/media/true_peak.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { SAMPLES = 12000, KINDS = 6 };
#define WITHIN 1e-6 /* of the energy, or of the peak; 0.01 LU are 2e-3 */

static double random_sample(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return (double)(int32_t)*seed / 2147483648.0;
}

/* Noise, loud and near silence; tones, deep, high and with peaks between the samples; an impulse. */
static void make(int kind, int rate, float *samples)
{
    uint32_t seed = (uint32_t)kind + 7;
    for (int i = 0; i < SAMPLES; i++) {
        double noise = random_sample(&seed), at = 2 * M_PI * i;
        const double values[KINDS] = {noise,
                                      noise * 1e-5,
                                      0.9 * sin(at * 30 / rate),
                                      0.5 * sin(at * 0.45),
                                      0.7 * sin(at / 4 + M_PI / 4),
                                      i == SAMPLES / 3 ? 1.0 : 0.0};
        samples[i] = (float)values[kind];
    }
}

static double section(const struct mr_biquad *f, double state[2], double in)
{
    double out = f->b0 * in + state[0];
    state[0] = f->b1 * in - f->a1 * out + state[1];
    state[1] = f->b2 * in - f->a2 * out;
    return out;
}

static double plain_energy(const struct mr_k_weighting *filter, double state[4], const float *samples,
                           int count)
{
    double energy = 0;
    for (int i = 0; i < count; i++) {
        double out =
            section(&filter->highpass, state + 2, section(&filter->shelf, state, (double)samples[i]));
        energy += out * out;
    }
    return energy;
}

/* In portions of any size, for the state goes from one to the next. */
static void test_weighting(void **state)
{
    (void)state;
    static const int rates[] = {1000, 8000, 44100, 48000, 192000, 768000};
    static float sounds[2][SAMPLES];
    for (size_t r = 0; r < sizeof rates / sizeof *rates; r++)
        for (int kind = 0; kind < KINDS; kind++) {
            struct mr_k_weighting filter;
            struct mr_k_state now = {{{0}}};
            double plain[2][4] = {{0}}, left = 0, right = 0, plain_left = 0, plain_right = 0;
            mr_k_weighting_init(&filter, rates[r]);
            make(kind, rates[r], sounds[0]);
            make((kind + 1) % KINDS, rates[r], sounds[1]);
            for (int at = 0, count = 1; at < SAMPLES; at += count, count = count % 1024 + 37) {
                count = count < SAMPLES - at ? count : SAMPLES - at;
                struct mr_k_energy energy =
                    mr_k_weighting_energy(&filter, &now, sounds[0] + at, sounds[1] + at, count);
                left += energy.left;
                right += energy.right;
                plain_left += plain_energy(&filter, plain[0], sounds[0] + at, count);
                plain_right += plain_energy(&filter, plain[1], sounds[1] + at, count);
            }
            if (fabs(left - plain_left) > WITHIN * plain_left ||
                fabs(right - plain_right) > WITHIN * plain_right)
                fail_msg("%d Hz, %d: %g and %g, not %g and %g", rates[r], kind, left, right, plain_left,
                         plain_right);
        }
}

static double plain_peak(const struct mr_interpolator *taps, const float *samples, int count)
{
    double peak = 0;
    for (int at = 0; at < count; at++) {
        double half = 0, even = 0, odd = 0;
        for (int i = 0; i < MR_PEAK_REACH; i++) {
            double one = (double)samples[at + i], other = (double)samples[at + MR_PEAK_TAPS - 1 - i];
            half += (one + other) * (double)taps->half[i];
            even += (one + other) * (double)taps->even[i];
            odd += (one - other) * (double)taps->odd[i];
        }
        peak = fmax(peak, fmax(fabs(half), fabs(even) + fabs(odd)));
    }
    for (int at = 0; at < count + MR_PEAK_TAPS; at++)
        peak = fmax(peak, fabs((double)samples[at]));
    return peak;
}

static void test_peak(void **state)
{
    (void)state;
    enum { BLOCKS = (SAMPLES - MR_PEAK_TAPS) / MR_PEAK_BLOCK };
    static float sound[SAMPLES];
    struct mr_interpolator interpolator;
    mr_interpolator_init(&interpolator);
    for (int kind = 0; kind < KINDS; kind++) {
        make(kind, 48000, sound);
        double plain = plain_peak(&interpolator, sound, BLOCKS * MR_PEAK_BLOCK);
        float found = mr_true_peak(&interpolator, sound, BLOCKS, 0);
        if (fabs((double)found - plain) > WITHIN * plain)
            fail_msg("%d: %g, not %g", kind, (double)found, plain);
        assert_true(mr_true_peak(&interpolator, sound, BLOCKS, 2) == 2.0F);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weighting),
        cmocka_unit_test(test_peak),
    };
    return cmocka_run_group_tests_name("meter", tests, NULL, NULL);
}
