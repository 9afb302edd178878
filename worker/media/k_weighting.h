/*
 * The weighting of ITU-R BS.1770-4, Annex 1: a shelf for the head and a high-pass, "K". Two channels at a
 * time, for that is how many doubles a vector register of any x86-64 or ARMv8 holds. Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_K_WEIGHTING_H
#define MR_WORKER_MEDIA_K_WEIGHTING_H

typedef double mr_pair __attribute__((vector_size(16)));

/* A section of second order, a0 = 1. */
struct mr_biquad {
    double b0, b1, b2, a1, a2;
};

struct mr_k_weighting {
    struct mr_biquad shelf, highpass;
};

/* What two channels' filters remember; all zero at the beginning. */
struct mr_k_state {
    mr_pair shelf[2], highpass[2];
};

/* rate in Hz, from 1 kHz. */
void mr_k_weighting_init(struct mr_k_weighting *filter, int rate);
/* The sum of the weighted samples' squares, of each of two channels; full scale is 1. */
mr_pair mr_k_weighting_energy(const struct mr_k_weighting *filter, struct mr_k_state *state,
                              const float *left, const float *right, int samples);

#endif
