/*
 * Tags and chapters. Each is carried over where the target can hold it (formats.h), and the receipt lists
 * everything that was there. Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_TAGS_H
#define MR_WORKER_MEDIA_TAGS_H

#include "worker/media/demuxer.h"
#include "worker/media/formats.h"
#include "worker/media/notes.h"

/* What is carried from where to where. */
struct mr_carry {
    const struct mr_demuxer *input;
    const struct mr_media_format *format;
    const struct mr_options *options;
    AVFormatContext *output;
    AVStream *main;         /* of the output: the audio, or else the video */
    struct mr_notes *notes; /* NULL: none are wanted */
    json_t *claims;         /* an array, gets {what, key, value} of each tag that is set; NULL: the same */
};

/* Sets the tags of the output, or of its main stream where the format keeps them there. Notes what is dropped;
 * whether the rest is kept the finished file says (readback.h). */
MR_MUST_CHECK enum mr_status mr_tags_carry(const struct mr_carry *carry, struct mr_err *err);

/* from_us, length_us: the clip of the input that is there (0 and INT64_MAX: all of it). */
MR_MUST_CHECK enum mr_status mr_chapters_carry(const struct mr_demuxer *input,
                                               const struct mr_media_format *format, int64_t from_us,
                                               int64_t length_us, AVFormatContext *output, AVStream *main,
                                               struct mr_notes *notes, struct mr_err *err);

#endif
