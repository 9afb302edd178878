/*
 * The waveform of a clip's audio: the lowest and the highest sample of each stretch, over all channels, as JSON that
 * audiowaveform's readers know (version 2, one channel, 8 bits) and as a picture. How long the clip is shows at its end, so
 * stretches are short at first, and when there are too many each two become one. Memory is bounded by the number of points.
 * Used by one thread.
 *
 * Source: https://github.com/bbc/audiowaveform, doc/DataFormat.md
 */
#ifndef MR_WORKER_MEDIA_WAVEFORM_H
#define MR_WORKER_MEDIA_WAVEFORM_H

#include "worker/media/parts.h"
#include "worker/media/sample_reader.h"

struct mr_waveform {
    int points; /* at most so many in the end; 0: no waveform is asked for */
    int height; /* of the picture in pixels; 0: none */

    int sample_rate;                 /* of what was heard, in Hz; 0: nothing yet */
    int64_t stretch;                 /* samples of a stretch */
    int64_t left;                    /* samples that the last one lacks */
    struct mr_waveform_point *heard; /* room for twice the points; NULL: nothing yet; owned */
    int count;                       /* the last one may lack samples */
};

void mr_waveform_free(struct mr_waveform *waveform);

/* The next samples of the clip, all at one rate. Fails only without memory. */
MR_MUST_CHECK enum mr_status mr_waveform_hear(struct mr_waveform *waveform,
                                              const struct mr_sample_block *block, int sample_rate,
                                              int samples, struct mr_err *err);

/* Writes what was asked for as the next outputs, and adds it to the descriptions; of a clip without audio a note that it
 * was left out. After all parts are finished. Code: internal. */
MR_MUST_CHECK enum mr_status mr_waveform_write(struct mr_waveform *waveform, struct mr_parts *parts,
                                               struct mr_err *err);

#endif
