#include "worker/media/k_weighting.h"

#include "worker/media/clones.h"

#include <math.h>
#include <string.h>

/* The standard gives coefficients for 48 kHz; these are the analogue filters that they were made of, by
 * bilinear transform for any rate (the values all implementations share). */
#define SHELF_HZ    1681.974450955533
#define SHELF_DB    3.999843853973347
#define SHELF_Q     0.7071752369554196
#define HIGHPASS_HZ 38.13547087602444
#define HIGHPASS_Q  0.5003270373238773
#define SHELF_SLOPE 0.4996667741545416

/* Direct form II, transposed. */
MR_IN_CLONE double section(const struct mr_biquad *filter, double state[2], double in)
{
    double out = filter->b0 * in + state[0];
    state[0] = filter->b1 * in - filter->a1 * out + state[1];
    state[1] = filter->b2 * in - filter->a2 * out;
    return out;
}

MR_IN_CLONE double step(const struct mr_k_weighting *filter, double state[MR_K_STATE], double in)
{
    return section(&filter->highpass, state + 2, section(&filter->shelf, state, in));
}

/* What comes out, and what is remembered, if one number of the state is 1, or one sample, and all others are 0. */
static void make_columns(struct mr_k_weighting *filter)
{
    for (int i = 0; i < MR_K_STATE + MR_K_BLOCK; i++) {
        struct mr_k_column *column = &filter->columns[i];
        double state[MR_K_STATE] = {0};
        if (i < MR_K_STATE)
            state[i] = 1;
        for (int at = 0; at < MR_K_BLOCK; at++)
            column->out[at] = step(filter, state, i == MR_K_STATE + at);
        memcpy(column->state, state, sizeof state);
    }
}

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
    make_columns(filter);
}

/* Outputs next to each other, or the state. */
typedef double quad __attribute__((vector_size(32)));

/* What a block makes. */
struct sums {
    quad first, second, state; /* the outputs, and what is remembered */
};

MR_IN_CLONE void add_column(const struct mr_k_column *column, double times, struct sums *sums)
{
    quad first, second, state;
    memcpy(&first, column->out, sizeof first);
    memcpy(&second, column->out + MR_K_BLOCK / 2, sizeof second);
    memcpy(&state, column->state, sizeof state);
    sums->first += first * times;
    sums->second += second * times;
    sums->state += state * times;
}

/* The samples first: they do not wait for the block before. */
MR_IN_CLONE void take_block(const struct mr_k_weighting *filter, const float *samples, quad *state,
                            quad *energy)
{
    struct sums sums = {{0}, {0}, {0}};
    for (int i = 0; i < MR_K_BLOCK; i++)
        add_column(&filter->columns[MR_K_STATE + i], (double)samples[i], &sums);
    for (int i = 0; i < MR_K_STATE; i++)
        add_column(&filter->columns[i], (*state)[i], &sums);
    *state = sums.state;
    *energy += sums.first * sums.first + sums.second * sums.second;
}

/* In silence the filters ring on below anything that counts, down to denormal numbers, which are slow. */
static void forget_whispers(double state[MR_K_STATE])
{
    const double whisper = 1e-20;
    for (int i = 0; i < MR_K_STATE; i++)
        if (fabs(state[i]) < whisper)
            state[i] = 0;
}

MR_IN_CLONE double take_rest(const struct mr_k_weighting *filter, const float *samples, int count,
                             double state[MR_K_STATE])
{
    double energy = 0;
    for (int i = 0; i < count; i++) {
        double out = step(filter, state, (double)samples[i]);
        energy += out * out;
    }
    forget_whispers(state);
    return energy;
}

MR_CLONES
struct mr_k_energy mr_k_weighting_energy(const struct mr_k_weighting *filter, struct mr_k_state *state,
                                         const float *left, const float *right, int samples)
{
    quad of_left, of_right, left_energy = {0}, right_energy = {0};
    int blocks = samples - samples % MR_K_BLOCK;
    memcpy(&of_left, state->channels[0], sizeof of_left);
    memcpy(&of_right, state->channels[1], sizeof of_right);
    for (int i = 0; i < blocks; i += MR_K_BLOCK) {
        take_block(filter, left + i, &of_left, &left_energy);
        take_block(filter, right + i, &of_right, &right_energy);
    }
    memcpy(state->channels[0], &of_left, sizeof of_left);
    memcpy(state->channels[1], &of_right, sizeof of_right);
    struct mr_k_energy all = {take_rest(filter, left + blocks, samples - blocks, state->channels[0]),
                              take_rest(filter, right + blocks, samples - blocks, state->channels[1])};
    for (int i = 0; i < MR_K_BLOCK / 2; i++) {
        all.left += left_energy[i];
        all.right += right_energy[i];
    }
    return all;
}
