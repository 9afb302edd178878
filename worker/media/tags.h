/*
 * Tags, cover art and chapters. Each is carried over where the target can hold it (formats.h), and the receipt lists
 * everything that was there. Used by one thread.
 */
#ifndef MR_WORKER_MEDIA_TAGS_H
#define MR_WORKER_MEDIA_TAGS_H

#include "worker/media/demuxer.h"
#include "worker/media/formats.h"
#include "worker/media/notes.h"

/* Sets the tags of `output`, or of its stream `main` where the format keeps them there. */
MR_MUST_CHECK enum mr_status mr_tags_carry(const struct mr_demuxer *input,
                                           const struct mr_media_format *format, AVFormatContext *output,
                                           AVStream *main, struct mr_notes *notes, struct mr_err *err);

/*
 * Cover art: adds a stream for it (*ret_stream; its packet is *ret_packet, a borrowed one to be written after
 * the header), or a tag. *ret_stream stays NULL if there is no stream to fill.
 */
MR_MUST_CHECK enum mr_status mr_cover_carry(const struct mr_demuxer *input,
                                            const struct mr_media_format *format, AVFormatContext *output,
                                            AVStream *main, AVStream **ret_stream,
                                            const AVPacket **ret_packet, struct mr_notes *notes,
                                            struct mr_err *err);

/* from_us, length_us: the clip of the input that is there (0 and INT64_MAX: all of it). */
MR_MUST_CHECK enum mr_status mr_chapters_carry(const struct mr_demuxer *input,
                                               const struct mr_media_format *format, int64_t from_us,
                                               int64_t length_us, AVFormatContext *output, AVStream *main,
                                               struct mr_notes *notes, struct mr_err *err);

#endif
