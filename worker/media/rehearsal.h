/*
 * A pass over the audio of an input without output: decoder, filters and encoder as in the conversion, and a meter
 * in the place of the output. Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_REHEARSAL_H
#define MR_WORKER_MEDIA_REHEARSAL_H

#include "shared/media/options.h"
#include "worker/media/demuxer.h"
#include "worker/media/formats.h"
#include "worker/media/loudness.h"

/*
 * The clip that the options leave of one of an input's audios, as mr_rehearse_fn asks for it (loudness.h). The place
 * in the input is behind the clip afterwards. Damage is reported by the pass that writes; this one listens to
 * what there is.
 */
MR_MUST_CHECK enum mr_status mr_rehearse(struct mr_demuxer *input, const struct mr_input_track *audio,
                                         const struct mr_media_format *spec, const struct mr_options *options,
                                         const struct mr_gain *gain, bool through_codec, struct mr_heard *ret,
                                         struct mr_err *err);

#endif
