/*
 * The true peak of audio by ITU-R BS.1770-4, Annex 2: the highest point of the curve through the samples,
 * read four times as often as these. One channel. Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_TRUE_PEAK_H
#define MR_WORKER_MEDIA_TRUE_PEAK_H

/* Samples on each side of a moment that its value is made of. */
enum { MR_PEAK_REACH = 8, MR_PEAK_TAPS = 2 * MR_PEAK_REACH, MR_PEAK_BLOCK = 32 };

struct mr_interpolator {
    /*
     * The moment half-way between the two samples in the middle of the taps is made of pairs of samples of
     * the same distance from it; so are a quarter and three quarters, `even` plus or minus `odd`, which are
     * made of the pairs' sums and differences.
     */
    float half[MR_PEAK_REACH], even[MR_PEAK_REACH], odd[MR_PEAK_REACH];
    float gain; /* no value is larger than this times the largest sample around it */
};
void mr_interpolator_init(struct mr_interpolator *interpolator);

/*
 * The highest absolute value among `blocks` times MR_PEAK_BLOCK samples and between them, or `peak` if that
 * is higher: what cannot surpass it is not looked at closely. There are MR_PEAK_TAPS - 1 readable samples
 * more after the last; the moments read are those around MR_PEAK_REACH after each.
 */
float mr_true_peak(const struct mr_interpolator *interpolator, const float *samples, int blocks, float peak);

#endif
