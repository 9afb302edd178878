/*
 * The audio of one part: an encoder for each, whose packets go into the part's output, with silence under the
 * logos before and after the clip's samples. Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_AUDIO_PART_H
#define MR_WORKER_MEDIA_AUDIO_PART_H

#include "worker/media/monitor.h"
#include "worker/media/parts.h"

#include <libavutil/audio_fifo.h>

struct mr_audio_part {
    struct mr_parts *parts; /* not owned; nor is the next */
    const AVStream *source; /* of the input */
    enum mr_slot slot;      /* of the output */
    AVFrame *shape; /* without data: the form of the first decoded frame; NULL: nothing was opened yet */
    AVCodecContext *encoder; /* NULL: nothing was opened yet; stays after the last part, for the receipt */
    AVAudioFifo *queue;      /* samples on their way to the encoder */
    int64_t number;          /* of the present part, from 0 */
    int64_t passed;          /* of a unit: samples before its slice */
    int64_t encoded;         /* samples of this part that were given to the encoder, or would have been, */
    int64_t lead_in;         /* of which these are silence before the first */

    bool differs;              /* from what was decoded, by more than the format of samples */
    struct mr_meter out;       /* of what is written; used where it differs */
    struct mr_monitor monitor; /* where the loudness after a lossy codec counts */
};

void mr_audio_part_init(struct mr_audio_part *part, struct mr_parts *parts, enum mr_slot slot,
                        const AVStream *source);
void mr_audio_part_free(struct mr_audio_part *part);

/* Opens the first part, with an encoder for frames like this one. Codes: unsupported_codec, too_many_parts,
 * resource_limit, internal; of the next three as well. */
MR_MUST_CHECK enum mr_status mr_audio_part_open(struct mr_audio_part *part, const AVFrame *frame,
                                                struct mr_err *err);
/* Samples in the encoder's form. */
MR_MUST_CHECK enum mr_status mr_audio_part_write(struct mr_audio_part *part, uint8_t *const *data,
                                                 int samples, struct mr_err *err);
/* Ends the present part. */
MR_MUST_CHECK enum mr_status mr_audio_part_close(struct mr_audio_part *part, struct mr_err *err);
/* Ends it and opens the next. */
MR_MUST_CHECK enum mr_status mr_audio_part_next(struct mr_audio_part *part, struct mr_err *err);

/* True if a unit has made its slice. */
bool mr_audio_part_is_over(const struct mr_audio_part *part);

/* Samples that a time has at the encoder's rate; INT64_MAX stays as it is. Needs an open part. */
int64_t mr_audio_part_samples(const struct mr_audio_part *part, int64_t us);

#endif
