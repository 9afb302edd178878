/*
 * The previews of a probe: thumbnail, filmstrip and waveform of a file that is not converted. The video and the audio are
 * decoded for it, each in a pass of its own over the input. What cannot be made is noted as dropped, with the reason: a probe
 * tells what a file is, and does not fail for want of a picture. Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_PREVIEWS_H
#define MR_WORKER_MEDIA_PREVIEWS_H

#include "worker/media/parts.h"

/* Opens the input again, with these streams alone. */
typedef enum mr_status mr_previews_open(void *ctx, unsigned wants, struct mr_source *source,
                                        struct mr_demuxer *input, struct mr_err *err);

struct mr_previews_wish {
    const struct mr_options *options;
    const char *name;    /* of the input; NULL: none is known */
    int64_t max_us;      /* what is longer is not decoded */
    struct mr_work work; /* what decoding costs, and may cost */
    mr_previews_open *open;
    void *ctx;
};

bool mr_previews_are_wanted(const struct mr_options *options);

/* Writes what the options ask for as the first outputs: thumbnail, filmstrip, waveform. Of parts fds, notes and outputs are
 * used. Fails only for our own faults; codes: internal, those of the source. */
MR_MUST_CHECK enum mr_status mr_previews_make(const struct mr_previews_wish *wish, struct mr_parts *parts,
                                              struct mr_err *err);

#endif
