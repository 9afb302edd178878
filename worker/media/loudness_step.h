/*
 * One step of the search for a gain of long audio, whose rehearsals units do (docs/decisions/0010-units.md): each encodes its
 * slice with the gain that is tried, and measures what the codec made of it. Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_LOUDNESS_STEP_H
#define MR_WORKER_MEDIA_LOUDNESS_STEP_H

#include "worker/media/loudness.h"

/*
 * heard: the rehearsals so far (mr_loudness_describe), `measured`: the sum of what the units have measured in the last one
 * (mr_meter_counts); of the first, which nobody has done yet, `rehearse` hears all of the audio. *ret, which the caller owns, is
 * {heard, next}: the rehearsals with this one, and "again": units are to rehearse once more; "last": they are to encode with the
 * gain that was found; "made": they have just done so.
 */
MR_MUST_CHECK enum mr_status mr_loudness_step(double target, const json_t *heard, const json_t *measured,
                                              mr_rehearse_fn *rehearse, void *ctx, json_t **ret,
                                              struct mr_err *err);

#endif
