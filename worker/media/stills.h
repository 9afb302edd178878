/* The pictures of the video that a job makes beside its parts. Used by one thread. */
#ifndef MR_WORKER_MEDIA_STILLS_H
#define MR_WORKER_MEDIA_STILLS_H

#include "worker/media/filmstrip.h"
#include "worker/media/thumbnail.h"

struct mr_stills {
    bool is_over; /* the first part has ended */
    struct mr_thumbnail thumbnail;
    struct mr_filmstrip filmstrip;
};

struct mr_stills mr_stills_for(const struct mr_options *options);
/* As if the options asked for none. */
struct mr_stills mr_stills_for_none(void);
void mr_stills_free(struct mr_stills *stills);

/* Whether frames of the video are needed for them: a copy is decoded, too. */
bool mr_stills_are_wanted(const struct mr_options *options);

/* Whether a later frame may be needed for them. */
bool mr_stills_wait(const struct mr_stills *stills);

/* Offers a frame, shown from at_us of the first part on, to all. turn: filters of its rotation, a constant. Code: internal. */
MR_MUST_CHECK enum mr_status mr_stills_offer(struct mr_stills *stills, const AVFrame *frame, const char *turn,
                                             int64_t at_us, struct mr_err *err);

#endif
