#include "worker/media/k_weighting.h"

#include <math.h>

/* The standard gives coefficients for 48 kHz; these are the analogue filters that they were made of, by
 * bilinear transform for any rate (the values all implementations share). */
#define SHELF_HZ    1681.974450955533
#define SHELF_DB    3.999843853973347
#define SHELF_Q     0.7071752369554196
#define HIGHPASS_HZ 38.13547087602444
#define HIGHPASS_Q  0.5003270373238773
#define SHELF_SLOPE 0.4996667741545416

void mr_k_weighting_init(struct mr_k_weighting *filter, int rate)
{
    double k = tan(M_PI * fmin(SHELF_HZ / rate, 0.49)), high = pow(10, SHELF_DB / 20);
    double band = pow(high, SHELF_SLOPE), a0 = 1 + k / SHELF_Q + k * k;
    filter->shelf = (struct mr_biquad){
        .b0 = (high + band * k / SHELF_Q + k * k) / a0,
        .b1 = 2 * (k * k - high) / a0,
        .b2 = (high - band * k / SHELF_Q + k * k) / a0,
        .a1 = 2 * (k * k - 1) / a0,
        .a2 = (1 - k / SHELF_Q + k * k) / a0,
    };
    k = tan(M_PI * HIGHPASS_HZ / rate);
    a0 = 1 + k / HIGHPASS_Q + k * k;
    filter->highpass = (struct mr_biquad){
        .b0 = 1,
        .b1 = -2,
        .b2 = 1,
        .a1 = 2 * (k * k - 1) / a0,
        .a2 = (1 - k / HIGHPASS_Q + k * k) / a0,
    };
}

/* Direct form II, transposed. */
static inline mr_pair section(const struct mr_biquad *filter, mr_pair state[2], mr_pair in)
{
    mr_pair out = filter->b0 * in + state[0];
    state[0] = filter->b1 * in - filter->a1 * out + state[1];
    state[1] = filter->b2 * in - filter->a2 * out;
    return out;
}

/* In silence the filters ring on below anything that counts, down to denormal numbers, which are slow. */
static void forget_whispers(mr_pair state[2])
{
    const double whisper = 1e-20;
    for (int i = 0; i < 2; i++)
        for (int lane = 0; lane < 2; lane++)
            if (fabs(state[i][lane]) < whisper)
                state[i][lane] = 0;
}

mr_pair mr_k_weighting_energy(const struct mr_k_weighting *filter, struct mr_k_state *state,
                              const float *left, const float *right, int samples)
{
    const struct mr_k_weighting f = *filter;
    struct mr_k_state now = *state;
    mr_pair energy = {0, 0};
    for (int i = 0; i < samples; i++) {
        mr_pair in = {(double)left[i], (double)right[i]};
        mr_pair out = section(&f.highpass, now.highpass, section(&f.shelf, now.shelf, in));
        energy += out * out;
    }
    forget_whispers(now.shelf);
    forget_whispers(now.highpass);
    *state = now;
    return energy;
}
