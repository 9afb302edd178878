/*
 * The weighting of ITU-R BS.1770-4, Annex 1: a shelf for the head and a high-pass, "K". Two channels at a time. A filter
 * waits for its own output; so eight samples are taken at once: their outputs, and the state behind them, are sums of the
 * samples and the state before, each times a column of constants, which vector registers hold (clones.h). Used by one
 * thread.
 */
#ifndef MR_WORKER_MEDIA_K_WEIGHTING_H
#define MR_WORKER_MEDIA_K_WEIGHTING_H

enum { MR_K_BLOCK = 8, MR_K_STATE = 4 /* numbers: two for each section */ };

/* A section of second order, a0 = 1. */
struct mr_biquad {
    double b0, b1, b2, a1, a2;
};

/* What one number adds to the outputs of a block, and to the state behind it. */
struct mr_k_column {
    double out[MR_K_BLOCK], state[MR_K_STATE];
};

struct mr_k_weighting {
    struct mr_biquad shelf, highpass;
    struct mr_k_column columns[MR_K_STATE + MR_K_BLOCK]; /* of the state, then of the samples */
};

/* What two channels' filters remember; all zero at the beginning. */
struct mr_k_state {
    double channels[2][MR_K_STATE];
};

struct mr_k_energy {
    double left, right;
};

/* rate in Hz, from 1 kHz. */
void mr_k_weighting_init(struct mr_k_weighting *filter, int rate);
/* The sum of the weighted samples' squares, of each of two channels; full scale is 1. */
struct mr_k_energy mr_k_weighting_energy(const struct mr_k_weighting *filter, struct mr_k_state *state,
                                         const float *left, const float *right, int samples);

#endif
